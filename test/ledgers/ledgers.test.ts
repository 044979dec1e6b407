import { describe, expect, it } from 'vitest';
import type { BadReading, OutcomeKind, Point, Reading, SchemaField } from '../../gateway/contracts.ts';
import { DeviceEntry } from '../../gateway/ledgers/device-entry.ts';
import { createLedgers, type GatewayLedgers } from '../../gateway/ledgers/ledgers.ts';
import { devices } from './devices-under-test.ts';
import {
  type FakeGroup,
  FakeStore,
  ManualClock,
  MESSAGE,
  pointOf,
  seriesOf,
  ToldEvents,
} from './fake-store.ts';

const INTEGER: readonly SchemaField[] = [{ name: 'value', type: 'integer' }];

function setUp(maxSeries = 3, store = new FakeStore()) {
  const events = new ToldEvents();
  const clock = new ManualClock();
  const seen: { readonly reading: Reading; readonly device: string; readonly outcome: OutcomeKind }[] = [];
  const ledgers = createLedgers({
    store,
    devices: {
      saw: (reading, device, outcome) => seen.push({ reading, device, outcome }),
      sawAs(entry, reading, outcome) {
        seen.push({ reading, device: entry.device, outcome });
        return entry;
      },
      entryOf: (device, nowMs) => new DeviceEntry(device, 0, nowMs, 0),
    },
    clock,
    events,
    sinks: new Set(['influx']),
    series: { maxSeries, maxSeriesPerMeasurement: null, maxAgeMs: 30 * 86_400_000 },
  });
  return { ledgers, store, events, clock, seen };
}

/** As ingest does. */
function take(ledgers: GatewayLedgers, point: Point, group: FakeGroup, nowMs: number): OutcomeKind {
  const { device } = point;
  const judgement = ledgers.judge(point);
  if (judgement === null) {
    ledgers.keep(point, group);
    ledgers.saw(point, device, 'stored', MESSAGE, nowMs);
    return 'stored';
  }
  if (judgement.kind === 'duplicate') {
    ledgers.saw(point, device, 'duplicate', MESSAGE, nowMs);
    return 'duplicate';
  }
  const { code, violations } = judgement;
  const bad: BadReading = {
    kind: 'bad',
    device,
    schema: point.schema,
    code,
    violations,
    sentUs: null,
    seq: null,
  };
  ledgers.saw(bad, device, 'rejected', MESSAGE, nowMs);
  return 'rejected';
}

describe('the ledgers together', () => {
  it('a repeat is a duplicate before anything else is wrong with it', async () => {
    const { ledgers, store, clock } = setUp(1);
    const group = store.group();
    const identity = { high: 1, low: 2 };
    expect(take(ledgers, pointOf(seriesOf(), 'value=1', { identity }), group, clock.ms)).toBe('stored');
    const repeat = pointOf(seriesOf('device=a,new=1', INTEGER), 'value=1i', { identity });
    expect(take(ledgers, repeat, group, clock.ms)).toBe('duplicate');
  });

  it('a wrong type is told before a series that may not begin', () => {
    const { ledgers, store, clock } = setUp(1);
    ledgers.keep(pointOf(seriesOf()), store.group());
    const point = pointOf(seriesOf('device=b', INTEGER), 'value=1i');
    expect(ledgers.judge(point)).toMatchObject({ code: 'type-conflict' });
    expect(ledgers.judge(pointOf(seriesOf('device=b')))).toMatchObject({ code: 'cardinality' });
    expect(clock.ms).toBeGreaterThan(0);
  });

  it('never throw: what fails in them is told, and the reading goes on', () => {
    const { ledgers, store, events, clock } = setUp();
    const group = store.group();
    take(ledgers, pointOf(seriesOf()), group, clock.ms);
    const unreadable = pointOf(seriesOf('device=a', INTEGER), 'value=1i');
    const point = { ...unreadable, line: `${unreadable.series.key} value=\n` };
    expect(take(ledgers, point, group, clock.ms)).toBe('stored');
    const failing = store.group();
    failing.note = () => {
      throw new Error('no notes today');
    };
    const identity = { high: 3, low: 4 };
    const other = pointOf(seriesOf('device=b'), 'value=1', { identity });
    expect(take(ledgers, other, failing, clock.ms)).toBe('stored');
    expect(take(ledgers, other, failing, clock.ms)).toBe('duplicate');
    expect(events.count('hook.failed')).toBeGreaterThan(1);
  });

  it('a device is known as one, also when it had to make room and comes again', () => {
    const seen = devices(8);
    const store = new FakeStore();
    const ledgers = createLedgers({
      store,
      devices: seen.registry,
      clock: new ManualClock(),
      events: new ToldEvents(),
      sinks: new Set(),
      series: { maxSeries: 1000, maxSeriesPerMeasurement: null, maxAgeMs: 30 * 86_400_000 },
    });
    const group = store.group();
    const [one, other] = [seriesOf('device=d,x=1'), seriesOf('device=d,x=2')];
    for (const series of [one, other, one]) take(ledgers, pointOf(series), group, seen.nowMs);
    expect(seen.registry.report('d')?.readings).toBe(3);
    for (let i = 0; i < 20; i += 1) {
      seen.nowMs += 1000;
      for (const _ of [1, 2]) take(ledgers, pointOf(seriesOf(`device=e${i}`)), group, seen.nowMs);
    }
    expect(seen.registry.has('d')).toBe(false);
    for (const series of [one, other, one]) take(ledgers, pointOf(series), group, seen.nowMs);
    expect(seen.registry.report('d')?.readings).toBe(3);
  });

  it('go by the clock of this gateway, also while a peer passes on what came by another one', () => {
    const { ledgers, store, clock, events } = setUp();
    const point = pointOf(seriesOf());
    ledgers.keep(point, store.group());
    const seenAt = (nowMs: number): void => ledgers.saw(point, 'a', 'stored', MESSAGE, nowMs);
    // Far enough ahead for the series to have aged, and for the time in which it may be seen first.
    for (const hours of [0, 1_000, 1_002, -1_000, -998]) seenAt(clock.ms + hours * 3_600_000);
    expect([events.count('series.aged'), ledgers.figures().series]).toEqual([0, 1]);
    // Its own clock does make it age.
    for (const hours of [1_000, 2]) {
      clock.ms += hours * 3_600_000;
      seenAt(clock.ms);
    }
    expect([events.count('series.aged'), ledgers.figures().series]).toEqual([1, 0]);
  });

  it('to judge changes nothing', () => {
    const { ledgers } = setUp(3);
    for (let i = 0; i < 10; i += 1) {
      const point = pointOf(seriesOf(`device=d${i}`), 'value=1', { identity: { high: 1, low: i } });
      expect(ledgers.judge(point)).toBeNull();
      expect(ledgers.judge(point)).toBeNull();
    }
    expect(ledgers.figures()).toEqual({ series: 0, seriesBudget: 3, refusedReadings: 0 });
    expect(ledgers.fieldsReport()).toEqual([]);
  });

  it('a reading of a group that failed is stored when it is sent again, with all that goes with it', async () => {
    const { ledgers, store, clock } = setUp();
    const point = pointOf(seriesOf(), 'value=1', { identity: { high: 7, low: 7 } });
    const failing = store.group();
    expect(take(ledgers, point, failing, clock.ms)).toBe('stored');
    await failing.fail();
    const good = store.group();
    expect(take(ledgers, point, good, clock.ms)).toBe('stored');
    expect(good.identified).toHaveLength(1);
    expect(good.notes.size).toBe(2);
    await good.commit();
    const again = setUp(3, store).ledgers;
    expect(take(again, point, store.group(), clock.ms)).toBe('duplicate');
    expect(again.figures().series).toBe(1);
    expect(again.fieldsReport()).toHaveLength(1);
  });

  it('tells the registry of every reading, and counts and tells what was found bad here, once each', () => {
    const { ledgers, store, clock, seen, events } = setUp(1);
    const group = store.group();
    take(ledgers, pointOf(seriesOf()), group, clock.ms);
    take(ledgers, pointOf(seriesOf('device=b')), group, clock.ms);
    take(ledgers, pointOf(seriesOf('device=c', INTEGER), 'value=1i'), group, clock.ms);
    const other: BadReading = {
      kind: 'bad',
      device: 'd',
      schema: null,
      code: 'invalid',
      violations: [],
      sentUs: null,
      seq: null,
    };
    ledgers.saw(other, 'd', 'rejected', MESSAGE, clock.ms);
    expect(seen.map(({ device, outcome }) => `${device} ${outcome}`)).toEqual([
      'a stored',
      'b rejected',
      'c rejected',
      'd rejected',
    ]);
    expect(events.told.filter(({ name }) => name !== 'series.near-budget').map(({ name }) => name)).toEqual([
      'series.over-budget',
      'types.conflict',
    ]);
    expect(events.told.at(-1)?.fields).toMatchObject({ device: 'c' });
    expect(ledgers.figures()).toEqual({ series: 1, seriesBudget: 1, refusedReadings: 1 });
    expect(ledgers.seriesReport().estimatedRefusedSeries).toBe(1);
  });

  it('a question alone is not counted, whatever reading is rejected next', () => {
    const { ledgers, store, clock, events } = setUp(1);
    ledgers.keep(pointOf(seriesOf()), store.group());
    expect(ledgers.judge(pointOf(seriesOf('device=b')))?.kind).toBe('bad');
    const violations = [{ pointer: '/value', message: 'must be number' }];
    const none = { schema: null, sentUs: null, seq: null };
    ledgers.saw(
      { kind: 'bad', device: 'd', code: 'invalid', violations, ...none },
      'd',
      'rejected',
      MESSAGE,
      clock.ms,
    );
    expect(ledgers.figures().refusedReadings).toBe(0);
    expect(events.count('series.over-budget')).toBe(0);
  });

  it('a series is worked out once and then known by its object', () => {
    const { ledgers, store } = setUp();
    const series = seriesOf();
    ledgers.keep(pointOf(series), store.group());
    const { known } = series;
    expect(known).not.toBeNull();
    ledgers.judge(pointOf(series));
    ledgers.keep(pointOf(series), store.group());
    expect(series.known).toBe(known);
  });
});
