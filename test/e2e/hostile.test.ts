/** What a hostile or broken sender can do: nothing, but be counted. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate } from 'mqtt-packet';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { accountOf, type GatewayProcess, startGateway, sumOf } from '../support/gateway-process.ts';
import { type InfluxFront, startInfluxFront } from '../support/influx-front.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';

/** `E2E_FUZZ_SECONDS=60` is the full length. */
const FUZZ_SECONDS = Number(process.env.E2E_FUZZ_SECONDS ?? 5);
const MIB = 2 ** 20;
const HELD_MS = 100;
const startMs = Date.now() - 3_600_000;

const RECURSIVE = {
  $id: 'tree.v1',
  telemetry: { measurement: 'tree', topics: ['trees/{device}'] },
  type: 'object',
  properties: { depth: { type: 'integer' }, next: { $ref: '#' } },
};
const REGEX_BOMB = {
  $id: 'bomb.v1',
  telemetry: { measurement: 'bomb', topics: ['bombs/{device}'] },
  type: 'object',
  required: ['code'],
  properties: { code: { type: 'string', pattern: '^(a+)+$' }, n: { type: 'integer' } },
};

let gateway: GatewayProcess;
let front: InfluxFront;
let seq = 0;
const before = { rss: 0, held: 0 };

beforeAll(async () => {
  front = await startInfluxFront();
  gateway = await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT, RECURSIVE, REGEX_BOMB),
      sinks: [{ name: 'influx', type: 'influxdb', url: front.url, version: 1, database: 't' }],
    },
  });
  await goodReadingPasses();
  await sleep(500);
  before.rss = gateway.rssAnonBytes();
  before.held = await heldBytes();
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  await front.close();
});

beforeEach(async () => {
  await longestHoldMs();
});

async function goodReadingPasses(): Promise<void> {
  seq += 1;
  const client = await RawMqtt.connect({ port: gateway.port, clientId: `good-${seq}` });
  const { topic, payload } = environmentReading('good', seq, startMs);
  await client.publish(topic, payload);
  client.destroy();
}

/** The longest time the event loop was held since the last call (prom-client's own gauge, reset when read), ms. */
async function longestHoldMs(): Promise<number> {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const seconds = /^nodejs_eventloop_lag_max_seconds(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1];
  expect(seconds, 'the metric nodejs_eventloop_lag_max_seconds').toBeDefined();
  return Number(seconds) * 1000;
}

/** Bytes in use on the JavaScript heap and in buffers outside of it. */
async function heldBytes(): Promise<number> {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  return ['nodejs_heap_size_used_bytes', 'nodejs_external_memory_bytes']
    .map((name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(metrics)?.[1]))
    .reduce((sum, bytes) => sum + bytes, 0);
}

async function unhurt(): Promise<void> {
  expect(gateway.exitCode()).toBeNull();
  await goodReadingPasses();
  expect(await longestHoldMs()).toBeLessThan(HELD_MS);
}

/** Publishes, and resolves whether acknowledged or thrown out. */
async function offer(topic: string, payload: string | Buffer): Promise<'acknowledged' | 'closed'> {
  const client = await RawMqtt.connect({ port: gateway.port, clientId: 'hostile' });
  try {
    await client.publish(topic, payload);
    return 'acknowledged';
  } catch {
    return 'closed';
  } finally {
    client.destroy();
  }
}

/** Sends raw bytes on a connection of its own; resolves when the gateway closes it, or after `forMs`. */
async function throwBytes(bytes: Buffer, forMs = 2000): Promise<void> {
  const socket = connect(gateway.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(bytes);
  socket.resume();
  await Promise.race([closed, sleep(forMs)]);
  socket.destroy();
}

describe('a hostile sender', () => {
  test('100,000-deep JSON is rejected, also under a schema that recurs', async () => {
    const deep = `${'{"next":'.repeat(100_000)}{}${'}'.repeat(100_000)}`;
    await offer('trees/a', deep);
    await offer('trees/a', '['.repeat(100_000));
    await offer('sensors/a/environment', `{"temperature":${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
    await unhurt();
  });

  test('a bad payload is acknowledged and counted, so that it does not come again for ever', async () => {
    const { codes } = await accountOf(gateway);
    expect(await offer('sensors/a/environment', '{"temperature":')).toBe('acknowledged');
    expect(await offer('sensors/a/environment', Buffer.from([0xff, 0xfe, 0x22, 0xc3, 0x28]))).toBe(
      'acknowledged',
    );
    expect(await offer('sensors/a/environment', '')).toBe('acknowledged');
    expect(await offer('sensors/a/environment', '{"temperature":"\\u0000"}')).toBe('acknowledged');
    await until('they are counted', async () => {
      const now = (await accountOf(gateway)).codes;
      return now.undecodable >= codes.undecodable + 3 && now.invalid >= codes.invalid + 1;
    });
    await unhurt();
  });

  test('__proto__ and its like change nothing and are not stored', async () => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
      await offer('sensors/a/environment', `{"temperature":1,"${name}":{"polluted":1}}`);
      await offer(`sensors/${name}/environment`, '{"temperature":1}');
      await offer(name, '{}');
      await offer(`sensors/a/environment`, `{"${name}":{"temperature":1}}`);
    }
    const client = await RawMqtt.connect({ port: gateway.port, clientId: '__proto__' });
    await client.publish('sensors/__proto__/environment', '{"temperature":1,"__proto__":5}');
    client.destroy();
    const { total } = await accountOf(gateway);
    expect(sumOf(total)).toBeGreaterThan(0);
    await unhurt();
  });

  test('a CONNECT that announces 256 MB is thrown out before it costs memory', async () => {
    for (let i = 0; i < 4; i += 1) {
      await throwBytes(Buffer.concat([Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(MIB)]), 500);
    }
    expect(gateway.rssAnonBytes() - before.rss).toBeLessThan(64 * MIB);
    await unhurt();
  });

  test('10 MB payloads are thrown out, or rejected and counted', async () => {
    for (let i = 0; i < 4; i += 1) await offer('sensors/a/environment', Buffer.alloc(10 * MIB, 0x20));
    await unhurt();
    await until('memory is given back', () => gateway.rssAnonBytes() - before.rss < 96 * MIB);
  });

  test('80 clients that never end packets of 1 MB keep nobody out, and each is answered or thrown out', {
    timeout: 60_000,
  }, async () => {
    const { total: before } = await accountOf(gateway);
    const packet = Buffer.from(
      generate({
        ...{
          cmd: 'publish',
          topic: 'sensors/s/environment',
          qos: 1,
          messageId: 1,
          dup: false,
          retain: false,
        },
        payload: Buffer.alloc(1_000_000, 0x20),
      }),
    );
    const held = packet.subarray(0, -1);
    const slow = await Promise.all(
      Array.from({ length: 80 }, (_, i) => RawMqtt.connect({ port: gateway.port, clientId: `slow-${i}` })),
    );
    for (const client of slow) client.socket.write(held);
    await Promise.any(slow.map(({ whenClosed }) => whenClosed));
    for (let i = 0; i < 5; i += 1)
      expect(await offer('sensors/a/environment', Buffer.alloc(300_000, 0x20))).toBe('acknowledged');
    const ends = slow.map(async (client) => {
      const answered = new Promise<true>((resolve) => {
        client.onPacket = ({ cmd }) => {
          if (cmd === 'puback') resolve(true);
        };
      });
      client.socket.write(packet.subarray(held.length));
      return await Promise.race([answered, client.whenClosed.then(() => false)]);
    });
    const answered = (await Promise.all(ends)).filter((each) => each).length;
    for (const client of slow) client.destroy();
    // 64 MiB are 67 of them; some more had to go for those who came later.
    expect(answered).toBeGreaterThanOrEqual(60);
    expect(answered).toBeLessThan(80);
    const { total } = await accountOf(gateway);
    expect(total.rejected - before.rejected, 'too large, and each is kept').toBe(answered + 5);
    expect(sumOf(total)).toBe(total.received);
    await goodReadingPasses();
  });

  test('NUL and newline in topic and client id are refused', async () => {
    for (const clientId of ['a\0b', 'a\nb', 'a/b', 'a+', '#', '\u0007']) {
      await expect(
        RawMqtt.connect({ port: gateway.port, clientId }),
        JSON.stringify(clientId),
      ).rejects.toThrow();
    }
    for (const topic of ['sensors/a\0/environment', 'sensors/a\n/environment']) {
      const publish = Buffer.from(
        generate({
          cmd: 'publish',
          topic,
          payload: '{"temperature":1}',
          qos: 1,
          messageId: 1,
          dup: false,
          retain: false,
        }),
      );
      const hello = generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: 'nul',
        keepalive: 0,
      });
      await throwBytes(Buffer.concat([hello, publish]), 300);
    }
    const devices = JSON.stringify(await gateway.get('/api/account'));
    expect(devices).not.toContain('a\\u0000');
    expect(devices).not.toContain('a\\n');
    await unhurt();
  });

  test('a pattern that would take for ever does not', async () => {
    await offer('bombs/a', JSON.stringify({ code: `${'a'.repeat(40)}!`, n: 1 }));
    await unhurt();
  });

  test(`random bytes for ${FUZZ_SECONDS} s`, { timeout: (FUZZ_SECONDS + 30) * 1000 }, async () => {
    const hello = generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: 'fuzz',
      keepalive: 0,
    });
    // What earlier floods freed may stay with the allocator (glibc gives back only the top of its heap), hence two
    // bounds: what the noise adds to the process, and what the gateway still holds of everything so far.
    const startRss = gateway.rssAnonBytes();
    const deadline = performance.now() + FUZZ_SECONDS * 1000;
    let round = 0;
    while (performance.now() < deadline) {
      round += 1;
      const noise = randomBytes(1 + (round % 2000));
      const publish = generate({
        cmd: 'publish',
        topic: 'sensors/f/environment',
        payload: noise,
        qos: 1,
        messageId: 1,
        dup: false,
        retain: false,
      });
      await Promise.all([
        throwBytes(noise, 20),
        throwBytes(Buffer.concat([hello, noise]), 20),
        throwBytes(Buffer.concat([hello, publish, noise]), 20),
      ]);
    }
    await unhurt();
    await until('memory is bounded', () => gateway.rssAnonBytes() - startRss < 96 * MIB);
    await until('nothing is kept', async () => (await heldBytes()) - before.held < 64 * MIB);
  });
});
