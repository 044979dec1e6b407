import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeviceDocuments } from '../../gateway/ledgers/device-documents.ts';
import type { DeviceReport } from '../../gateway/operations-contract.ts';
import { bad, type Devices, devices, MESSAGE, passedOn, point, START_MS } from './devices-under-test.ts';

function reportOf({ registry }: Devices, device: string): DeviceReport {
  const report = registry.report(device);
  if (report === null) throw new Error(`${device} is not known`);
  return report;
}

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('the registry of devices', () => {
  it('knows of each device what its readings told', () => {
    const seen = devices();
    seen.book.settings.set('d', { alias: 'kitchen' });
    seen.hear('d', [1, 2, 3]);
    seen.registry.saw(
      bad('d', { code: 'invalid', schema: 'status.v1' }),
      'd',
      'rejected',
      MESSAGE,
      seen.nowMs,
    );
    expect(reportOf(seen, 'd')).toEqual({
      device: 'd',
      alias: 'kitchen',
      firstSeenMs: START_MS,
      lastSeenMs: START_MS + 30_000,
      source: 'mqtt',
      address: '10.0.0.7',
      client: 'client-1',
      schemas: ['environment.v1', 'status.v1'],
      ratePerMinute: expect.any(Number),
      readings: 4,
      rejected: 1,
      lastCode: 'invalid',
      seqGaps: 0,
      missing: 0,
      clock: { diagnosis: 'good', words: null, offsetMs: 0, driftPpm: null, jumps: 0 },
      state: null,
      expectEveryMs: null,
    });
  });

  it('does not take a replay, or what cannot be laid to a device, for a device that speaks', () => {
    const { registry } = devices();
    registry.saw(point('d'), 'd', 'stored', { ...MESSAGE, source: 'replay' }, START_MS);
    registry.saw(bad(null), 'client:x', 'rejected', MESSAGE, START_MS);
    expect(registry.size).toBe(0);
    registry.saw(bad(null), 'port-device', 'rejected', MESSAGE, START_MS);
    expect(registry.size).toBe(1);
  });

  it('counts the numbers that were left out, but no restart and no repeat', () => {
    const seen = devices();
    seen.hear('gap', [1, 2, 5, 6, 9]);
    expect(reportOf(seen, 'gap')).toMatchObject({ seqGaps: 2, missing: 4 });
    seen.hear('restart', [100, 101, 0, 1, 2]);
    expect(reportOf(seen, 'restart')).toMatchObject({ seqGaps: 0, missing: 0 });
    seen.hear('repeat', [1, 1, 2, 2, 3]);
    expect(reportOf(seen, 'repeat')).toMatchObject({ seqGaps: 0, missing: 0 });
    seen.hear('wild', [1, 4_000_000_000, 2]);
    expect(reportOf(seen, 'wild')).toMatchObject({ seqGaps: 0, missing: 0 });
    seen.hear('none', [null, null]);
    expect(reportOf(seen, 'none')).toMatchObject({ seqGaps: 0, missing: 0 });
  });

  it('does not miss readings of a device that numbers each of its schemas, nor of one that numbers all alike', () => {
    const { registry } = devices();
    for (const i of count(20)) {
      const schema = i % 2 === 0 ? 'a' : 'b';
      const own = 1000 * (i % 2) + Math.trunc(i / 2);
      registry.saw(point('each', { schema, seq: own }), 'each', 'stored', MESSAGE, START_MS + i);
      registry.saw(point('all', { schema, seq: i }), 'all', 'stored', MESSAGE, START_MS + i);
    }
    expect(registry.report('each')).toMatchObject({ seqGaps: 0, missing: 0 });
    expect(registry.report('all')).toMatchObject({ seqGaps: 0, missing: 0 });
  });

  it('counts what a peer passes on late, and takes nothing of how things are from it', () => {
    const seen = devices();
    seen.hear('d', count(30), 5_000);
    const before = reportOf(seen, 'd');
    for (const i of count(20)) {
      const arrivedMs = START_MS - 7_200_000 + i * 5_000;
      const late = { ...passedOn(arrivedMs), address: '10.9.9.9' };
      // Numbers as they were then, of a clock as it was then.
      const old = point('d', { seq: 500 + i, sentUs: (arrivedMs + 600_000) * 1_000 });
      seen.registry.saw(old, 'd', 'stored', late, arrivedMs);
      seen.hear('d', [30 + i], 5_000);
    }
    const after = reportOf(seen, 'd');
    expect(after).toMatchObject({ readings: 70, seqGaps: 0, missing: 0, lastSeenMs: seen.nowMs - 5_000 });
    expect(after.address).toBe('10.0.0.7');
    expect(after.clock).toEqual(before.clock);
    expect(after.ratePerMinute).toBeGreaterThan(10);
    expect(after.ratePerMinute).toBeLessThan(14);
  });

  it('takes what a peer passes on in time as any other', () => {
    const seen = devices();
    for (const seq of [1, 2, 5]) {
      seen.registry.saw(point('d', { seq }), 'd', 'stored', passedOn(seen.nowMs), seen.nowMs);
      seen.nowMs += 1_000;
    }
    expect(reportOf(seen, 'd')).toMatchObject({ missing: 2, lastSeenMs: seen.nowMs - 1_000 });
  });

  it('counts exactly what is missing of any rising numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 100 }), (steps) => {
        const seen = devices();
        let seq = 0;
        const seqs = steps.map((step) => (seq += step));
        seen.hear('d', seqs);
        const missing = steps.slice(1).reduce((sum, step) => sum + step - 1, 0);
        expect(reportOf(seen, 'd').missing).toBe(missing);
      }),
    );
  });

  it.each([
    ['ten a minute', 6_000, 10],
    ['one in a quarter of an hour', 900_000, 1 / 15],
    ['fifty a second', 20, 3000],
  ])('tells the rate of %s within a tenth, and lets it fall when nothing comes', (_, everyMs, perMinute) => {
    const seen = devices();
    for (let i = 0; i < Math.max(200, 120_000 / everyMs); i += 1) seen.hear('d', [null], everyMs);
    const { ratePerMinute } = reportOf(seen, 'd');
    expect(ratePerMinute / perMinute).toBeGreaterThan(0.9);
    expect(ratePerMinute / perMinute).toBeLessThan(1.1);
    seen.nowMs += 100 * everyMs + 3_600_000;
    expect(reportOf(seen, 'd').ratePerMinute).toBeLessThan(perMinute / 2);
  });

  it('keeps at most eight schemas of a device', () => {
    const { registry } = devices();
    for (const i of count(20))
      registry.saw(point('d', { schema: `s${i}` }), 'd', 'stored', MESSAGE, START_MS);
    expect(registry.report('d')?.schemas).toHaveLength(8);
  });

  it('lets the eighth go that was not heard of for longest, with its clock and its place', () => {
    const seen = devices(16);
    for (const i of count(16)) seen.hear(`d${i}`, [1]);
    seen.hear('d0', [2]);
    const held = seen.registry.entryOf('d1', seen.nowMs);
    seen.hear('new', [1]);
    expect(seen.registry.size).toBe(15);
    expect(['d0', 'd1', 'd2', 'd3', 'new'].map((device) => seen.registry.has(device))).toEqual([
      true,
      false,
      false,
      true,
      true,
    ]);
    expect(seen.clocks.size).toBe(15);
    // Who kept the entry of a device that had to go gets the one that holds.
    const again = seen.registry.sawAs(held, point('d1'), 'stored', MESSAGE, seen.nowMs);
    expect(again).not.toBe(held);
    expect(seen.registry.report('d1')?.readings).toBe(1);
  });

  it('lets a flood of invented devices push out its own, not one that sends seldom', () => {
    const seen = devices(64);
    seen.hear('hourly', [1, 2]);
    for (const i of count(1000)) seen.hear(`invented${i}`, [1]);
    expect(seen.registry.has('hourly')).toBe(true);
    expect(seen.registry.has('invented999')).toBe(true);
  });

  it('lists the latest heard first, no more than asked for', () => {
    const seen = devices();
    for (const i of count(20)) seen.hear(`d${i}`, [1]);
    seen.hear('d3', [2]);
    expect(seen.registry.list({}, 3).map(({ device }) => device)).toEqual(['d3', 'd19', 'd18']);
  });

  it('gives what was heard before the clock was set its time', () => {
    const seen = devices();
    const startedMs = Date.UTC(2000, 0, 1);
    seen.registry.restore('old', 0, START_MS);
    seen.nowMs = startedMs + 1000;
    seen.hear('d', [1, 2]);
    seen.registry.saw(point('old'), 'old', 'stored', MESSAGE, seen.nowMs);
    const byMs = START_MS + 86_400_000 - startedMs;
    seen.registry.gatewayClockSet(byMs, startedMs);
    expect(seen.registry.report('d')).toMatchObject({
      firstSeenMs: startedMs + 1000 + byMs,
      lastSeenMs: startedMs + 11_000 + byMs,
    });
  });
});

describe('the documents of devices', () => {
  class Documents {
    readonly kept = new Map<string, string>();
    writes = 0;
    fails: boolean = false;

    documents(prefix: string): Iterable<readonly [string, string]> {
      return [...this.kept].filter(([name]) => name.startsWith(prefix));
    }

    setDocuments(changes: ReadonlyMap<string, string | null>): Promise<void> {
      if (this.fails) return Promise.reject(new Error('no room'));
      for (const [name, text] of changes) {
        this.writes += 1;
        if (text === null) this.kept.delete(name);
        else this.kept.set(name, text);
      }
      return Promise.resolve();
    }
  }

  function kept(seen: Devices, store: Documents): { documents: DeviceDocuments; told: string[] } {
    const told: string[] = [];
    const { registry, clocks } = seen;
    const events = { emit: (name: string) => void told.push(name) };
    return { documents: new DeviceDocuments({ registry, clocks, store, events }), told };
  }

  it('hold everything over a restart', async () => {
    const store = new Documents();
    const before = devices(200);
    for (const i of count(130)) before.hear(`d/${i} "ü"`, [1, 2, 5], 61_000);
    before.registry.saw(bad('d/7 "ü"'), 'd/7 "ü"', 'rejected', MESSAGE, before.nowMs);
    await kept(before, store).documents.save();
    expect(store.kept.size).toBe(3);

    const after = devices(200);
    after.nowMs = before.nowMs;
    kept(after, store).documents.load();
    expect(after.registry.list()).toEqual(before.registry.list());
    after.hear('d/3 "ü"', [6, 9]);
    expect(reportOf(after, 'd/3 "ü"')).toMatchObject({ readings: 5, seqGaps: 2, missing: 4 });
  });

  it('are written again only where something changed, and go with the last device in them', async () => {
    const store = new Documents();
    const seen = devices(128);
    for (const i of count(128)) seen.hear(`d${i}`, [1]);
    const { documents } = kept(seen, store);
    await documents.save();
    expect(store.writes).toBe(2);
    await documents.save();
    expect(store.writes).toBe(2);
    seen.hear('d100', [2]);
    await documents.save();
    expect(store.writes).toBe(3);
    for (const i of count(8)) {
      for (const j of count(8)) seen.hear(`d${120 + j}`, [i]);
      seen.hear(`new${i}`, [1]);
      for (const j of count(15)) seen.hear(`new${i}-${j}`, [1]);
    }
    await documents.save();
    const after = devices(128);
    kept(after, store).documents.load();
    expect(
      after.registry
        .list()
        .map(({ device }) => device)
        .sort(),
    ).toEqual(
      seen.registry
        .list()
        .map(({ device }) => device)
        .sort(),
    );
  });

  it('that could not be written are written with the next', async () => {
    const store = new Documents();
    const seen = devices();
    seen.hear('d', [1]);
    const { documents, told } = kept(seen, store);
    store.fails = true;
    await documents.save();
    expect(told).toEqual(['ledgers.not-kept']);
    store.fails = false;
    await documents.save();
    expect(store.kept.size).toBe(1);
  });

  it('that are damaged cost what was in them, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string(), fc.constant('[{"slot":1,"device":"d","firstSeenMs":1}]')),
        (text) => {
          const store = new Documents();
          store.kept.set('devices/0000', text);
          store.kept.set('devices/nonsense', '[]');
          store.kept.set(
            'devices/0001',
            '[{"slot":0,"device":"good","firstSeenMs":5,"schemas":[1],"clock":["x"]}]',
          );
          const seen = devices();
          kept(seen, store).documents.load();
          expect(seen.registry.report('good')).toMatchObject({ firstSeenMs: 5, schemas: [] });
          expect(seen.registry.entryOf('fresh', START_MS).place).not.toBe(
            seen.registry.entryOf('good', START_MS).place,
          );
        },
      ),
    );
  });
});

describe('many devices', () => {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');

  function usedBytes(): number {
    if (typeof collect === 'function') collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  }

  it.each([10_000, 50_000])('%d of them take at most 1.5 KB each, all of them known', (n) => {
    const beforeBytes = usedBytes();
    const seen = devices(50_000);
    const readings = 3;
    for (let round = 0; round < readings; round += 1) {
      for (let i = 0; i < n; i += 1) {
        // As they come from topics: a text of its own each time.
        const device = `device-${String(i).padStart(12, '0')}`;
        const sentUs = (seen.nowMs + i) * 1000;
        seen.registry.saw(point(device, { seq: round, sentUs }), device, 'stored', MESSAGE, seen.nowMs + i);
      }
      seen.nowMs += 60_000;
    }
    expect(seen.registry.size).toBe(n);
    const each = (usedBytes() - beforeBytes) / n;
    expect(seen.clocks.diagnosis('device-000000000000')).toBe('good');
    expect(each).toBeLessThan(1536);
    if (n === 50_000) {
      seen.hear('one more', [1]);
      expect(seen.registry.size).toBe(43_751);
    }
  });
});
