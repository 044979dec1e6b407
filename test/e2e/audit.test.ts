/** The audit of a real gateway's work: nothing found where all is well, and exactly the damage that was done. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { AuditResult } from '../../device-sim/audit/run-audit.ts';
import { isoOf } from '../../device-sim/audit/tally.ts';
import { digestOfFields } from '../../device-sim/field-digest.ts';
import { createLedger } from '../../device-sim/ledger/create-ledger.ts';
import { headerOf } from '../device-sim/ledger/readings.ts';
import {
  type GatewayProcess,
  SIMULATOR_MAIN,
  startGateway,
  untilDrained,
} from '../support/gateway-process.ts';
import { run } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { startInfluxd, startVictoriaMetrics } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writeSchemas } from '../support/test-schemas.ts';

const DEVICES = 5;
const READINGS = 60;
const number = { type: 'number', maximum: 1000 };

const SCHEMAS = [
  {
    $id: 'own.v1',
    telemetry: {
      measurement: 'own',
      topics: ['own/{site}/{device}'],
      tags: ['site'],
      time: { property: 'ts', unit: 'ms' },
    },
    type: 'object',
    required: ['value'],
    properties: {
      ts: { type: 'integer' },
      value: number,
      state: { type: 'string' },
      on: { type: 'boolean' },
    },
  },
  {
    $id: 'arrival.v1',
    telemetry: { measurement: 'arrival', topics: ['arrival/{site}/{device}'], tags: ['site'] },
    type: 'object',
    required: ['value'],
    properties: { value: number, count: { type: 'integer' } },
  },
];

/** Sends readings of both schemas, one in ten bad, and keeps the ledger. */
async function send(gateway: GatewayProcess): Promise<{ ledger: string; startMs: number }> {
  const ledger = join(temporaryFolder('audit-e2e'), 'ledger');
  const startMs = Date.now();
  const writer = createLedger(ledger, headerOf(DEVICES, { startMs }));
  const client = await RawMqtt.connect({ port: gateway.port, clientId: 'sender' });
  const site = { name: 'tag:site', kind: 's', value: 'north' } as const;
  for (let n = 0; n < READINGS; n += 1) {
    const numbers: number[] = [];
    const sent: Promise<unknown>[] = [];
    for (let device = 0; device < DEVICES; device += 1) {
      const offsetMs = Date.now() - startMs;
      const own = device % 2 === 0;
      const bad = n % 10 === 9;
      const value = bad ? 5000 : device * 100 + n + 0.25;
      const fields = own
        ? ([
            { name: 'state', kind: 's', value: `"ä ${n}` },
            { name: 'on', kind: 'b', value: n % 2 === 0 },
            { name: 'value', kind: 'f', value },
          ] as const)
        : ([
            { name: 'count', kind: 'i', value: 2 ** 53 - 1 - n },
            { name: 'value', kind: 'f', value },
          ] as const);
      const reading = Object.fromEntries(fields.map((field) => [field.name, field.value]));
      // Two readings of a device never share a ms of their own here: n counts beside it.
      const timeMs = startMs + offsetMs + n * 10;
      const payload = Buffer.from(JSON.stringify(own ? { ts: timeMs, ...reading } : reading));
      const topic = `${own ? 'own' : 'arrival'}/north/d${device}`;
      numbers.push(
        writer.sent(
          {
            device,
            n,
            topic,
            payload,
            fault: bad ? 'violation' : null,
            fate: bad ? 'rejected' : 'stored',
            expected: bad
              ? null
              : {
                  measurement: own ? 'own' : 'arrival',
                  fields: digestOfFields([...fields, site]),
                  time: own ? { ns: BigInt(timeMs - startMs) * 1_000_000n, base: 'start' } : null,
                },
            recognisable: own,
          },
          offsetMs * 1000,
          null,
        ),
      );
      writer.flush();
      sent.push(client.publish(topic, payload.toString()));
    }
    await Promise.all(sent);
    for (const each of numbers) writer.acknowledged(each);
  }
  client.destroy();
  await writer.close();
  return { ledger, startMs };
}

async function audit(
  ledger: string,
  ...args: string[]
): Promise<{ code: number | string; result: AuditResult }> {
  const all = ['audit', '--ledger', ledger, '--json', ...args];
  const { code, stdout, stderr } = await run(process.execPath, [SIMULATOR_MAIN, ...all]);
  expect(stderr).toBe('');
  // The program's own answer; a wrong shape fails the test that reads it.
  return { code, result: JSON.parse(stdout) as AuditResult };
}

interface Point {
  readonly measurement: string;
  readonly device: string;
  readonly ns: bigint;
}

/** Somebody who changes a database behind the gateway's back. */
interface Vandal {
  points(measurement: string): Promise<Point[]>;
  remove(point: Point): Promise<void>;
  setValue(point: Point, value: number): Promise<void>;
  move(point: Point, ns: bigint): Promise<void>;
  add(point: Point): Promise<void>;
}

/** 10 deleted, 5 altered, 3 added: what the audit must find, as `kind device time`. */
async function damage(vandal: Vandal): Promise<string[]> {
  const own = (await vandal.points('own')).filter(({ device }) => device === 'd0');
  const arrival = (await vandal.points('arrival')).filter(({ device }) => device === 'd1');
  const done: string[] = [];
  const note = (kind: string, { device }: Point, ns: bigint | null): void => {
    done.push(`${kind} ${device} ${ns === null ? '' : isoOf(ns)}`);
  };
  for (const point of [...own.slice(3, 9), ...arrival.slice(5, 9)]) {
    await vandal.remove(point);
    note('lost', point, null);
  }
  for (const point of [...own.slice(20, 22), ...arrival.slice(20, 21)]) {
    await vandal.setValue(point, -40.5);
    note('altered-value', point, point.ns);
  }
  for (const point of own.slice(30, 32)) {
    const ns = point.ns + 3_500_000n;
    await vandal.move(point, ns);
    note('altered-time', point, ns);
  }
  for (const [i, measurement] of ['own', 'arrival', 'own'].entries()) {
    const point = { measurement, device: `d${i}`, ns: (own[0]?.ns ?? 0n) - 1_000_000_000n - BigInt(i) };
    await vandal.add(point);
    note('unexpected', point, point.ns);
  }
  return done.sort((a, b) => (a < b ? -1 : 1));
}

function found({ findings }: AuditResult): string[] {
  return findings
    .map(({ kind, device, storedAt }) => `${kind} ${device} ${storedAt ?? ''}`)
    .sort((a, b) => (a < b ? -1 : 1));
}

const SENT = DEVICES * READINGS;
const BAD = SENT / 10;

describeWith(['influxd'], 'the audit of a gateway with InfluxDB', () => {
  it('finds nothing at first, and then exactly what was done behind its back', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ...SCHEMAS),
        sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
    });
    const { ledger } = await send(gateway);
    const args = ['--influx', influx.url, '--bucket', 't', '--gateway', gateway.url];
    const before = await audit(ledger, ...args);
    expect(before.result.total).toMatchObject({ sent: SENT, stored: SENT - BAD, rejected: BAD, lost: 0 });
    expect(before.result.findings).toEqual([]);
    expect(before.code).toBe(0);

    const write = async (line: string): Promise<void> => {
      const response = await fetch(`${influx.url}/write?db=t`, { method: 'POST', body: line });
      expect(response.status).toBe(204);
    };
    const remove = async ({ measurement, device, ns }: Point): Promise<void> => {
      await influx.query(`DELETE FROM "${measurement}" WHERE device = '${device}' AND time = ${ns}`, 't');
    };
    const series = ({ measurement, device }: Point): string => `${measurement},device=${device},site=north`;
    const done = await damage({
      // JSON would round the times.
      points: async (measurement) => {
        const query = new URLSearchParams({
          db: 't',
          epoch: 'ns',
          q: `SELECT value, device FROM ${measurement}`,
        });
        const headers = { accept: 'application/csv' };
        const text = await (await fetch(`${influx.url}/query?${query}`, { headers })).text();
        return text
          .trim()
          .split('\n')
          .slice(1)
          .map((line) => line.split(','))
          .map(([, , ns = '', , device = '']) => ({ measurement, device, ns: BigInt(ns) }));
      },
      remove,
      setValue: async (point, value) => await write(`${series(point)} value=${value} ${point.ns}`),
      move: async (point, ns) => {
        const [row] = await influx.query(
          `SELECT * FROM own WHERE device = '${point.device}' AND time = ${point.ns}`,
          't',
        );
        await remove(point);
        const state = JSON.stringify(row?.state);
        await write(
          `${series(point)} value=${Number(row?.value)},state=${state},on=${String(row?.on)} ${ns}`,
        );
      },
      add: async (point) => await write(`${series(point)} value=1 ${point.ns}`),
    });
    const after = await audit(ledger, ...args);
    expect(found(after.result)).toEqual(done);
    expect(after.code).toBe(1);

    const { code, stderr } = await run(process.execPath, [
      SIMULATOR_MAIN,
      ...['audit', '--ledger', ledger, '--influx', 'http://127.0.0.1:1', '--bucket', 't'],
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('the audit could not be made: InfluxDB does not answer');
    expect(await gateway.stop()).toBe(0);
    await influx.stop();
  });

  it('says at the end of a run that nothing was lost', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({
      config: { sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }] },
    });
    const { code, stdout, stderr } = await run(process.execPath, [
      SIMULATOR_MAIN,
      ...['run', '--devices', '40', '--rate', '10/s', '--for', '4s', '--bad', '5%', '--audit'],
      ...['--url', `mqtt://127.0.0.1:${gateway.port}`, '--gateway', gateway.url],
      ...['--influx', influx.url, '--bucket', 't'],
    ]);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain('Nothing that was acknowledged is lost or altered.');
    expect(await gateway.stop()).toBe(0);
    await influx.stop();
  });
});

describeWith(['duckdb'], 'the audit of a gateway with the embedded store', () => {
  it('finds nothing while the gateway runs, and then exactly what was done behind its back', async () => {
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ...SCHEMAS),
        sinks: [{ type: 'embedded' }],
      },
    });
    const { ledger } = await send(gateway);
    const embedded = ['--embedded', gateway.dataDir];
    const before = await audit(ledger, ...embedded, '--gateway', gateway.url);
    expect(before.result.total).toMatchObject({ sent: SENT, stored: SENT - BAD, rejected: BAD, lost: 0 });
    expect(before.result.findings).toEqual([]);
    expect(before.code).toBe(0);
    expect(await gateway.stop()).toBe(0);

    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(join(gateway.dataDir, 'embedded.duckdb'));
    const connection = await instance.connect();
    const where = ({ device, ns }: Point): string => `device = '${device}' AND epoch_ns(time) = ${ns}`;
    const done = await damage({
      points: async (measurement) => {
        const rows = await connection.runAndReadAll(
          `SELECT device, epoch_ns(time) FROM main.${measurement} ORDER BY time`,
        );
        return rows.getRows().map(([device, ns]) => ({
          measurement,
          device: String(device),
          ns: BigInt(String(ns)),
        }));
      },
      remove: async (point) =>
        void (await connection.run(`DELETE FROM main.${point.measurement} WHERE ${where(point)}`)),
      setValue: async (point, value) =>
        void (await connection.run(
          `UPDATE main.${point.measurement} SET value = ${value} WHERE ${where(point)}`,
        )),
      move: async (point, ns) =>
        void (await connection.run(
          `UPDATE main.${point.measurement} SET time = make_timestamp_ns(${ns}) WHERE ${where(point)}`,
        )),
      add: async ({ measurement, device, ns }) =>
        void (await connection.run(
          `INSERT INTO main.${measurement} (time, device, site, value) VALUES (make_timestamp_ns(${ns}), '${device}', 'north', 1)`,
        )),
    });
    connection.closeSync();
    instance.closeSync();
    const after = await audit(ledger, ...embedded);
    // The rejected readings come out of the folder, now that no gateway runs on it.
    expect(after.result.total.rejected).toBe(BAD);
    expect(found(after.result)).toEqual(done);
    expect(after.code).toBe(1);
  });
});

describeWith(['victoria-metrics'], 'the audit of a gateway with VictoriaMetrics', () => {
  it('finds each reading at its ms, and says which is missing', async () => {
    const victoria = await startVictoriaMetrics();
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ...SCHEMAS),
        sinks: [{ name: 'v', type: 'influxdb', url: victoria.url, version: 1, database: 't' }],
      },
    });
    const { ledger } = await send(gateway);
    await untilDrained(gateway, 'v');
    await victoria.flush();
    const { code, result } = await audit(ledger, '--victoria', victoria.url, '--gateway', gateway.url);
    expect(result.total).toMatchObject({ sent: SENT, stored: SENT - BAD, rejected: BAD, lost: 0 });
    expect(code).toBe(0);
    expect(await gateway.stop()).toBe(0);
    await victoria.stop();
  });
});
