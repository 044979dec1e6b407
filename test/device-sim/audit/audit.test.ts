import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditStore, StoredRow } from '../../../device-sim/audit/audit-contract.ts';
import { auditText } from '../../../device-sim/audit/audit-text.ts';
import { openEmbeddedStore } from '../../../device-sim/audit/embedded-store.ts';
import { createInfluxStore } from '../../../device-sim/audit/influx-store.ts';
import { digestOf } from '../../../device-sim/field-digest.ts';
import { encodeLine, type FieldValue } from '../../../gateway/line-protocol/encode.ts';
import { createEmbeddedSink } from '../../../gateway/sinks/embedded.ts';
import { type InfluxServer, startInfluxd } from '../../support/servers.ts';
import { describeWith } from '../../support/services.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { fieldsOf, plannedReading, START_MS } from '../ledger/readings.ts';
import { AUDIT_CASES } from './audit-cases.ts';
import {
  auditOf,
  MS,
  memoryStore,
  named,
  reject,
  rowOf,
  rowsOf,
  START_NS,
  saidOf,
  sceneOf,
} from './audit-under-test.ts';

/** The same cases for each kind of store, in one piece and in many small ones. */
function conforms(fill: (rows: readonly StoredRow[]) => Promise<AuditStore>): void {
  it.each(AUDIT_CASES)('$name', async ({ scene: make, findings, good }) => {
    const scene = make();
    const store = await fill(rowsOf(scene));
    for (const mostAtOnce of [200_000, 16]) {
      const result = await auditOf(scene, store, { mostAtOnce });
      expect(named(result.findings), `${mostAtOnce} at once`).toEqual([...findings(scene)].sort());
      expect(result.good).toBe(good);
      expect(sumOfEnds(result.total)).toBe(scene.said.length);
    }
    await store.close();
  });
}

function sumOfEnds(total: Readonly<Record<string, number>>): number {
  const besides = ['sent', 'acknowledged', 'double', 'unrecognisable-double', 'allowed-repeat'];
  return Object.entries(total)
    .filter(([kind]) => !besides.includes(kind) && !kind.startsWith('unexpected'))
    .reduce((sum, [, count]) => sum + count, 0);
}

const TYPES = { f: 'float', i: 'integer', s: 'string', b: 'boolean' } as const;

function lineOf({ timeNs, tags, fields }: StoredRow): string {
  return encodeLine({
    measurement: 'env',
    tags: [...tags],
    fields: (fields ?? []).map(({ name, kind, value }) => [
      name,
      // The four shapes of a field have the value that their kind says.
      { type: TYPES[kind], value: kind === 'i' ? String(value) : value } as FieldValue,
    ]),
    timestampNs: String(timeNs),
  });
}

describe('the audit of a store in memory', () => {
  conforms(async (rows) => memoryStore(rows));
});

describeWith(['influxd'], 'the audit of InfluxDB 1', () => {
  let influx: InfluxServer;
  let databases = 0;
  beforeAll(async () => {
    influx = await startInfluxd();
  });
  afterAll(async () => await influx.stop());

  conforms(async (rows) => {
    databases += 1;
    const bucket = `d${databases}`;
    await influx.createDatabase(bucket);
    const body = rows.map(lineOf).join('\n');
    const response = await fetch(`${influx.url}/write?db=${bucket}`, { method: 'POST', body });
    expect(response.status).toBe(204);
    const access = { org: null, token: null, username: null, password: null };
    return createInfluxStore({ url: influx.url, bucket, ...access });
  });

  it('says in words what it cannot do', async () => {
    const access = { org: null, token: null, username: null, password: null };
    const missing = createInfluxStore({ url: influx.url, bucket: 'nowhere', ...access });
    await expect(auditOf(sceneOf('own'), missing)).rejects.toThrow('database not found');
    const nobody = createInfluxStore({ url: 'http://127.0.0.1:1', bucket: 'd', ...access });
    await expect(auditOf(sceneOf('own'), nobody)).rejects.toThrow('does not answer');
  });
});

describeWith(['duckdb'], 'the audit of the embedded store', () => {
  conforms(async (rows) => {
    const folder = temporaryFolder('audit-embedded');
    const sink = createEmbeddedSink({ path: join(folder, 'e.duckdb'), maxBytes: null, maxAgeMs: null });
    const { signal } = new AbortController();
    await sink.open('store', 1, signal);
    await sink.write(Buffer.from(rows.map((row) => `${lineOf(row)}\n`).join('')), 1, signal);
    await sink.close();
    return await openEmbeddedStore(folder, temporaryFolder('audit-copy'));
  });

  it('reads it also while its gateway writes to it', async () => {
    const folder = temporaryFolder('audit-embedded');
    const sink = createEmbeddedSink({ path: join(folder, 'e.duckdb'), maxBytes: null, maxAgeMs: null });
    const { signal } = new AbortController();
    await sink.open('store', 1, signal);
    const scene = sceneOf('own');
    await sink.write(
      Buffer.from(
        rowsOf(scene)
          .map((row) => `${lineOf(row)}\n`)
          .join(''),
      ),
      1,
      signal,
    );
    const store = await openEmbeddedStore(folder, temporaryFolder('audit-copy'));
    expect((await auditOf(scene, store)).total.stored).toBe(200);
    await store.close();
    await sink.close();
  });
});

describe('the audit', () => {
  it('finds each reading that had to be rejected among the rejected ones, or calls it lost', async () => {
    const scene = sceneOf('own');
    for (const index of [4, 5, 6, 7, 8]) reject(scene, index);
    scene.rejected.splice(2, 1);
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 195, rejected: 4, lost: 1 });
    expect(result.findings).toMatchObject([{ kind: 'lost', device: 'd2', n: 1, faults: ['violation'] }]);
    expect(result.good).toBe(false);
  });

  it('does not call lost what may have been rejected, where no gateway was given', async () => {
    const scene = sceneOf('own');
    reject(scene, 4);
    const result = await auditOf(scene, memoryStore(rowsOf(scene)), { gateway: false });
    expect(result.total).toMatchObject({ stored: 199, 'not-looked-for': 1, lost: 0 });
    expect(result.good).toBe(true);
  });

  it('finds rejected readings whose device the gateway could not tell', async () => {
    const scene = sceneOf('own');
    for (const index of [4, 5]) reject(scene, index);
    const unnamed = scene.rejected.map((rejection) => ({ ...rejection, device: null }));
    const result = await auditOf({ ...scene, rejected: unnamed }, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 198, rejected: 2, lost: 0, 'unexpected-rejection': 0 });
  });

  it('gives each of many equal rejections without a device to the reading that has to have it', async () => {
    const scene = sceneOf('own', { devices: 3, readings: 1 });
    for (const index of [0, 1, 2]) {
      reject(scene, index);
      const { planned } = saidOf(scene, index);
      scene.said[index] = { ...saidOf(scene, index), planned: { ...planned, payload: Buffer.alloc(0) } };
    }
    const payload = digestOf(Buffer.alloc(0));
    // The first was answered late, the second at once; of the third the gateway says whose it is.
    saidOf(scene, 0).ackMs = 500;
    const atMs = [START_MS + 400, START_MS + 5, START_MS + 2];
    const rejected = scene.rejected.map((each, i) => ({
      ...each,
      payload,
      atMs: atMs[i] ?? 0,
      device: i === 2 ? 'd2' : null,
    }));
    const result = await auditOf({ ...scene, rejected }, memoryStore([]));
    expect(result.total).toMatchObject({ rejected: 3, lost: 0, 'unexpected-rejection': 0 });
  });

  it('says so when a good reading was rejected, or a bad one stored', async () => {
    const scene = sceneOf('own');
    reject(scene, 4);
    reject(scene, 5);
    const { planned } = saidOf(scene, 4);
    scene.rejected.splice(0, 1);
    scene.added.push(rowOf(planned.device, START_NS + 1n + 1000n * MS, fieldsOf(-3)));
    const good = saidOf(scene, 9);
    scene.said[5] = { ...saidOf(scene, 5), planned: { ...saidOf(scene, 5).planned, fate: 'stored' } };
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ 'stored-though-bad': 1, 'rejected-though-good': 1, lost: 0 });
    expect(good.planned.fate).toBe('stored');
    expect(result.good).toBe(true);
  });

  it('lets a bad reading that was sent twice be rejected twice', async () => {
    const scene = sceneOf('own');
    reject(scene, 4);
    saidOf(scene, 4).fault = 'duplicate';
    const [rejection] = scene.rejected;
    if (rejection === undefined) throw new Error('it is rejected');
    scene.rejected.push(rejection, rejection);
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ rejected: 1, 'allowed-repeat': 1, 'unexpected-rejection': 1 });
  });

  it('counts what a database refused as rejected', async () => {
    const scene = sceneOf('own');
    const { row } = saidOf(scene, 4);
    if (row === null) throw new Error('it has a row');
    saidOf(scene, 4).row = null;
    const point = { measurement: 'env', row };
    const refused = { device: 'd0', atMs: 0, payload: { high: 1, low: 1 }, point };
    const result = await auditOf({ ...scene, rejected: [refused] }, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 199, 'rejected-though-good': 1, lost: 0 });
  });

  it('believes a gateway that says what it dropped, and no more than that', async () => {
    const scene = sceneOf('own');
    for (const index of [4, 5, 6]) saidOf(scene, index).row = null;
    const store = memoryStore(rowsOf(scene));
    const admitted = await auditOf({ ...scene, dropped: [3] }, store);
    expect(admitted).toMatchObject({ good: true, dropped: 3, lostUnexplained: 0, total: { lost: 3 } });
    const more = await auditOf({ ...scene, dropped: [2] }, store);
    expect(more).toMatchObject({ good: false, dropped: 2, lostUnexplained: 1 });
  });

  it('does not believe what was dropped before the run, or may have been', async () => {
    const scene = sceneOf('own');
    for (const index of [4, 5, 6]) saidOf(scene, index).row = null;
    const store = memoryStore(rowsOf(scene));
    const before = { sinks: [{ name: 's0', pending: 0, dropped: 1000 }], rejectionsGone: 0 };
    const known = await auditOf({ ...scene, dropped: [1001] }, store, { before });
    expect(known).toMatchObject({ good: false, dropped: 1, lostUnexplained: 2 });
    const unknown = await auditOf({ ...scene, dropped: [1001] }, store, { before: null });
    expect(unknown).toMatchObject({ good: false, dropped: 0, droppedUnknown: 3, lostUnexplained: 3 });
    expect(auditText(unknown)).toContain('may have been dropped');
  });

  it('does not let what another sink dropped explain what is missing here', async () => {
    const scene = { ...sceneOf('own'), dropped: [0, 50] };
    saidOf(scene, 4).row = null;
    const store = memoryStore(rowsOf(scene));
    expect(await auditOf(scene, store)).toMatchObject({ good: false, dropped: 0 });
    expect(await auditOf(scene, store, { sink: 's1' })).toMatchObject({ good: true, dropped: 1 });
  });

  it('proves nothing by an empty database where nothing had to be there', async () => {
    const empty = memoryStore([]);
    await expect(auditOf(sceneOf('own', { readings: 0 }), empty)).rejects.toThrow('has no reading');
    await expect(auditOf(sceneOf('own', { qos: 0 }), empty)).rejects.toThrow('prove nothing');
    const silent = sceneOf('own');
    for (const said of silent.said) said.ackMs = null;
    await expect(auditOf(silent, empty)).rejects.toThrow('no reading was acknowledged');
    expect((await auditOf(sceneOf('own'), empty)).total.lost).toBe(200);
  });

  it.each([['d0'], [null]])(
    'takes no rejection of another run for one of this (device %s)',
    async (device) => {
      const scene = sceneOf('own');
      reject(scene, 0);
      reject(scene, 4);
      const rejected = scene.rejected.map((each, i) => ({
        ...each,
        device,
        atMs: each.atMs + (i === 1 ? 60_000 : 0),
      }));
      const result = await auditOf({ ...scene, rejected }, memoryStore(rowsOf(scene)));
      expect(result.total).toMatchObject({ rejected: 1, lost: 1 });
      expect(result.good).toBe(false);
    },
  );

  it('asks for one row only where the same bytes were said twice with the same time', async () => {
    const scene = sceneOf('own');
    const { planned } = saidOf(scene, 4);
    scene.said[8] = { ...saidOf(scene, 8), planned: { ...planned, n: 2 }, row: null };
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 200, lost: 0 });
    // A row of other bytes is theirs, whatever was said again before them.
    const third = { ...planned, n: 3, payload: Buffer.from('{"other":0}') };
    scene.said[12] = { ...saidOf(scene, 12), planned: third, row: saidOf(scene, 4).row };
    const three = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(three.total).toMatchObject({ stored: 200, lost: 0 });
    scene.said[12] = { ...saidOf(scene, 12), row: null };
    // Other bytes are another reading, also of the same time and value.
    const other = { ...planned, n: 2, payload: Buffer.from('other') };
    scene.said[8] = { ...saidOf(scene, 8), planned: other };
    expect((await auditOf(scene, memoryStore(rowsOf(scene)))).total).toMatchObject({ stored: 198, lost: 2 });
  });

  it('gives each of two equal readings its row, where the later one was answered first', async () => {
    const scene = sceneOf('arrival', { devices: 1, readings: 2, value: () => 1 });
    // The first came again after a long while; the second was there at once.
    saidOf(scene, 0).ackMs = 60_000;
    saidOf(scene, 0).row = rowOf(0, START_NS + 59_000n * MS, fieldsOf(1));
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 2, lost: 0, 'altered-time': 0 });
  });

  it('waits as long as it takes for what left without a promise', async () => {
    const scene = sceneOf('arrival', { qos: 0, readings: 3, devices: 1 });
    // It left after 20 ms, and lay in buffers while the gateway stood still.
    saidOf(scene, 1).row = rowOf(0, START_NS + 31_000n * MS, fieldsOf(1));
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 3, 'altered-time': 0, unexpected: 0 });
  });

  it('expects nothing of an acknowledgement that only means "it has left"', async () => {
    const scene = sceneOf('own', { qos: 0 });
    saidOf(scene, 4).row = null;
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 199, 'no-promise': 1, lost: 0 });
    expect(result.good).toBe(true);
  });

  it('calls nothing altered for the sake of a row that another run wrote before', async () => {
    const scene = sceneOf('arrival', { qos: 0 });
    saidOf(scene, 4).row = null;
    for (const { planned, row, value } of [...scene.said])
      if (row !== null) scene.added.push(rowOf(planned.device, row.timeNs - 55_000n * MS, fieldsOf(value)));
    scene.added.push(rowOf(0, START_NS - 20_000n * MS, fieldsOf(saidOf(scene, 4).value)));
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 199, 'no-promise': 1, 'altered-time': 0 });
    expect(result.good).toBe(true);
  });

  it('looks for a reading that says its age so long before its arrival', async () => {
    const scene = sceneOf('arrival', { devices: 1, readings: 60 });
    for (const [index, reading] of scene.said.entries()) {
      const { planned, row } = reading;
      if (planned.expected === null || row === null) throw new Error('each has a row');
      const ageNs = BigInt((index * 7) % 50) * 1000n * MS;
      const time = { ns: -ageNs, base: 'arrival' as const };
      scene.said[index] = {
        ...reading,
        planned: { ...planned, expected: { ...planned.expected, time } },
        row: rowOf(0, row.timeNs - ageNs, fieldsOf(reading.value)),
      };
    }
    for (const mostAtOnce of [200_000, 16]) {
      const result = await auditOf(scene, memoryStore(rowsOf(scene)), { mostAtOnce });
      expect(result.total).toMatchObject({ stored: 60, 'altered-time': 0, lost: 0, unexpected: 0 });
    }
    // Seven seconds off is another time, also of an age.
    const { row } = saidOf(scene, 20);
    saidOf(scene, 20).row = rowOf(0, (row?.timeNs ?? 0n) + 7000n * MS, fieldsOf(20));
    const moved = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(moved.total).toMatchObject({ stored: 59, 'altered-time': 1 });
  });

  it('lets the acknowledged one of two equal readings have the only row', async () => {
    const scene = sceneOf('arrival', { devices: 1, readings: 20, value: () => 1 });
    saidOf(scene, 3).ackMs = null;
    saidOf(scene, 3).row = null;
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 19, 'not-arrived': 1, lost: 0 });
  });

  it('finds a reading whose clock the gateway has corrected, as far as it may', async () => {
    const scene = sceneOf('own');
    for (const [i, reading] of scene.said.entries()) {
      const timeNs = (reading.row?.timeNs ?? 0n) + BigInt(i % 2 === 0 ? 700 : -700) * MS;
      const added = { name: 'device_time', kind: 'i' as const, value: 5n };
      reading.row = rowOf(reading.planned.device, timeNs, [...fieldsOf(reading.value), added]);
    }
    const strict = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(strict.total.stored).toBe(0);
    const result = await auditOf(scene, memoryStore(rowsOf(scene)), { clockToleranceMs: 1000 });
    expect(result.total).toMatchObject({ stored: 200, lost: 0, unexpected: 0 });
  });

  it('finds readings of clocks that are wrong by hours, and leaves other devices alone', async () => {
    const scene = sceneOf('own', { devices: 2 });
    const hours = 5n * 3_600_000n * MS;
    for (const [index, reading] of scene.said.entries()) {
      if (reading.planned.device !== 1) continue;
      const offsetNs = BigInt(reading.offsetUs) * 1000n - hours;
      scene.said[index] = {
        ...reading,
        planned: plannedReading(1, reading.planned.n, reading.value, { offsetNs }),
        row: rowOf(1, START_NS + offsetNs, fieldsOf(reading.value)),
      };
    }
    scene.added.push(rowOf(99, START_NS, fieldsOf(1)));
    const result = await auditOf(scene, memoryStore(rowsOf(scene)));
    expect(result.total).toMatchObject({ stored: 100, lost: 0, unexpected: 0 });
    expect(result.strangers).toBe(1);
  });

  it('compares by time and count where a database keeps no types', async () => {
    const scene = sceneOf('own');
    saidOf(scene, 8).row = null;
    scene.added.push(rowOf(1, START_NS + 500n * MS, fieldsOf(1)));
    const blind: AuditStore = {
      ...memoryStore(
        rowsOf(scene).map((row) => ({ ...row, timeNs: row.timeNs - (row.timeNs % MS), fields: null })),
      ),
      resolutionNs: MS,
      tellsFields: false,
    };
    const result = await auditOf(scene, blind);
    expect(result.total).toMatchObject({ stored: 199, lost: 1, unexpected: 1 });
  });

  it('loses no reading from its sums, whatever happened to the rows', async () => {
    const acts = fc.array(
      fc.tuple(fc.nat(29), fc.constantFrom('delete', 'value', 'time', 'unanswered', 'copy')),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('own' as const, 'arrival' as const), acts, async (how, all) => {
        const scene = sceneOf(how, { devices: 2, readings: 15 });
        for (const [index, act] of all) {
          const reading = saidOf(scene, index);
          const { row, planned } = reading;
          if (act === 'unanswered') reading.ackMs = null;
          if (row === null) continue;
          if (act === 'delete') reading.row = null;
          if (act === 'value') reading.row = rowOf(planned.device, row.timeNs, fieldsOf(-9));
          if (act === 'time')
            reading.row = rowOf(planned.device, row.timeNs + 777_777n, fieldsOf(reading.value));
          if (act === 'copy') scene.added.push({ ...row, timeNs: row.timeNs + 3n });
        }
        for (const mostAtOnce of [200_000, 16]) {
          const { total, acknowledged } = await auditOf(scene, memoryStore(rowsOf(scene)), { mostAtOnce });
          expect(sumOfEnds(total)).toBe(30);
          expect(Object.values(acknowledged).reduce((sum, count) => sum + count, 0)).toBe(total.acknowledged);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('tells people what it found, by device and time', async () => {
    const scene = sceneOf('own');
    saidOf(scene, 8).row = null;
    const text = auditText(await auditOf(scene, memoryStore(rowsOf(scene))));
    expect(text).toContain('lost  d0  reading 2  env  said 2026-03-01T12:00:02.000000000Z');
    expect(text).toContain('1 acknowledged readings are lost, 0 readings are altered.');
  });
});
