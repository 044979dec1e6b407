/** Rejected readings repaired: replayed once each with their first times, whatever happens in between. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RejectionSummary, ReplayReport } from '../../gateway/rejected-contract.ts';
import {
  accountOf,
  type GatewayProcess,
  startGateway,
  sumOf,
  untilDrained,
  untilReceived,
} from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { loadWith, RawMqtt, type Reading } from '../support/raw-mqtt.ts';
import { type InfluxServer, startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, type SchemaDocument, writeSchemas } from '../support/test-schemas.ts';

const DEVICE = 'greenhouse-7';
const TOPIC = `sensors/${DEVICE}/environment`;

/** The mended schema: this firmware sends its temperature as text, and a number is what it is stored as. */
const MENDED: SchemaDocument = {
  ...ENVIRONMENT,
  properties: {
    ...Object(ENVIRONMENT.properties),
    temperature: { type: ['number', 'string'], format: 'double', minimum: -60, maximum: 125 },
  },
};

function sinkInto(server: InfluxServer, name: string, database: string): object {
  return { name, type: 'influxdb', url: server.url, version: 1, database, batch: { age: '50ms' } };
}

async function send(gateway: GatewayProcess, readings: readonly Reading[]): Promise<void> {
  const client = await RawMqtt.connect({ port: gateway.port, clientId: DEVICE });
  const load = await loadWith(client, {
    count: readings.length,
    window: 50,
    reading: (i) => readings[i] ?? { topic: TOPIC, payload: '' },
  });
  expect(load).toMatchObject({ sent: readings.length, broken: false });
  client.destroy();
}

async function rejected(gateway: GatewayProcess, query: string): Promise<RejectionSummary[]> {
  // The shape is the program's own; a wrong one fails the test that reads it.
  return (await gateway.get(`/api/rejected?${query}`)) as RejectionSummary[];
}

/** Runs `rejected replay … --json`. */
async function replay(gateway: GatewayProcess, ...args: string[]): Promise<ReplayReport> {
  const { code, stdout, stderr } = await gateway.command('rejected', 'replay', ...args, '--json');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

/** Pages over HTTP from the beginning, until `enough` are stored or there are no more. */
async function replayPages(gateway: GatewayProcess, enough: number): Promise<number> {
  let stored = 0;
  let after: string | null = null;
  do {
    const page = await replayPage(gateway, after);
    stored += page.stored;
    after = page.next;
  } while (after !== null && stored < enough);
  return stored;
}

async function replayPage(gateway: GatewayProcess, after: string | null): Promise<ReplayReport> {
  const response = await fetch(`${gateway.url}/api/rejected/replay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ all: true, after, limit: 500 }),
  });
  expect(response.status).toBe(200);
  // The shape is the program's own; a wrong one fails the test that reads it.
  return (await response.json()) as ReplayReport;
}

async function theAccountCloses(gateway: GatewayProcess): Promise<void> {
  const account = await accountOf(gateway);
  expect(account.imbalances).toEqual([]);
  expect(account.total.received).toBe(sumOf(account.total));
  const { open, replayed, discarded, evicted } = account.rejections;
  expect(Object.values(account.codes).reduce((sum, n) => sum + n, 0)).toBe(
    open + replayed + discarded + evicted,
  );
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toContain('\ngateway_account_imbalance 0\n');
  expect(metrics).toContain(`\ngateway_rejected_open ${open}\n`);
  expect(metrics).toContain(`\ngateway_rejected_replayed_total ${replayed}\n`);
}

/** Milliseconds of all points of the device, ascending. */
async function timesIn(server: InfluxServer, database: string): Promise<number[]> {
  const rows = await server.query(`SELECT temperature FROM environment WHERE device = '${DEVICE}'`, database);
  return rows.map(({ time }) => Math.floor(Number(time) / 1e6)).sort((a, b) => a - b);
}

describeWith(['influxd'], 'rejected readings whose schema was mended', () => {
  test('500 of a device are stored with their first times, none twice, and the account closes', {
    timeout: 120_000,
  }, async () => {
    const server = await startInfluxd();
    await server.createDatabase('t');
    const schemas = writeSchemas(join(temporaryFolder('schemas'), 'readings'), ENVIRONMENT);
    const gateway = await startGateway({ config: { schemas, sinks: [sinkInto(server, 'influx', 't')] } });
    const startMs = Date.now() - 3_600_000;
    // Every second one with a time of its own, the others with that of their arrival.
    await send(
      gateway,
      Array.from({ length: 500 }, (_, i) => ({
        topic: TOPIC,
        payload:
          i % 2 === 0
            ? `{"ts":${startMs + i},"temperature":"21.5","seq":${i}}`
            : `{"temperature":"21.5","seq":${i}}`,
      })),
    );
    // A neighbour's are not touched.
    await send(gateway, [{ topic: 'sensors/other/environment', payload: '{"temperature":"1"}' }]);
    await untilReceived(gateway, 501);
    const before = await rejected(gateway, `device=${DEVICE}&limit=1000`);
    expect(before).toHaveLength(500);
    const firstTimes = before
      .map(({ atMs, payloadText }) => Number(/"ts":(\d+)/.exec(payloadText)?.[1] ?? atMs))
      .sort((a, b) => a - b);

    const listed = await gateway.command('rejected', 'list', '-d', DEVICE);
    expect(listed.stdout).toMatch(
      /500 × invalid under environment\.v1\n +\/temperature must be number, got string "/,
    );
    expect(await replay(gateway, '--code', 'invalid', '--device', DEVICE)).toMatchObject({
      stored: 0,
      still: 500,
    });

    writeSchemas(schemas, MENDED);
    await until('the mended schema is in force', async () => {
      const { stdout } = await gateway.command(
        'explain',
        '-t',
        TOPIC,
        '-p',
        '{"temperature":"21.5"}',
        '--json',
      );
      return JSON.parse(stdout).outcome === 'stored';
    });
    const shown = await gateway.command('rejected', 'show', before[0]?.id ?? '');
    expect(shown.stdout).toMatch(/"temperature": "21\.5",? {3}<-- must be number/);
    expect(shown.stdout).toMatch(/has changed since[\s\S]*- .*"number"[\s\S]*\+ .*"string"/);
    expect(shown.stdout).toMatch(/today\n {2}stored: environment,device=greenhouse-7 temperature=21\.5/);

    expect(await replay(gateway, '--code', 'invalid', '--device', DEVICE, '--dry-run')).toMatchObject({
      ...{ looked: 500, stored: 500, still: 0 },
    });
    expect(await rejected(gateway, `device=${DEVICE}&limit=1000`)).toEqual(before);
    expect(await replay(gateway, '--code', 'invalid', '--device', DEVICE)).toMatchObject({
      ...{ looked: 500, stored: 500, duplicate: 0, still: 0, gone: 0 },
    });
    await untilDrained(gateway, 'influx');
    expect(await timesIn(server, 't')).toEqual(firstTimes);
    expect(await rejected(gateway, 'limit=1000')).toMatchObject([{ device: 'other' }]);
    await theAccountCloses(gateway);

    expect(await replay(gateway, '--code', 'invalid', '--device', DEVICE)).toMatchObject({
      looked: 0,
      stored: 0,
    });
    expect(await replay(gateway, ...before.slice(0, 9).map(({ id }) => id))).toMatchObject({
      stored: 0,
      gone: 9,
    });
    await untilDrained(gateway, 'influx');
    expect(await timesIn(server, 't')).toEqual(firstTimes);
    const { sources, rejections } = await accountOf(gateway);
    expect(sources.replay).toMatchObject({ received: 500, stored: 500 });
    expect(await server.query('SELECT mean(temperature) AS t FROM environment', 't')).toMatchObject([
      { t: 21.5 },
    ]);
    expect(rejections).toMatchObject({ open: 1, replayed: 500 });
    await theAccountCloses(gateway);
    expect(await gateway.stop()).toBe(0);
  });

  test('kill -9 in the middle of a replay, again and again: still once each', {
    timeout: 120_000,
  }, async () => {
    const server = await startInfluxd();
    await server.createDatabase('t');
    const schemas = writeSchemas(join(temporaryFolder('schemas'), 'readings'), ENVIRONMENT);
    const gateway = await startGateway({ config: { schemas, sinks: [sinkInto(server, 'influx', 't')] } });
    const count = 6000;
    await send(
      gateway,
      Array.from({ length: count }, (_, i) => ({
        topic: TOPIC,
        payload: `{"temperature":"21.5","seq":${i}}`,
      })),
    );
    await untilReceived(gateway, count);
    writeSchemas(schemas, MENDED);
    await gateway.kill();
    const cutOffs: unknown[] = [];
    for (let round = 0; round < 3; round += 1) {
      await gateway.restart();
      expect(await replayPages(gateway, 500)).toBeGreaterThanOrEqual(500);
      const cutOff = replayPages(gateway, count).catch(() => null);
      await sleep(10 * (round + 1));
      await gateway.kill();
      cutOffs.push(await cutOff);
    }
    expect(cutOffs).toContain(null);
    await gateway.restart();
    expect(await replayPages(gateway, count)).toBeGreaterThan(0);
    await untilDrained(gateway, 'influx');
    expect(await server.count('t', 'environment', 'temperature')).toBe(count);
    expect(
      await server.query('SELECT count(seq) AS n, sum(seq) AS total FROM environment', 't'),
    ).toMatchObject([{ n: count, total: (count * (count - 1)) / 2 }]);
    const { sources, rejections } = await accountOf(gateway);
    expect(sources.replay).toMatchObject({ received: count, stored: count, duplicate: 0 });
    expect(rejections).toMatchObject({ open: 0, replayed: count });
    await theAccountCloses(gateway);
    await gateway.stop();
  });

  test('where no gateway runs, a replay waits in the log for the next one', async () => {
    const server = await startInfluxd();
    await server.createDatabase('t');
    const schemas = writeSchemas(join(temporaryFolder('schemas'), 'readings'), ENVIRONMENT);
    const gateway = await startGateway({ config: { schemas, sinks: [sinkInto(server, 'influx', 't')] } });
    await send(
      gateway,
      Array.from({ length: 20 }, (_, i) => ({ topic: TOPIC, payload: `{"temperature":"21.5","seq":${i}}` })),
    );
    await gateway.stop();
    writeSchemas(schemas, MENDED);
    expect(await replay(gateway, '--all')).toMatchObject({ stored: 20 });
    expect(await server.count('t', 'environment', 'temperature')).toBe(0);
    await gateway.restart();
    await untilDrained(gateway, 'influx');
    expect(await server.count('t', 'environment', 'temperature')).toBe(20);
    await theAccountCloses(gateway);
    await gateway.stop();
  });
});

describeWith(['influxd'], 'points that a database refused', () => {
  test('go to that sink alone, once the database is mended', async () => {
    const server = await startInfluxd();
    await server.createDatabase('mended');
    await server.createDatabase('other');
    const schemas = writeSchemas(join(temporaryFolder('schemas'), 'readings'), ENVIRONMENT);
    const sinks = [sinkInto(server, 'influx', 'mended'), sinkInto(server, 'other', 'other')];
    const gateway = await startGateway({ config: { schemas, sinks } });
    await until('both sinks are open', () => gateway.log().split('sink.ready').length > 2);
    // Behind the gateway's back, after it has asked for the types.
    await sleep(500);
    const response = await fetch(`${server.url}/write?db=mended`, {
      method: 'POST',
      body: 'environment,device=somebody temperature="warm"\n',
    });
    expect(response.status).toBe(204);
    const startMs = Date.now() - 3_600_000;
    await send(
      gateway,
      Array.from({ length: 10 }, (_, i) => ({
        topic: TOPIC,
        payload: `{"ts":${startMs + i},"temperature":${i}}`,
      })),
    );
    await until('all are refused by the one, and written to the other', async () => {
      const { sinks: ledgers } = await accountOf(gateway);
      const [influx, other] = ['influx', 'other'].map((name) => ledgers.find((each) => each.name === name));
      return influx?.rejected === 10 && other?.written === 10;
    });
    expect(await replay(gateway, '--sink', 'influx')).toMatchObject({ looked: 10, written: 0, still: 10 });

    await server.query('DROP MEASUREMENT environment', 'mended');
    expect(await replay(gateway, '--sink', 'influx', '--dry-run')).toMatchObject({ written: 10, still: 0 });
    expect(await server.count('mended', 'environment', 'temperature')).toBe(0);
    expect(await replay(gateway, '--sink', 'influx')).toMatchObject({ looked: 10, written: 10, still: 0 });
    expect(await server.count('mended', 'environment', 'temperature')).toBe(10);
    expect(await replay(gateway, '--sink', 'influx')).toMatchObject({ looked: 0 });
    const { sinks: ledgers, sources } = await accountOf(gateway);
    for (const name of ['influx', 'other'])
      expect(ledgers.find((each) => each.name === name)).toMatchObject({
        stored: 10,
        written: 10,
        rejected: 0,
      });
    expect(sources.replay).toBeUndefined();
    await theAccountCloses(gateway);
    await gateway.stop();
  });
});
