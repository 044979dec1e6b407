import { createServer, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { afterEach, expect, test } from 'vitest';
import { loadWith, RawMqtt } from './raw-mqtt.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A broker that closes the connection at the n-th publish, unacknowledged. */
async function broker(closeAt: number): Promise<number> {
  const sockets = new Set<Socket>();
  let seen = 0;
  const aedes = await Aedes.createBroker({
    authorizePublish: (_client, _packet, answer) => {
      seen += 1;
      if (seen >= closeAt) for (const socket of sockets) socket.destroy();
      else answer(null);
    },
  });
  const server = createServer((socket) => {
    sockets.add(socket);
    aedes.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const reading = (index: number): { topic: string; payload: string } => ({
  topic: 'a/b',
  payload: String(index),
});

test('a load is acknowledged reading by reading', async () => {
  const client = await RawMqtt.connect({ port: await broker(Number.POSITIVE_INFINITY), clientId: 'c' });
  const load = await loadWith(client, { count: 500, window: 20, reading });
  expect(load).toMatchObject({ sent: 500, broken: false });
  expect(load.acknowledged).toEqual(Array.from({ length: 500 }, (_, i) => i));
  await client.publish('a/b', 'x', { qos: 2 });
  await client.disconnect();
});

test('a broken connection tells what was acknowledged until then', async () => {
  const client = await RawMqtt.connect({ port: await broker(101), clientId: 'c' });
  const load = await loadWith(client, { count: 500, window: 20, reading });
  expect(load.broken).toBe(true);
  expect(load.acknowledged.length).toBeLessThanOrEqual(100);
  expect(load.sent - load.acknowledged.length).toBeLessThanOrEqual(20 + 100);
  await expect(client.publish('a/b', 'x')).rejects.toThrow('closed');
});
