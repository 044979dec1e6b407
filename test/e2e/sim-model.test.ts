/** What the simulator says a database must hold is what the real gateway makes of its readings, faults and all. */
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { expect, test } from 'vitest';
import { PAYLOAD_FAULTS, type PlannedReading } from '../../device-sim/contracts.ts';
import { type DigestField, digestOf, digestOfFields } from '../../device-sim/field-digest.ts';
import { createModel } from '../../device-sim/model/create-model.ts';
import { loadReadingSchemas } from '../../device-sim/model/reading-schemas.ts';
import { ODD_SCHEMAS } from '../device-sim/model/odd-schemas.ts';
import { fleetOf, scenarioOf } from '../device-sim/model/scenario-under-test.ts';
import {
  accountOf,
  type GatewayProcess,
  REPOSITORY,
  startGateway,
  untilDrained,
  untilReceived,
} from '../support/gateway-process.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writeSchemas } from '../support/test-schemas.ts';

/** `E2E_MODEL_READINGS=2000` of each schema is the full length. */
const READINGS = Number(process.env.E2E_MODEL_READINGS ?? 300);
const SHIPPED = join(REPOSITORY, 'schemas/readings');
const BATCH = 200;

interface Row {
  readonly measurement: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly ns: bigint;
  readonly fields: readonly DigestField[];
}

/** All rows of a database, with nothing rounded: as CSV, whose types the database tells beside. */
async function rowsOf(url: string, measurement: string): Promise<Row[]> {
  const ask = async (q: string): Promise<string[][]> => {
    const answer = await fetch(`${url}/query?db=t&epoch=ns&q=${encodeURIComponent(q)}`, {
      headers: { accept: 'application/csv' },
    });
    return (await answer.text())
      .split('\n')
      .filter((line) => line !== '')
      .map(cellsOf);
  };
  const types = new Map(
    (await ask(`SHOW FIELD KEYS FROM "${measurement}"`))
      .slice(1)
      .map((cells) => [cells[2] ?? '', cells[3] ?? '']),
  );
  const [head = [], ...lines] = await ask(`SELECT * FROM "${measurement}"`);
  return lines.map((cells) => {
    const tags = new Map<string, string>();
    const fields: DigestField[] = [];
    for (const [i, name] of head.entries()) {
      const text = cells[i] ?? '';
      if (i < 3 || text === '') continue;
      const type = types.get(name);
      if (type === undefined) tags.set(name, text);
      else if (type === 'float') fields.push({ name, kind: 'f', value: Number(text) });
      else if (type === 'integer') fields.push({ name, kind: 'i', value: BigInt(text) });
      else if (type === 'boolean') fields.push({ name, kind: 'b', value: text === 'true' });
      else fields.push({ name, kind: 's', value: text });
    }
    return { measurement, tags, fields, ns: BigInt(cells[2] ?? '0') };
  });
}

function cellsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

async function publishAll(client: MqttClient, readings: readonly PlannedReading[]): Promise<void> {
  for (let i = 0; i < readings.length; i += BATCH) {
    await Promise.all(
      readings
        .slice(i, i + BATCH)
        .map((reading) => client.publishAsync(reading.topic, reading.payload, { qos: 1 })),
    );
  }
}

async function rejectedPayloads(gateway: GatewayProcess): Promise<Map<string, number>> {
  const answer = await fetch(`${gateway.url}/api/rejected/export`);
  const counts = new Map<string, number>();
  for (const line of (await answer.text()).split('\n').filter((text) => text !== '')) {
    // The program's own line.
    const { topic, payloadBase64 } = JSON.parse(line) as { topic: string; payloadBase64: string };
    add(counts, payloadKey(topic, Buffer.from(payloadBase64, 'base64')), 1);
  }
  return counts;
}

function payloadKey(topic: string, payload: Buffer): string {
  const { high, low } = digestOf(payload);
  return `${topic} ${high} ${low}`;
}

function add(counts: Map<string, number>, key: string, n: number): void {
  const sum = (counts.get(key) ?? 0) + n;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}

/** The same bytes on the same topic as one before, with a time of their own: one reading, said again. */
function saidAgain(planned: readonly PlannedReading[]): Set<PlannedReading> {
  const keys = new Set<string>();
  return new Set(
    planned.filter(({ topic, payload, expected }) => {
      if (expected === null || expected.time === null || expected.time.base === 'arrival') return false;
      const key = payloadKey(topic, payload);
      const isKnown = keys.has(key);
      keys.add(key);
      return isKnown;
    }),
  );
}

describeWith(['influxd'], 'the model of the simulator', () => {
  test('every reading is stored or rejected as the simulator says, with these fields, types and times', {
    timeout: 300_000,
  }, async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const odd = writeSchemas(temporaryFolder('odd-schemas'), ...ODD_SCHEMAS);
    const schemas = loadReadingSchemas([SHIPPED, odd]);
    const all = writeSchemas(temporaryFolder('schemas'), ...schemas.map(({ root }) => root));
    const gateway = await startGateway({
      config: {
        schemas: all,
        sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
    });
    const rates = Object.fromEntries(
      PAYLOAD_FAULTS.map((fault) => [fault, fault === 'oversized' ? 0.004 : 0.05]),
    );
    const perDevice = Math.ceil(READINGS / 2);
    const startMs = Date.now() - 300_000;
    const model = createModel(
      scenarioOf([
        fleetOf({ name: 'bad', devices: schemas.length, faults: rates }),
        fleetOf({ name: 'good', devices: schemas.length * 2 }),
        fleetOf({ name: 'long', devices: schemas.length, payloadBytes: 600, faults: { 'type-flip': 0.3 } }),
      ]),
      schemas,
      startMs,
    );
    const planned: PlannedReading[] = [];
    for (let n = 0; n < perDevice; n += 1) {
      for (const [index, device] of model.devices.entries()) {
        const reading = device.next(Math.floor((n / perDevice) * 240_000_000) + index);
        if (reading !== null) planned.push(reading);
      }
    }
    // A corrected time is near.
    const sentNs = BigInt(Date.now() - 300_000) * 1_000_000n;
    const fromNs = BigInt(Date.now()) * 1_000_000n;
    const client = await connectAsync(`mqtt://127.0.0.1:${gateway.port}`, { clientId: 'model' });
    await publishAll(client, planned);
    await client.endAsync();
    await untilReceived(gateway, planned.length, 60_000);
    await untilDrained(gateway, 'influx', 60_000);
    const doneNs = BigInt(Date.now()) * 1_000_000n;

    const { total } = await accountOf(gateway);
    expect(total.refused + total.forwarded).toBe(0);
    const again = saidAgain(planned);
    expect(total.duplicate).toBeLessThanOrEqual(again.size);

    const rejected = await rejectedPayloads(gateway);
    const wronglyStored = planned.filter(({ fate, topic, payload }) => {
      if (fate !== 'rejected') return false;
      const key = payloadKey(topic, payload);
      const isThere = rejected.has(key);
      if (isThere) add(rejected, key, -1);
      return !isThere;
    });
    expect(wronglyStored.map(inWords)).toEqual([]);
    const eithers = planned.filter(({ fate }) => fate === 'either');
    for (const { topic, payload } of eithers)
      if (rejected.has(payloadKey(topic, payload))) add(rejected, payloadKey(topic, payload), -1);
    const wronglyRejected = planned.filter(
      ({ topic, payload, fate }) => fate === 'stored' && rejected.has(payloadKey(topic, payload)),
    );
    expect(wronglyRejected.map(inWords)).toEqual([]);
    expect([...rejected]).toEqual([]);

    const rows = new Map<string, bigint[]>();
    for (const name of new Set(
      planned.flatMap(({ expected }) => (expected === null ? [] : [expected.measurement])),
    )) {
      for (const row of await rowsOf(influx.url, name)) {
        const key = rowKey(row);
        rows.set(key, [...(rows.get(key) ?? []), row.ns]);
      }
    }
    // Those that came when they came take what is left.
    const kept = planned.filter((reading) => reading.expected !== null && !again.has(reading));
    const inOrder = [
      ...kept.filter((reading) => timeOf(reading) !== null),
      // Whose interval begins first takes the first row: all intervals are equally long.
      ...kept
        .filter((reading) => timeOf(reading) === null && reading.fate !== 'either')
        .sort((one, other) => Number(beforeArrival(other) - beforeArrival(one))),
      ...kept.filter((reading) => timeOf(reading) === null && reading.fate === 'either'),
    ];
    const missing = inOrder.filter((reading) => {
      const unit = BigInt(model.devices[reading.device]?.timeUnitNs ?? 1);
      const time = timeOf(reading);
      const there = rows.get(expectedKey(reading)) ?? [];
      if (time === null) there.sort((one, other) => Number(one - other));
      const beforeNs = beforeArrival(reading);
      const at = there.findIndex((ns) => {
        if (time !== null) return ns / unit === time / unit;
        if (beforeNs > 0n) return ns + beforeNs >= fromNs && ns + beforeNs <= doneNs;
        return ns >= sentNs || reading.fate === 'either';
      });
      if (at >= 0) there.splice(at, 1);
      return at < 0 && reading.fate === 'stored';
    });
    expect(missing.slice(0, 20).map(inWords)).toEqual([]);
    expect([...rows].filter(([, left]) => left.length > 0).slice(0, 20)).toEqual([]);

    const struck = new Set(planned.map(({ fault }) => fault));
    expect(PAYLOAD_FAULTS.filter((fault) => !struck.has(fault))).toEqual(['silence']);

    function rowKey({ measurement, tags, fields }: Row): string {
      const device = model.devices.find(
        ({ name, deviceTag }) => deviceTag !== null && tags.get(deviceTag) === name,
      );
      const entries = fields.filter(({ name }) => device?.undigested.includes(name) !== true);
      for (const [name, value] of tags) {
        if (name !== device?.deviceTag) entries.push({ name: `tag:${name}`, kind: 's', value });
      }
      const { high, low } = digestOfFields(entries);
      return `${device?.name} ${measurement} ${high} ${low}`;
    }

    function expectedKey({ device, expected }: PlannedReading): string {
      return `${model.devices[device]?.name} ${expected?.measurement} ${expected?.fields.high} ${expected?.fields.low}`;
    }

    /** How long before its arrival it was, ns. */
    function beforeArrival({ expected }: PlannedReading): bigint {
      const time = expected?.time ?? null;
      return time?.base === 'arrival' ? -time.ns : 0n;
    }

    /** Since 1970; null: of its arrival or counted back from it, or one that the gateway has corrected. */
    function timeOf({ device, expected }: PlannedReading): bigint | null {
      const time = expected?.time ?? null;
      if (time === null || time.base === 'arrival' || model.devices[device]?.schema === 'wrong-clock.v1')
        return null;
      return time.ns + (time.base === 'start' ? BigInt(startMs) * 1_000_000n : 0n);
    }
  });
});

function inWords({ topic, payload, fault, fate, expected }: PlannedReading): string {
  return `${fault} ${fate} ${topic} ${payload.toString('utf8', 0, 300)} ${expected?.time?.ns}`;
}
