import { describe, expect, it } from 'vitest';
import type { Series } from '../../gateway/contracts.ts';
import { GroupsUnderWay } from '../../gateway/ledgers/groups-under-way.ts';
import { knownOf } from '../../gateway/ledgers/series-known.ts';
import { SeriesLedger, type SeriesLimits } from '../../gateway/ledgers/series-ledger.ts';
import { type FakeGroup, FakeStore, ManualClock, seriesOf, settled, ToldEvents } from './fake-store.ts';

const DAY_MS = 86_400_000;
const LIMITS: SeriesLimits = { maxSeries: 10, maxSeriesPerMeasurement: null, maxAgeMs: 30 * DAY_MS };

function ledgerOf(limits: Partial<SeriesLimits> = {}, store = new FakeStore(), clock = new ManualClock()) {
  const events = new ToldEvents();
  const groups = new GroupsUnderWay((error) => {
    throw error;
  });
  const ledger = new SeriesLedger({ groups, documents: store, clock, events }, { ...LIMITS, ...limits });
  const self = {
    ledger,
    store,
    events,
    clock,
    judge: (series: Series) => ledger.judge(series, knownOf(series)),
    keep: (series: Series, group: FakeGroup) => ledger.keep(series, knownOf(series), group),
    /** As ingest does: judged, and kept or refused. */
    take(series: Series, group = store.group()): boolean {
      if (self.judge(series) === null) {
        self.keep(series, group);
        return true;
      }
      ledger.sawRefused(series, knownOf(series));
      return false;
    },
    /** Time passes hour by hour, with readings of `alive` after each. */
    async pass(days: number, alive: readonly Series[]): Promise<void> {
      for (let hour = 0; hour < days * 24; hour += 1) {
        clock.ms += DAY_MS / 24;
        ledger.tick(clock.ms);
        const group = store.group();
        for (const series of alive) self.take(series, group);
        await group.commit();
      }
    },
  };
  return self;
}

function device(n: number, measurement = 'machine'): Series {
  return seriesOf(`device=d${n}`, undefined, measurement);
}

async function fill(
  ledger: ReturnType<typeof ledgerOf>,
  n: number,
  measurement = 'machine',
): Promise<Series[]> {
  const group = ledger.store.group();
  const series = Array.from({ length: n }, (_, i) => device(i, measurement));
  for (const each of series) expect(ledger.take(each, group)).toBe(true);
  await group.commit();
  return series;
}

describe('the series budget', () => {
  it('over it a new series is refused with a remedy, and series that exist go on', async () => {
    const ledger = ledgerOf();
    const existing = await fill(ledger, 10);
    const judgement = ledger.judge(device(10));
    expect(judgement).toMatchObject({ kind: 'bad', code: 'cardinality' });
    expect(judgement?.kind === 'bad' && judgement.violations[0]?.message).toBe(
      'would begin a new series of "machine", and all 10 of the gateway are in use (limits.series); series that exist go on. ' +
        'keep what changes from reading to reading out of the tags, or raise the limit; telemetry-gateway account --series shows who uses them',
    );
    for (const each of existing) expect(ledger.judge(each)).toBeNull();
    // Another object for the same series, as after the mapping has forgotten it.
    for (let i = 0; i < 10; i += 1) expect(ledger.judge(device(i))).toBeNull();
  });

  it('names the tag that is responsible', async () => {
    const ledger = ledgerOf({ maxSeries: 400 });
    for (let i = 0; i < 400; i += 1) ledger.take(seriesOf(`device=d${i % 4},message=${i}`));
    const judgement = ledger.judge(seriesOf('device=d1,message=x'));
    expect(JSON.stringify(judgement)).toMatch(
      /tag \\"message\\" has about (39|40)\d values there: make it a field/,
    );
  });

  it('holds for a measurement by itself', async () => {
    const ledger = ledgerOf({ maxSeriesPerMeasurement: 3 });
    await fill(ledger, 3, 'noisy');
    expect(JSON.stringify(ledger.judge(device(4, 'noisy')))).toContain('limits.seriesPerMeasurement');
    expect(ledger.judge(device(4, 'quiet'))).toBeNull();
  });

  it('is the same after a restart', async () => {
    const ledger = ledgerOf();
    await fill(ledger, 10);
    const again = ledgerOf({}, ledger.store);
    expect(again.ledger.total).toBe(10);
    for (let i = 0; i < 10; i += 1) expect(again.judge(device(i))).toBeNull();
    expect(again.judge(device(10))?.kind).toBe('bad');
    expect({ ...again.ledger.report(), refusedReadings: 0 }).toEqual(ledger.ledger.report());
  });

  it('lowered below what exists, it takes nothing away', async () => {
    const ledger = ledgerOf();
    await fill(ledger, 10);
    const again = ledgerOf({ maxSeries: 5 }, ledger.store);
    for (let i = 0; i < 10; i += 1) expect(again.judge(device(i))).toBeNull();
    expect(again.judge(device(10))?.kind).toBe('bad');
  });

  it('tells in the log which budget is near and which is used up, with its own figures', async () => {
    const ledger = ledgerOf({ maxSeries: 100, maxSeriesPerMeasurement: 5 });
    await fill(ledger, 3, 'other');
    await fill(ledger, 5, 'flood');
    ledger.take(device(9, 'flood'));
    expect(ledger.events.told).toEqual([
      { name: 'series.near-budget', fields: { series: 4, budget: 5, scope: 'flood' } },
      {
        name: 'series.over-budget',
        fields: { device: 'd9', measurement: 'flood', series: 5, budget: 5, scope: 'flood' },
      },
    ]);
  });

  it('warns once when four fifths are used, and again only after it was below three quarters', async () => {
    const ledger = ledgerOf();
    const series = await fill(ledger, 7);
    expect(ledger.events.count('series.near-budget')).toBe(0);
    ledger.take(device(7));
    ledger.take(device(8));
    expect(ledger.events.count('series.near-budget')).toBe(1);
    await ledger.pass(32, series.slice(0, 6));
    expect(ledger.ledger.total).toBe(6);
    for (let i = 20; i < 23; i += 1) ledger.take(device(i));
    expect(ledger.events.count('series.near-budget')).toBe(2);
  });

  it('one that was not seen for so long makes room, on disk too', async () => {
    const ledger = ledgerOf();
    const series = await fill(ledger, 10);
    const refused = device(10);
    expect(ledger.judge(refused)?.kind).toBe('bad');
    await ledger.pass(29, series.slice(1));
    expect(ledger.ledger.total).toBe(10);
    await ledger.pass(3, series.slice(1));
    expect(ledger.ledger.total).toBe(9);
    expect(ledger.store.kept.size).toBe(9);
    expect(ledger.take(refused)).toBe(true);
    expect(ledger.take(series[0] ?? refused)).toBe(false);
    expect(ledger.events.count('series.aged')).toBe(1);
  });

  it('a series is noted once a day at most, not all in the same minute', async () => {
    const ledger = ledgerOf({ maxSeries: 100 });
    const series = await fill(ledger, 100);
    const notes: number[] = [];
    for (let hour = 0; hour < 48; hour += 1) {
      ledger.clock.ms += DAY_MS / 24;
      ledger.ledger.tick(ledger.clock.ms);
      const group = ledger.store.group();
      for (const each of series) ledger.take(each, group);
      notes.push(group.notes.size);
      await group.commit();
    }
    expect(notes.reduce((a, b) => a + b)).toBe(200);
    expect(Math.max(...notes)).toBeLessThan(20);
  });

  it('whoever is alive keeps its place when the gateway was away for long', async () => {
    const ledger = ledgerOf();
    const series = await fill(ledger, 10);
    ledger.clock.ms += 400 * DAY_MS;
    const again = ledgerOf({}, ledger.store, ledger.clock);
    again.ledger.tick(again.clock.ms);
    expect(again.take(device(99))).toBe(false);
    await again.pass(1, series.slice(0, 4));
    expect(again.ledger.total).toBe(4);
  });

  it('and when its clock was not set for a while', async () => {
    const ledger = ledgerOf();
    const series = await fill(ledger, 10);
    const { ms } = ledger.clock;
    ledger.clock.ms = 946_684_800_000;
    const again = ledgerOf({}, ledger.store, ledger.clock);
    await again.pass(2, series.slice(0, 4));
    expect(again.ledger.total).toBe(10);
    again.clock.ms = ms + 60 * DAY_MS;
    again.ledger.tick(again.clock.ms);
    expect(again.take(device(99))).toBe(false);
    await again.pass(2, series.slice(0, 4));
    expect(again.ledger.total).toBe(4);
  });

  it('a series of a failed group is noted again with its next reading', async () => {
    const ledger = ledgerOf();
    const series = device(1);
    const failing = ledger.store.group();
    ledger.keep(series, failing);
    expect(failing.notes.size).toBe(1);
    await failing.fail();
    const good = ledger.store.group();
    expect(ledger.take(series, good)).toBe(true);
    expect(good.notes.size).toBe(1);
    await good.commit();
    expect(ledger.ledger.total).toBe(1);
    expect(ledgerOf({}, ledger.store).ledger.total).toBe(1);
    const next = ledger.store.group();
    ledger.take(series, next);
    expect(next.notes.size).toBe(0);
  });

  it('a group takes so many notes; what is left is noted with the next readings', async () => {
    const ledger = ledgerOf({ maxSeries: 1_000 });
    const series = await fill(ledger, 600);
    expect(ledger.store.kept.size).toBe(250);
    for (const expected of [500, 600]) {
      const group = ledger.store.group();
      for (const each of series) ledger.take(each, group);
      await group.commit();
      expect(ledger.store.kept.size).toBe(expected);
    }
  });

  it('a client that begins a series with every reading is held off in constant memory', async () => {
    const ledger = ledgerOf({ maxSeries: 1_000 });
    const neighbours = await fill(ledger, 50);
    const group = ledger.store.group();
    const bytes: number[] = [];
    for (let i = 0; i < 50_000; i += 1) {
      const taken = ledger.take(seriesOf(`device=evil,n=${i}`), group);
      expect(taken).toBe(i < 950);
      if (i % 10_000 === 9_999) bytes.push(ledger.ledger.bytes + ledger.store.kept.size + group.notes.size);
      if (i % 1_000 === 0) for (const each of neighbours) expect(ledger.judge(each)).toBeNull();
    }
    expect(new Set(bytes).size).toBe(1);
    const report = ledger.ledger.report();
    expect(report).toMatchObject({ total: 1_000, budget: 1_000, refusedReadings: 49_050 });
    expect(Math.abs(report.estimatedRefusedSeries - 49_050)).toBeLessThan(49_050 * 0.05);
    expect(report.devices[0]).toEqual({ device: 'evil', series: 950 });
    const [measurement] = report.measurements;
    expect(measurement).toMatchObject({ measurement: 'machine', series: 1_000, budget: null });
    expect(measurement?.tags[0]?.key).toBe('n');
    expect(Math.abs((measurement?.tags[0]?.valuesEstimate ?? 0) - 950)).toBeLessThan(48);
    expect(ledger.events.count('series.over-budget')).toBe(49_050);
  });

  it('a measurement that has no series is in the report once it was refused', async () => {
    const ledger = ledgerOf();
    await fill(ledger, 10);
    ledger.take(device(1, 'other'));
    ledger.take(device(2, 'other'));
    expect(ledger.ledger.report().measurements).toContainEqual({
      measurement: 'other',
      series: 0,
      budget: null,
      refusedEstimate: 2,
      tags: [],
    });
  });

  it('takes up to 64 bytes a series', async () => {
    const ledger = ledgerOf({ maxSeries: 1_000_000 });
    const group = ledger.store.group();
    for (let i = 0; i < 70_000; i += 1) ledger.keep(device(i), group);
    expect(ledger.ledger.bytes / 70_000).toBeLessThan(64);
    expect(ledger.ledger.total).toBe(70_000);
    expect(ledger.ledger.seriesOf('d7')).toBe(1);
  });

  it('documents that make no sense are passed over, and one that cannot be deleted ages again', async () => {
    const store = new FakeStore();
    store.kept.set('series/xyz', 'nothing');
    const ledger = ledgerOf({}, store);
    expect(ledger.ledger.total).toBe(0);
    await fill(ledger, 2);
    store.failure = new Error('no room');
    await ledger.pass(33, []);
    await settled();
    expect(ledger.ledger.total).toBe(0);
    expect(ledger.events.count('ledgers.not-kept')).toBeGreaterThan(0);
    store.failure = null;
    const again = ledgerOf({}, store, ledger.clock);
    expect(again.ledger.total).toBe(2);
    await again.pass(1, []);
    expect(again.ledger.total).toBe(0);
  });
});
