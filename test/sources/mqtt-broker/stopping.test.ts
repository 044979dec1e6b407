import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createMqttBroker } from '../../../gateway/sources/mqtt-broker.ts';
import { FakeIngest } from './support/fake-ingest.ts';
import { HeldClock, RecordedEvents, settle, startBroker } from './support/harness.ts';
import { RawClient } from './support/raw-client.ts';

describe('stopping', () => {
  it('lets what is in flight be acknowledged, takes nothing new, and sends no wills', async () => {
    const { broker, ingest, connect, port, clock } = await startBroker();
    ingest.automatic = false;
    const will = { topic: 'status', payload: Buffer.from('gone') };
    const client = await connect('c1', { will });
    const idle = await connect('idle', { will });
    client.publish('a', 'x', { qos: 1, id: 1 });
    await settle();
    const stopped = broker.stop(5000);
    client.publish('a', 'too late', { qos: 1, id: 2 });
    await settle();
    await expect(RawClient.open(port)).rejects.toThrow();
    expect(client.closed).toBe(false);
    ingest.commit();
    expect((await client.next('puback')).messageId).toBe(1);
    await client.ended();
    await idle.ended();
    clock.advance(5000);
    await stopped;
    await settle();
    expect(ingest.messages).toHaveLength(1);
    expect(client.all('puback')).toHaveLength(1);
    expect(broker.connections()).toBe(0);
  });

  it('waits no longer than it may', async () => {
    const { broker, ingest, connect, clock } = await startBroker();
    ingest.automatic = false;
    const client = await connect('c1');
    client.publish('a', 'x', { qos: 1, id: 1 });
    await settle();
    const stopped = broker.stop(1000);
    await settle();
    expect(client.closed).toBe(false);
    clock.advance(1000);
    await client.ended();
    await settle();
    clock.advance(1000);
    await stopped;
    expect(client.all('puback')).toEqual([]);
  });

  it('cuts off clients that do not go', async () => {
    const { broker, socket, clock } = await startBroker();
    const stubborn = await socket();
    stubborn.socket.allowHalfOpen = true;
    await settle();
    const stopped = broker.stop(1000);
    for (let i = 0; i < 5; i += 1) {
      await settle();
      clock.advance(1000);
    }
    await stopped;
    expect(broker.connections()).toBe(0);
  });
});

describe('starting', () => {
  it('listens on all addresses or on none', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const freeAddress = free.address();
    const freePort = freeAddress !== null && typeof freeAddress === 'object' ? freeAddress.port : 0;
    await new Promise((resolve) => free.close(resolve));
    const deps = { ingest: new FakeIngest(), events: new RecordedEvents(), clock: new HeldClock() };
    const listeners = [
      { host: '127.0.0.1', port: freePort },
      { host: '127.0.0.1', port },
    ];
    await expect(createMqttBroker({ listeners }, deps).start()).rejects.toMatchObject({
      code: 'address-in-use',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    await expect(RawClient.open(freePort)).rejects.toThrow();
    const nowhere = createMqttBroker({ listeners: [{ host: '192.0.2.1', port: 0 }] }, deps);
    await expect(nowhere.start()).rejects.toMatchObject({ code: 'address-unavailable' });
    await new Promise((resolve) => taken.close(resolve));
  });

  it('takes clients on each address', async () => {
    const deps = { ingest: new FakeIngest(), events: new RecordedEvents(), clock: new HeldClock() };
    const listeners = [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 0 },
    ];
    const broker = createMqttBroker({ listeners }, deps);
    await broker.start();
    for (const { port } of broker.addresses()) {
      const client = await RawClient.open(port);
      client.sendConnect(`c${port}`);
      await client.next('connack');
      client.destroy();
    }
    const stopped = broker.stop(0);
    await settle();
    deps.clock.advance(1000);
    await stopped;
    expect(deps.events.named('mqtt.listening')).toHaveLength(2);
  });
});
