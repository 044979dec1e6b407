/** InfluxDB away, and InfluxDB (or a proxy) answering badly: nothing is lost, and health says why. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { type Answer, startInfluxFront } from '../support/influx-front.ts';
import { startPacedLoad } from '../support/paced-load.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';

/** `E2E_OUTAGE_SECONDS=60` is the full length. */
const OUTAGE_SECONDS = Number(process.env.E2E_OUTAGE_SECONDS ?? 4);
const PER_SECOND = 2000;
const MIB = 2 ** 20;

async function gatewayInto(url: string, more: Record<string, unknown> = {}): Promise<GatewayProcess> {
  return await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
      sinks: [{ name: 'influx', type: 'influxdb', url, version: 1, database: 't', ...more }],
    },
  });
}

describeWith(['influxd'], 'InfluxDB away under load', () => {
  test('nothing is lost, acknowledgements and memory unhurt, and the backlog drains', {
    timeout: 240_000,
  }, async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await gatewayInto(influx.url);
    const startMs = Date.now() - 3_600_000;
    const load = await startPacedLoad({
      port: gateway.port,
      clients: 20,
      perSecond: PER_SECOND,
      reading: (device, index) => environmentReading(device, index, startMs),
    });
    await sleep(3000);
    load.p99Ms();
    await sleep(1000);
    const before = { p99Ms: load.p99Ms(), rss: gateway.rssAnonBytes() };

    await influx.stop();
    let highest = 0;
    for (let second = 0; second < OUTAGE_SECONDS; second += 0.5) {
      await sleep(500);
      highest = Math.max(highest, gateway.rssAnonBytes());
    }
    const during = load.p99Ms();
    const { sinks } = await accountOf(gateway);
    expect(sinks[0]?.pending).toBeGreaterThan(PER_SECOND * (OUTAGE_SECONDS - 2));
    expect(JSON.stringify(await gateway.get('/health/ready'))).toMatch(/degraded/);

    await influx.restart();
    await until('the backlog drains while live readings go on', async () => {
      const [ledger] = (await accountOf(gateway)).sinks;
      return ledger !== undefined && ledger.pending < PER_SECOND;
    });
    await load.end();
    await untilDrained(gateway, 'influx');

    expect(load.failed()).toBe(0);
    expect(load.acknowledged()).toBe(load.sent());
    expect(during).toBeLessThan(Math.max(5 * before.p99Ms, 100));
    expect(highest - before.rss).toBeLessThan(64 * MIB);
    expect(await influx.count('t', 'environment', 'seq')).toBe(load.sent());
    expect(await gateway.stop()).toBe(0);
    await influx.stop();
  });
});

describeWith(['influxd'], 'InfluxDB or a proxy answering badly', () => {
  const HTML = '<html><body>Sign in to the hotel network</body></html>';
  const CASES: readonly (readonly [name: string, answer: Answer, says: RegExp])[] = [
    ['a wrong token', { status: 401, body: '{"error":"authorization failed"}' }, /401|authoriz/i],
    [
      'a missing database',
      { status: 404, body: '{"error":"database not found: \\"t\\""}' },
      /404|not found/i,
    ],
    ['429 with Retry-After', { status: 429, body: '', headers: { 'retry-after': '1' } }, /429/],
    ['a proxy answering 200', { status: 200, body: HTML, headers: { 'content-type': 'text/html' } }, /200/],
    ['a proxy answering 400', { status: 400, body: HTML, headers: { 'content-type': 'text/html' } }, /400/],
  ];

  test('nothing is lost, and health says why', { timeout: 120_000 }, async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const front = await startInfluxFront(influx.url);
    const startMs = Date.now() - 3_600_000;
    let sent = 0;
    for (const [name, answer, says] of CASES) {
      const gateway = await gatewayInto(front.url);
      const client = await RawMqtt.connect({ port: gateway.port, clientId: 'dev' });
      front.answer(answer);
      const readings = Array.from({ length: 20 }, (_, i) => environmentReading('dev', sent + i, startMs));
      await Promise.all(readings.map(async ({ topic, payload }) => await client.publish(topic, payload)));
      sent += readings.length;
      await until(
        `${name}: health says why`,
        async () => {
          const health = JSON.stringify(await gateway.get('/health/ready'));
          if (!says.test(health)) throw new Error(health);
          return true;
        },
        { timeoutMs: 10_000 },
      );
      const [ledger] = (await accountOf(gateway)).sinks;
      expect(ledger, name).toMatchObject({ stored: 20, written: 0, rejected: 0, dropped: 0, pending: 20 });
      front.answer('pass');
      // A pause is long on purpose; a restart tries at once.
      client.destroy();
      expect(await gateway.stop(), name).toBe(0);
      await gateway.restart();
      await untilDrained(gateway, 'influx');
      expect(await influx.count('t', 'environment', 'seq'), name).toBe(sent);
      expect(await gateway.stop()).toBe(0);
    }
    await front.close();
    await influx.stop();
  });

  test('413 is written in smaller parts', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const front = await startInfluxFront(influx.url);
    front.answer({ status: 413, body: '{"error":"Request Entity Too Large"}', aboveBytes: 4000 });
    const gateway = await gatewayInto(front.url);
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'dev' });
    const startMs = Date.now() - 3_600_000;
    const readings = Array.from({ length: 1000 }, (_, i) => environmentReading('dev', i, startMs));
    await Promise.all(readings.map(async ({ topic, payload }) => await client.publish(topic, payload)));
    const ledger = await untilDrained(gateway, 'influx');
    expect(ledger).toMatchObject({ written: 1000, rejected: 0, dropped: 0 });
    expect(await influx.count('t', 'environment', 'seq')).toBe(1000);
    client.destroy();
    expect(await gateway.stop()).toBe(0);
    await front.close();
    await influx.stop();
  });

  test('of 5,000 lines with 3 type conflicts, 4,997 are written and 3 are kept with its words', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const startMs = Date.now() - 60_000;
    const seeded = await fetch(`${influx.url}/write?db=t`, {
      method: 'POST',
      body: `environment,device=old note=1 ${startMs}000000`,
    });
    expect(seeded.status).toBe(204);
    await influx.stop();
    const schema = {
      ...ENVIRONMENT,
      properties: { ...Object(ENVIRONMENT.properties), note: { type: 'string' } },
    };
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), schema),
        sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
    });
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'dev' });
    const conflicts = new Set([17, 2500, 4999]);
    await Promise.all(
      Array.from({ length: 5000 }, async (_, seq) => {
        const payload = {
          ts: startMs + seq,
          temperature: 20,
          seq,
          ...(conflicts.has(seq) ? { note: 'x' } : {}),
        };
        await client.publish('sensors/dev/environment', JSON.stringify(payload));
      }),
    );
    await influx.restart();
    const ledger = await untilDrained(gateway, 'influx');
    expect(ledger).toMatchObject({ written: 4997, rejected: 3, dropped: 0 });
    expect(await influx.count('t', 'environment', 'seq')).toBe(4997);
    const rejected = JSON.stringify(await gateway.get('/api/rejected?code=sink-rejected'));
    expect(rejected.match(/field type conflict/g)?.length).toBeGreaterThanOrEqual(3);
    client.destroy();
    expect(await gateway.stop()).toBe(0);
    await influx.stop();
  });
});
