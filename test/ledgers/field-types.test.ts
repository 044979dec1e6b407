import { describe, expect, it } from 'vitest';
import type { FieldType, Point, SchemaField, Series } from '../../gateway/contracts.ts';
import {
  DEFAULT_FIELD_TYPE_LIMITS,
  type FieldTypeLimits,
  FieldTypes,
} from '../../gateway/ledgers/field-types.ts';
import { GroupsUnderWay } from '../../gateway/ledgers/groups-under-way.ts';
import { knownOf } from '../../gateway/ledgers/series-known.ts';
import {
  type FakeGroup,
  FakeStore,
  ManualClock,
  pointOf,
  seriesOf,
  settled,
  ToldEvents,
} from './fake-store.ts';

const FLOAT: readonly SchemaField[] = [{ name: 'count', type: 'float' }];
const INTEGER: readonly SchemaField[] = [
  { name: 'count', type: 'integer' },
  { name: 'other', type: 'integer' },
];

function typesOf(store = new FakeStore(), limits: FieldTypeLimits = DEFAULT_FIELD_TYPE_LIMITS) {
  const events = new ToldEvents();
  const groups = new GroupsUnderWay((error) => {
    throw error;
  });
  const clock = new ManualClock();
  const sinks = new Set(['influx', 'second']);
  const types = new FieldTypes({ groups, documents: store, clock, events, sinks }, limits);
  return {
    types,
    store,
    events,
    clock,
    judge: (point: Point) => types.judge(point, knownOf(point.series)),
    keep: (point: Point, group: FakeGroup) => types.keep(point, knownOf(point.series), group),
    wordsOf(point: Point): string {
      const judgement = types.judge(point, knownOf(point.series));
      return judgement?.kind === 'bad' ? (judgement.violations[0]?.message ?? '') : '';
    },
  };
}

function float(series: Series = seriesOf('device=a', FLOAT)): Point {
  return pointOf(series, 'count=1');
}

function integer(series: Series = seriesOf('device=b', INTEGER)): Point {
  return pointOf(series, 'count=1i', { schema: 'machine.v2' });
}

function held(type: FieldType | FieldType[], measurement = 'machine', field = 'count') {
  return new Map([[measurement, new Map([[field, Array.isArray(type) ? type : [type]]])]]);
}

async function stored(ledger: ReturnType<typeof typesOf>, point: Point): Promise<void> {
  const group = ledger.store.group();
  expect(ledger.judge(point)).toBeNull();
  ledger.keep(point, group);
  await group.commit();
}

describe('the ledger of field types', () => {
  it('the first type that is stored is the type, also after a restart', async () => {
    const ledger = typesOf();
    await stored(ledger, float());
    for (const each of [ledger, typesOf(ledger.store)]) {
      expect(each.judge(integer())).toMatchObject({ kind: 'bad', code: 'type-conflict' });
      expect(each.judge(float())).toBeNull();
    }
  });

  it('a conflict names the field, both types, who stored it first, and what to do', async () => {
    const ledger = typesOf();
    await stored(ledger, float());
    expect(ledger.wordsOf(integer())).toBe(
      'field "count" of "machine" must be float, got integer: it is stored as float since 2026-03-01 ' +
        '(first by device "a" under schema "machine.v1"); declare it as number, or store it under another name with ' +
        '"field": "count_integer", or when the database no longer holds it so: telemetry-gateway fields forget machine count',
    );
  });

  it('a reading that does not carry the field is no conflict, even if it looks like it', async () => {
    const ledger = typesOf();
    await stored(ledger, float());
    const series = seriesOf('device=b,count=7', [...INTEGER, { name: 'text', type: 'string' }]);
    expect(ledger.judge(pointOf(series, 'other=1i'))).toBeNull();
    expect(ledger.judge(pointOf(series, 'text="a,count=1i b count=2"'))).toBeNull();
    expect(ledger.judge(pointOf(series, 'discount=1i'))).toBeNull();
    expect(ledger.judge(pointOf(series, 'other=1i,count=1i'))?.kind).toBe('bad');
  });

  it('a field that is declared and never sent has no type yet', async () => {
    const ledger = typesOf();
    const declared = [...FLOAT, { name: 'battery', type: 'float' }] as const;
    await stored(ledger, float(seriesOf('device=a', declared)));
    const other = seriesOf('device=b', [{ name: 'battery', type: 'integer' }]);
    await stored(ledger, pointOf(other, 'battery=7i'));
    expect(ledger.judge(pointOf(seriesOf('device=a', declared), 'count=1,battery=7'))?.kind).toBe('bad');
  });

  it('the document goes with the very group that first stores the field, and not again', async () => {
    const ledger = typesOf();
    const first = ledger.store.group();
    ledger.keep(float(), first);
    expect([...first.notes.keys()]).toEqual(['types/0/machine']);
    await first.commit();
    const second = ledger.store.group();
    ledger.keep(float(), second);
    expect(second.notes.size).toBe(0);
  });

  it('a failed group leaves no first type behind', async () => {
    const ledger = typesOf();
    const failing = ledger.store.group();
    ledger.keep(float(), failing);
    expect(ledger.judge(integer())?.kind).toBe('bad');
    await failing.fail();
    await stored(ledger, integer());
    expect(ledger.judge(float())?.kind).toBe('bad');
    expect(typesOf(ledger.store).judge(float())?.kind).toBe('bad');
  });

  it('a field that a later group carries too outlives the failure of the first, on disk as well', async () => {
    const ledger = typesOf();
    const failing = ledger.store.group();
    const good = ledger.store.group();
    ledger.keep(float(), failing);
    ledger.keep(float(), good);
    await failing.fail();
    expect(ledger.judge(integer())?.kind).toBe('bad');
    await good.commit();
    expect(ledger.judge(integer())?.kind).toBe('bad');
    expect(typesOf(ledger.store).judge(integer())?.kind).toBe('bad');
  });

  it('a document that another group noted in between does not keep what failed', async () => {
    const ledger = typesOf();
    const series = seriesOf('device=a', [...FLOAT, { name: 'x', type: 'float' }]);
    const failing = ledger.store.group();
    ledger.keep(float(series), failing);
    const good = ledger.store.group();
    ledger.keep(pointOf(series, 'x=1'), good);
    await failing.fail();
    await good.commit();
    const again = typesOf(ledger.store);
    expect(again.types.report().map(({ field }) => field)).toEqual(['x']);
    await stored(again, integer());
  });

  it('what a database holds counts before the first reading, and while it does not answer after a restart', () => {
    const ledger = typesOf();
    ledger.types.learn('influx', held('integer'));
    for (const each of [ledger, typesOf(ledger.store)]) {
      expect(each.judge(integer())).toBeNull();
      expect(each.wordsOf(float())).toContain('sink "influx" holds it as integer; declare it as integer, or');
    }
  });

  it('what a database holds counts for more than what was stored here', async () => {
    const ledger = typesOf();
    await stored(ledger, float());
    ledger.types.learn('influx', held('integer'));
    expect(ledger.events.count('types.differ')).toBe(1);
    expect(ledger.judge(float())?.kind).toBe('bad');
    expect(ledger.judge(integer())).toBeNull();
    ledger.types.learn('influx', new Map());
    expect(ledger.judge(float())).toBeNull();
    expect(ledger.judge(integer())?.kind).toBe('bad');
  });

  it('where a database holds several types, what comes first of them is the type', async () => {
    const ledger = typesOf();
    ledger.types.learn('influx', held(['float', 'integer']));
    const text = seriesOf('device=c', [{ name: 'count', type: 'string' }]);
    expect(ledger.judge(pointOf(text, 'count="x"'))?.kind).toBe('bad');
    await stored(ledger, integer());
    expect(ledger.judge(float())?.kind).toBe('bad');
  });

  it('where two databases differ, a reading that one of them takes is taken', () => {
    const ledger = typesOf();
    ledger.types.learn('influx', held('float'));
    ledger.types.learn('second', held('integer'));
    expect(ledger.judge(float())).toBeNull();
    expect(ledger.judge(integer())).toBeNull();
  });

  it('what the database of a sink held that is no longer used does not count', async () => {
    const { types, store } = typesOf();
    types.learn('retired', held('integer'));
    await settled();
    expect(typesOf(store).judge(float())).toBeNull();
    await settled();
    expect([...store.kept.keys()]).toEqual([]);
  });

  it('a forgotten field takes its type from the next reading', async () => {
    const ledger = typesOf();
    await stored(ledger, float());
    ledger.types.learn('influx', held('float'));
    expect(await ledger.types.forgetField('machine', 'count')).toBe(true);
    expect(await ledger.types.forgetField('machine', 'count')).toBe(false);
    expect(typesOf(ledger.store).judge(integer())).toBeNull();
    await stored(ledger, integer());
    expect(ledger.judge(float())?.kind).toBe('bad');
  });

  it('reports each field with its type, its age and where that is known from', async () => {
    const ledger = typesOf();
    await stored(ledger, float());
    ledger.types.learn(
      'influx',
      new Map([['machine', new Map([['old', ['string' as const]]])], ...held('float', 'unrelated')]),
    );
    expect(ledger.types.report()).toEqual([
      {
        measurement: 'machine',
        field: 'count',
        type: 'float',
        firstSeenMs: ledger.clock.ms,
        device: 'a',
        schema: 'machine.v1',
        origin: 'schema',
      },
      {
        measurement: 'machine',
        field: 'old',
        type: 'string',
        firstSeenMs: ledger.clock.ms,
        device: null,
        schema: null,
        origin: 'database:influx',
      },
    ]);
  });

  it('is bounded: what is beyond is not checked, and told', async () => {
    const ledger = typesOf(new FakeStore(), { maxMeasurements: 2, maxFieldsPerMeasurement: 1, maxFields: 2 });
    const group = ledger.store.group();
    for (const measurement of ['m1', 'm2', 'm3', 'm4']) {
      for (let i = 0; i < 3; i += 1) ledger.keep(float(seriesOf('device=a', FLOAT, measurement)), group);
    }
    await group.commit();
    expect([...ledger.store.kept.keys()]).toEqual(['types/0/m1', 'types/0/m2']);
    expect(ledger.judge(integer(seriesOf('device=b', INTEGER, 'm1')))?.kind).toBe('bad');
    expect(ledger.judge(integer(seriesOf('device=b', INTEGER, 'm3')))).toBeNull();
    expect(ledger.events.count('types.too-many')).toBeGreaterThan(0);
    await stored(ledger, pointOf(seriesOf('device=b', INTEGER, 'm1'), 'other=1i'));
    expect(ledger.types.report()).toHaveLength(2);
  });

  it('keeps a measurement with many fields in notes of at most 16 KiB', async () => {
    const ledger = typesOf();
    const fields = Array.from({ length: 900 }, (_, i) => ({
      name: `field_number_${i}`,
      type: 'float' as const,
    }));
    const group = ledger.store.group();
    const series = seriesOf('device=a', fields);
    ledger.keep(pointOf(series, fields.map(({ name }) => `${name}=1`).join(',')), group);
    for (const text of group.notes.values()) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16 * 1024);
    await group.commit();
    expect(typesOf(ledger.store).types.report()).toHaveLength(900);
  });

  it('a group that begins more measurements than it takes notes has them all once it is on disk', async () => {
    const ledger = typesOf();
    const group = ledger.store.group();
    for (let i = 0; i < 300; i += 1) ledger.keep(float(seriesOf('device=a', FLOAT, `m${i}`)), group);
    expect(group.notes.size).toBe(200);
    await group.commit();
    expect(ledger.store.kept.size).toBe(300);
  });

  it('a measurement whose only reading failed takes up no room', async () => {
    const ledger = typesOf(new FakeStore(), { maxMeasurements: 1, maxFieldsPerMeasurement: 9, maxFields: 9 });
    const failing = ledger.store.group();
    ledger.keep(float(seriesOf('device=a', FLOAT, 'm1')), failing);
    await failing.fail();
    await stored(ledger, float(seriesOf('device=a', FLOAT, 'm2')));
    expect([...ledger.store.kept.keys()]).toEqual(['types/0/m2']);
  });

  it('documents that make no sense are passed over', () => {
    const store = new FakeStore();
    store.kept.set('types/0/machine', '[1,["count"],["count","float",1,"a","s"],["x","complex",1,"a","s"]]');
    store.kept.set('types/zero', '[]');
    store.kept.set('types/1/machine', '{');
    store.kept.set('database-types/influx', '[["machine",[["count",["complex"]]]]]');
    expect(
      typesOf(store)
        .types.report()
        .map(({ field }) => field),
    ).toEqual(['count']);
  });

  it('a store that cannot keep what was learnt is told of, and nothing else happens', async () => {
    const ledger = typesOf();
    ledger.store.failure = new Error('no room');
    ledger.types.learn('influx', held('integer'));
    await settled();
    expect(ledger.events.count('ledgers.not-kept')).toBe(1);
    expect(ledger.judge(float())?.kind).toBe('bad');
  });
});
