import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIsoTime, zoneOf } from '../../gateway/readings/iso-time.ts';
import { interpret, lineOf, NOW_MS, readingsOf, schema } from './under-test.ts';

const timed = (time: object, ts: object = { type: 'integer' }): ReturnType<typeof readingsOf> =>
  readingsOf(schema({ telemetry: { time: { property: 'ts', ...time } }, properties: { ts } }));
/** The timestamp of the line, or the whole complaint. */
const stamp = (readings: ReturnType<typeof readingsOf>, ts: unknown): string => {
  const line = lineOf(readings, 't/d', { temperature: 1, ts });
  return line.startsWith('m,') ? (line.split(' ').at(-1) ?? '') : line;
};
const S = NOW_MS / 1000;

describe('the time of a reading', () => {
  it('is its own, in the unit the schema says', () => {
    expect(stamp(timed({ unit: 's' }), S)).toBe(`${S}000000000`);
    expect(stamp(timed({ unit: 'ms' }), NOW_MS - 1)).toBe(`${NOW_MS - 1}000000`);
    expect(stamp(timed({ unit: 'us' }), NOW_MS * 1000 - 1)).toBe(`${NOW_MS * 1000 - 1}000`);
    expect(stamp(timed({ unit: 's' }, { type: 'number' }), S + 0.25)).toBe(`${S}250000000`);
    expect(stamp(timed({ unit: 's' }, { type: 'number' }), S + 0.000123)).toBe(`${S}000123000`);
    const int64 = { type: 'string', format: 'int64' };
    expect(stamp(timed({ unit: 'ns' }, int64), `${NOW_MS}123456`)).toBe(`${NOW_MS}123456`);
    expect(stamp(timed({ unit: 'ms' }, int64), `${NOW_MS}`)).toBe(`${NOW_MS}000000`);
  });

  it('is ISO 8601 with an offset, or in the zone the schema says', () => {
    const iso = timed({ unit: 'iso' }, { type: 'string' });
    expect(stamp(iso, '2026-03-01T11:59:59.5Z')).toBe(`${NOW_MS - 500}000000`);
    expect(stamp(iso, '2026-03-01T13:00:00.000001+01:00')).toBe(`${NOW_MS}001000`);
    expect(stamp(iso, '2026-03-01T12:00:00.123456789Z')).toBe(`${NOW_MS + 123}456789`);
    expect(stamp(iso, '2026-03-01T12:00:00')).toMatch(/must end in Z or an offset/);
    const berlin = timed({ unit: 'iso', zone: 'Europe/Berlin' }, { type: 'string' });
    expect(stamp(berlin, '2026-03-01T13:00:00')).toBe(`${NOW_MS}000000`);
    expect(stamp(berlin, '2026-03-01T12:00:00Z')).toBe(`${NOW_MS}000001`);
  });

  it('is how long before its arrival it was measured, where it is an age', () => {
    const age = timed({ unit: 's', kind: 'age' }, { type: 'number' });
    expect(stamp(age, 2.5)).toBe(`${NOW_MS - 2500}000000`);
    expect(stamp(age, 0)).toBe(`${NOW_MS}000000`);
    expect(stamp(age, -7200)).toMatch(/^time-out-of-range/);
  });

  it('is that of its arrival where it has none', () => {
    expect(stamp(timed({ unit: 'ms' }), undefined)).toBe(`${NOW_MS}000042`);
    expect(stamp(timed({ unit: 'ms' }, { type: ['integer', 'null'] }), null)).toBe(`${NOW_MS}000042`);
  });

  it('is refused before 2000 and more than an hour ahead, with a hint at the unit', () => {
    const ms = timed({ unit: 'ms' });
    expect(stamp(ms, Date.UTC(2000, 0, 1))).toBe('946684800000000000');
    expect(stamp(ms, Date.UTC(2000, 0, 1) - 1)).toMatch(
      /^time-out-of-range: \/ts is 1999-12-31T23:59:59.999Z, before/,
    );
    expect(stamp(ms, NOW_MS + 3_600_000)).toBe(`${NOW_MS + 3_600_000}000000`);
    expect(stamp(ms, NOW_MS + 3_600_001)).toMatch(
      /^time-out-of-range: .* more than 1h ahead of this gateway's clock/,
    );
    expect(stamp(ms, S)).toMatch(/in s it would be 2026-03-01T12:00:00.000Z: check telemetry.time.unit/);
    expect(stamp(timed({ unit: 's' }), NOW_MS)).toMatch(/in ms it would be 2026/);
    expect(stamp(timed({ unit: 's' }), Number.MAX_SAFE_INTEGER)).toMatch(/^time-out-of-range/);
  });

  it('has the window the schema gives it', () => {
    const window = { from: '2026-01-01T00:00:00Z', ahead: '2d' };
    const ms = timed({ unit: 'ms', window });
    expect(stamp(ms, Date.UTC(2025, 11, 31))).toMatch(/before 2026-01-01/);
    expect(stamp(ms, NOW_MS + 2 * 86_400_000)).toBe(`${NOW_MS + 2 * 86_400_000}000000`);
  });

  it('makes a reading recognisable, as an identity does, but an age does not', () => {
    const recognisable = (readings: ReturnType<typeof readingsOf>, payload: object): unknown => {
      const [reading] = interpret(readings, 't/d', { temperature: 1, ...payload });
      return reading?.kind === 'point' ? reading.recognisable : reading;
    };
    expect(recognisable(timed({ unit: 'ms' }), { ts: NOW_MS })).toBe(true);
    expect(recognisable(timed({ unit: 'ms' }), {})).toBe(false);
    expect(recognisable(timed({ unit: 's', kind: 'age' }), { ts: 1 })).toBe(false);
    const named = readingsOf(
      schema({
        telemetry: { identity: ['boot', 'seq'] },
        properties: { boot: { type: 'integer' }, seq: { type: 'integer' } },
      }),
    );
    expect(recognisable(named, { boot: 1, seq: 2 })).toBe(true);
    expect(recognisable(named, { seq: 2 })).toBe(false);
  });

  it('gets missing digits, so that two readings in one millisecond both live, in an array too', () => {
    const ms = timed({ unit: 'ms' });
    const lines = [
      ...interpret(ms, 't/d', [
        { temperature: 1, ts: NOW_MS },
        { temperature: 2, ts: NOW_MS },
      ]),
      ...interpret(ms, 't/other', { temperature: 3, ts: NOW_MS }),
      ...interpret(ms, 't/d', { temperature: 4, ts: NOW_MS }),
      ...interpret(ms, 't/d', { temperature: 5, ts: NOW_MS + 1 }),
    ].map((reading) => (reading.kind === 'point' ? reading.line.trimEnd().split(' ').at(-1) : reading));
    expect(lines).toEqual([
      `${NOW_MS}000000`,
      `${NOW_MS}000001`,
      `${NOW_MS}000000`,
      `${NOW_MS}000002`,
      `${NOW_MS + 1}000000`,
    ]);
  });
});

describe('ISO times', () => {
  it('are read as the calendar of the runtime reads them', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('2262-01-01'), noInvalidDate: true }), (date) => {
        expect(parseIsoTime(date.toISOString(), null)).toMatchObject({ us: date.getTime() * 1000, subNs: 0 });
      }),
    );
  });

  it('that are none are refused, whatever they look like', () => {
    for (const text of [
      '2026-02-30T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-03-01T24:00:00Z',
      '2026-03-01T00:60:00Z',
      '2026-03-01T00:00:61Z',
      'yesterday',
      '',
      '2026-03-01',
      '2026-03-01T00:00:00+25:00x',
      `${'2'.repeat(100_000)}Z`,
    ]) {
      expect(parseIsoTime(text, null), text.slice(0, 40)).toBeTypeOf('string');
    }
    fc.assert(fc.property(fc.string(), (text) => void parseIsoTime(text, null)));
  });

  it('follow a zone through its changes: the first of two equal times, moved on where one is skipped', () => {
    const berlin = zoneOf('Europe/Berlin');
    const utc = (text: string): string => {
      const time = parseIsoTime(text, berlin);
      return typeof time === 'string' ? time : new Date(time.us / 1000).toISOString();
    };
    expect(utc('2026-01-15T12:00:00')).toBe('2026-01-15T11:00:00.000Z');
    expect(utc('2026-07-15T12:00:00')).toBe('2026-07-15T10:00:00.000Z');
    expect(utc('2026-10-25T02:30:00')).toBe('2026-10-25T00:30:00.000Z');
    expect(utc('2026-10-25T03:00:00')).toBe('2026-10-25T02:00:00.000Z');
    expect(utc('2026-03-29T02:30:00')).toBe('2026-03-29T01:30:00.000Z');
    expect(utc('2026-03-29T03:00:00')).toBe('2026-03-29T01:00:00.000Z');
    expect(zoneOf('Mars/Olympus')).toBeNull();
    expect(zoneOf('-05:30')?.(0)).toBe(-19_800_000);
  });
});
