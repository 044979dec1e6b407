import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import { afterEach, expect, test } from 'vitest';
import { runFleet } from '../../device-sim/fleet.ts';
import type { ReadingSchema } from '../../device-sim/reading-schemas.ts';

const schemas: ReadingSchema[] = [
  {
    $id: 'example.v1',
    telemetry: { topics: ['sensors/{device}/example'] },
    type: 'object',
    properties: { level: { type: 'number', minimum: 0, maximum: 10 } },
  },
];

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function broker(authorize: (answer: (error: Error | null) => void) => void): Promise<{ port: number }> {
  const aedes = await Aedes.createBroker({
    authorizePublish: (_client, _packet, answer) => authorize((error) => answer(error)),
  });
  const server = createServer(aedes.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0 };
}

function options(port: number): Parameters<typeof runFleet>[0] {
  return {
    url: `mqtt://127.0.0.1:${port}`,
    devices: 5,
    readingsPerSecond: 40,
    qos: 1,
    durationMs: 1000,
    badShare: 0.2,
    seed: 7,
    schemas,
  };
}

test('offers what it was asked to, and counts what was acknowledged', async () => {
  let arrived = 0;
  const { port } = await broker((answer) => {
    arrived += 1;
    answer(null);
  });
  const summary = await runFleet(options(port), new AbortController().signal);
  expect(summary).toMatchObject({
    offered: 200,
    sent: 200,
    heldBack: 0,
    acknowledged: 200,
    unacknowledged: 0,
  });
  expect(arrived).toBe(200);
  expect(summary.badSent).toBeGreaterThan(10);
  expect(summary.badSent).toBeLessThan(90);
  expect(summary.badAcknowledged).toBe(summary.badSent);
  expect(summary.p99Ms).not.toBeNull();
});

test('what is not acknowledged is not counted as such, and holds the device back', async () => {
  const { port } = await broker(() => undefined);
  const abort = new AbortController();
  const running = runFleet(
    { ...options(port), readingsPerSecond: 1000, durationMs: 500, settleMs: 100 },
    abort.signal,
  );
  const summary = await running;
  expect(summary.acknowledged).toBe(0);
  expect(summary.sent).toBe(500);
  expect(summary.heldBack).toBe(summary.offered - 500);
}, 20_000);

test('a broker that is not there is one plain error', async () => {
  await expect(runFleet({ ...options(1), devices: 2 }, new AbortController().signal)).rejects.toThrow(
    /cannot connect to mqtt:\/\/127\.0\.0\.1:1/,
  );
});
