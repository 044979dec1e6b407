import { describe, expect, it } from 'vitest';
import { problemText } from '../../gateway/errors.ts';
import { compileSchemas } from '../../gateway/readings/load-schemas.ts';
import { problemsOf, readingsOf, schema } from './under-test.ts';

const told = (telemetry: object, properties: object = {}): string[] =>
  problemsOf(schema({ telemetry, properties })).map((problem) => problem.replace(/^a\.json:\d+:\d+ /, ''));
const timed = (time: object, properties: object = {}): string[] =>
  told({ time: { property: 'ts', unit: 'ms', ...time } }, { ts: { type: 'integer' }, ...properties });

describe('the telemetry section is refused where', () => {
  it('receipts, format or expectEvery are none', () => {
    expect(told({ receipts: 'none' })).toEqual([
      expect.stringMatching(/^\/telemetry\/receipts must be one of/),
    ]);
    expect(told({ expectEvery: 'often' })).toEqual([expect.stringMatching(/^\/telemetry\/expectEvery/)]);
    expect(told({ expectEvery: '0s' })).toEqual(['/telemetry/expectEvery must be more than nothing']);
    expect(told({ format: { a: {}, b: {} } })).not.toEqual([]);
    expect(told({ format: { csv: 1 } })).not.toEqual([]);
    expect(told({ format: '' })).not.toEqual([]);
  });

  it('a format makes no sense to who knows the formats, at its place', () => {
    const text = JSON.stringify(schema({ telemetry: { format: { csv: { b: 1, a: 2 } } } }), null, 2);
    const asked: string[] = [];
    const { problems } = compileSchemas(new Map([['a.json', text]]), (spec) => {
      asked.push(spec);
      return 'csv has no option a';
    });
    expect(asked).toEqual(['{"csv":{"a":2,"b":1}}']);
    expect(problems.map(problemText)).toEqual([
      expect.stringMatching(/^a\.json:\d+:\d+ \/telemetry\/format csv has no option a$/),
    ]);
  });

  it('schemas on one topic are read in different formats: the payload is read before they can be told apart', () => {
    const select = (v: number, format?: string): object =>
      schema({
        $id: `s.v${v}`,
        telemetry: { select: { v }, ...(format === undefined ? {} : { format }) },
        properties: { v: { type: 'integer' } },
      });
    expect(problemsOf(select(1, 'cbor'), select(2))).toEqual([
      expect.stringMatching(/^b\.json.* \/telemetry\/format is not that of s\.v1 in a\.json/),
    ]);
    expect(problemsOf(select(1, 'cbor'), select(2, 'cbor'))).toEqual([]);
  });

  it('the policy for the clock is none, or does not go with the rest', () => {
    expect(timed({ clock: 'ignore' })).toEqual([
      expect.stringMatching(/^\/telemetry\/time\/clock must be one of/),
    ]);
    expect(timed({ clock: 'correct', kind: 'age' })).toEqual([
      '/telemetry/time/clock an age does not depend on the clock of the device',
    ]);
    expect(timed({ tolerance: '1m' })).toEqual([
      expect.stringMatching(/^\/telemetry\/time\/tolerance is of no effect/),
    ]);
    expect(timed({ clock: 'reject', tolerance: 'x' })).toEqual([
      expect.stringMatching(/^\/telemetry\/time\/tolerance/),
    ]);
    expect(timed({ clock: 'reject', original: 'sent' })).toEqual([
      expect.stringMatching(/^\/telemetry\/time\/original is for the clocks arrival and correct/),
    ]);
  });

  it('the name of the kept device time is taken or cannot be', () => {
    expect(timed({ clock: 'correct' }, { device_time: { type: 'integer' } })).toEqual([
      '/telemetry/time/original "device_time" is a field or a tag already; set "original" to another name',
    ]);
    expect(timed({ clock: 'arrival', original: 'Temperature' })).toHaveLength(1);
    expect(timed({ clock: 'arrival', original: 'device' })).toHaveLength(1);
    expect(timed({ clock: 'arrival', original: 'time' })).toEqual([
      "/telemetry/time/original is a name of the database's own",
    ]);
    expect(timed({ clock: 'arrival', original: 'a\nb' })).toHaveLength(1);
    expect(timed({ clock: 'correct', original: 'sent' }, { device_time: { type: 'integer' } })).toEqual([]);
    const other = schema({
      $id: 'other.v1',
      telemetry: { topics: ['o/{device}'] },
      properties: { device_time: { type: 'string' } },
    });
    const keeping = schema({
      telemetry: { time: { property: 'ts', unit: 'ms', clock: 'correct' } },
      properties: { ts: { type: 'integer' } },
    });
    expect(problemsOf(keeping, other)).toEqual([expect.stringMatching(/^b\.json.*"device_time" \(string\)/)]);
  });

  it('its window begins before 1975: shorter timestamps mean an arrival before the clock was set', () => {
    expect(timed({ window: { from: '1974-12-31T23:59:59Z' } })).toEqual([
      '/telemetry/time/window from must not be before 1975',
    ]);
    expect(timed({ window: { from: '1975-01-01T00:00:00Z' } })).toEqual([]);
  });
});

describe('the telemetry section takes', () => {
  it('every key that is described', () => {
    const readings = readingsOf(
      schema({
        telemetry: {
          receipts: 'all',
          format: 'json',
          expectEvery: '30s',
          identity: ['seq'],
          time: { property: 'ts', unit: 'ms', clock: 'correct', tolerance: '2m', original: 'sent_at' },
        },
        properties: { ts: { type: 'integer' }, seq: { type: 'integer' } },
      }),
    );
    expect(readings.describe()[0]).toMatchObject({ format: 'json', expectEveryMs: 30_000 });
  });
});
