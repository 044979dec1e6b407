import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClockDiagnosis, DeviceClocks } from '../../gateway/ledger-contract.ts';
import { decodeLine } from '../../gateway/line-protocol/decode.ts';
import { NO_CLOCKS } from '../../gateway/readings/mapping-deps.ts';
import { ARRIVAL_NS, inText, interpret, NOW_MS, pointOf, readingsWith, schema } from './under-test.ts';

const S = 1000;
const MIN = 60 * S;
const H = 60 * MIN;

/** Every device has this clock. */
function clocksWith(
  offsetMs: number | null,
  diagnosis: ClockDiagnosis,
  words: string | null = null,
): DeviceClocks {
  return {
    offsetUs: () => (offsetMs === null ? null : offsetMs * 1000),
    diagnosis: () => diagnosis,
    words: () => words,
  };
}
const GOOD = clocksWith(0, 'good');
const THREE_HOURS = clocksWith(3 * H, 'offset', '3 h 0 min ahead');

const timed = (time: object, clocks: DeviceClocks): ReturnType<typeof readingsWith> =>
  readingsWith(
    { clocks },
    schema({
      telemetry: { time: { property: 'ts', unit: 'ms', ...time } },
      properties: { ts: { type: 'integer' } },
    }),
  );

/** Where a reading is stored that says it was measured so long from now: ms from now, or `arrival`; and what is kept. */
function stored(policy: string, clocks: DeviceClocks, sentMs: number, time: object = {}): string {
  const [reading] = interpret(timed({ clock: policy, ...time }, clocks), 't/d', {
    temperature: 1,
    ts: NOW_MS + sentMs,
  });
  if (reading?.kind !== 'point') return reading === undefined ? 'nothing' : inText(reading);
  const { fields, timestampNs } = decodeLine(reading.line);
  const when = timestampNs === ARRIVAL_NS ? 'arrival' : String(Number(timestampNs?.slice(0, -6)) - NOW_MS);
  const kept = fields.find(([name]) => name === 'device_time')?.[1].value;
  return kept === undefined ? when : `${when}, sent ${Number(kept) / 1000 - NOW_MS}`;
}

describe('a device time that does not fit its arrival', () => {
  it('is taken as it is under trust, whatever is known of the clock, within the window', () => {
    expect(stored('trust', THREE_HOURS, -2 * H)).toBe(String(-2 * H));
    expect(stored('trust', NO_CLOCKS, 30 * MIN)).toBe(String(30 * MIN));
    expect(stored('trust', NO_CLOCKS, 2 * H)).toMatch(/^time-out-of-range/);
  });

  it('gives way to the arrival under arrival, and is kept beside it', () => {
    expect(stored('arrival', NO_CLOCKS, -4 * MIN)).toBe(String(-4 * MIN));
    expect(stored('arrival', NO_CLOCKS, 4 * MIN)).toBe(String(4 * MIN));
    expect(stored('arrival', NO_CLOCKS, -6 * MIN)).toBe(`arrival, sent ${-6 * MIN}`);
    expect(stored('arrival', THREE_HOURS, 3 * H)).toBe(`arrival, sent ${3 * H}`);
    expect(stored('arrival', NO_CLOCKS, -NOW_MS)).toBe(`arrival, sent ${-NOW_MS}`);
  });

  it('is corrected by the known offset under correct, and kept beside it', () => {
    expect(stored('correct', THREE_HOURS, 3 * H - 5)).toBe(`-5, sent ${3 * H - 5}`);
    expect(stored('correct', clocksWith(-90 * S, 'drifting'), -90 * S)).toBe(`0, sent ${-90 * S}`);
    expect(stored('correct', clocksWith(1500.4, 'offset'), 1000)).toBe('-500, sent 1000');
    expect(stored('correct', GOOD, -7)).toBe('-7');
  });

  it('is taken under correct while nothing is known, if it is near, and else gives way', () => {
    expect(stored('correct', NO_CLOCKS, -4 * MIN)).toBe(String(-4 * MIN));
    expect(stored('correct', NO_CLOCKS, -6 * MIN)).toBe(`arrival, sent ${-6 * MIN}`);
    expect(stored('correct', NO_CLOCKS, 3 * H)).toBe(`arrival, sent ${3 * H}`);
  });

  it('is none under correct where it cannot be one: 1970, ms sent as s, or what would lie in the future', () => {
    expect(stored('correct', clocksWith(-NOW_MS, 'no-clock'), -NOW_MS + 5)).toBe(
      `arrival, sent ${-NOW_MS + 5}`,
    );
    expect(stored('correct', GOOD, 3 * H)).toBe(`arrival, sent ${3 * H}`);
    const seconds = timed({ clock: 'correct', unit: 's' }, NO_CLOCKS);
    const point = pointOf(seconds, 't/d', { temperature: 1, ts: NOW_MS });
    expect(point.line).toBe(`m,device=d temperature=1,device_time=${NOW_MS}000000i ${ARRIVAL_NS}\n`);
    const endless = pointOf(seconds, 't/d', '{"temperature":1,"ts":1e300}');
    expect(endless.line).toBe(`m,device=d temperature=1 ${ARRIVAL_NS}\n`);
  });

  it('is refused under reject, with what is known of the clock', () => {
    expect(stored('reject', NO_CLOCKS, 4 * MIN)).toBe(String(4 * MIN));
    expect(stored('reject', THREE_HOURS, 3 * H)).toMatch(
      /^time-out-of-range: \/ts .* ahead of this gateway's clock .*; the clock of this device: 3 h 0 min ahead$/,
    );
    expect(stored('reject', NO_CLOCKS, 10 * MIN)).toBe(
      'time-out-of-range: /ts is 2026-03-01T12:10:00.000Z, 10 min 0 s ahead of its arrival, more than telemetry.time.tolerance',
    );
    expect(stored('reject', clocksWith(-26 * H, 'offset', '26 h behind'), -26 * H)).toMatch(
      /is 2026-02-28T10:00:00.000Z, 1 d 2 h behind its arrival, .*; the clock of this device: 26 h behind$/,
    );
  });

  it('has the tolerance the schema gives it', () => {
    expect(stored('arrival', NO_CLOCKS, -2 * S, { tolerance: '1s' })).toBe(`arrival, sent ${-2 * S}`);
    expect(stored('arrival', NO_CLOCKS, -3 * H, { tolerance: '1d' })).toBe(String(-3 * H));
    expect(stored('reject', NO_CLOCKS, 2 * S, { tolerance: '1s' })).toMatch(/^time-out-of-range/);
  });
});

describe('a reading sent late by a device that was offline', () => {
  it('keeps its time where the clock is known to be good', () => {
    for (const policy of ['trust', 'arrival', 'correct', 'reject']) {
      expect(stored(policy, GOOD, -20 * H)).toBe(String(-20 * H));
      expect(stored(policy, clocksWith(800, 'drifting'), -20 * H)).toMatch(/^-720\d\d\d\d\d/);
    }
  });

  it('is not believed of a clock that jumps, has no time or is not known', () => {
    for (const clocks of [
      clocksWith(null, 'good'),
      clocksWith(0, 'jumping'),
      clocksWith(0, 'no-clock'),
      clocksWith(0, 'wrong-unit'),
      NO_CLOCKS,
    ]) {
      expect(stored('arrival', clocks, -20 * H)).toBe(`arrival, sent ${-20 * H}`);
      expect(stored('correct', clocks, -20 * H)).toBe(`arrival, sent ${-20 * H}`);
      expect(stored('reject', clocks, -20 * H)).toMatch(/^time-out-of-range/);
    }
  });

  it('is never stored ahead of its arrival by more than the tolerance, nor before the window', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('arrival', 'correct'),
        fc.option(fc.integer({ min: -1e13, max: 1e13 }), { nil: null }),
        fc.constantFrom<ClockDiagnosis>(
          'unknown',
          'good',
          'offset',
          'drifting',
          'jumping',
          'wrong-unit',
          'no-clock',
        ),
        fc.integer({ min: -1e13, max: 1e13 }),
        (policy, offsetMs, diagnosis, sentMs) => {
          const readings = timed({ clock: policy }, clocksWith(offsetMs, diagnosis));
          const { line } = pointOf(readings, 't/d', { temperature: 1, ts: NOW_MS + sentMs });
          const ms = Number(line.trimEnd().split(' ').at(-1)?.slice(0, -6));
          expect(ms).toBeGreaterThanOrEqual(Date.UTC(2000, 0, 1));
          expect(ms).toBeLessThanOrEqual(NOW_MS + 5 * MIN);
        },
      ),
    );
  });

  it('keeps its spacing under correct: one offset is taken from all', () => {
    const readings = timed({ clock: 'correct' }, THREE_HOURS);
    const sent = [3 * H - 2 * H, 3 * H - 2 * H + 10 * S, 3 * H - 2 * H + 20 * S, 3 * H];
    const lines = interpret(
      readings,
      't/d',
      sent.map((ms) => ({ temperature: 1, ts: NOW_MS + ms })),
    ).map(inText);
    expect(lines.map((line) => Number(line.split(' ').at(-1)?.slice(0, -6)) - NOW_MS)).toEqual([
      -2 * H,
      -2 * H + 10 * S,
      -2 * H + 20 * S,
      0,
    ]);
  });
});

describe('what a reading tells of its device clock', () => {
  it('is its time as it was sent, also where another is stored or it is rejected; an age tells nothing', () => {
    const sentUs = (NOW_MS + 3 * H) * 1000;
    const payload = { temperature: 1, ts: NOW_MS + 3 * H };
    expect(pointOf(timed({ clock: 'correct' }, THREE_HOURS), 't/d', payload).sentUs).toBe(sentUs);
    expect(pointOf(timed({ clock: 'arrival' }, THREE_HOURS), 't/d', payload).sentUs).toBe(sentUs);
    expect(interpret(timed({}, NO_CLOCKS), 't/d', payload)).toMatchObject([{ kind: 'bad', sentUs }]);
    expect(interpret(timed({}, NO_CLOCKS), 't/d', { ...payload, temperature: 'x' })).toMatchObject([
      { kind: 'bad', code: 'invalid', sentUs },
    ]);
    expect(interpret(timed({}, NO_CLOCKS), 't/d', { temperature: 1, ts: 'now' })).toMatchObject([
      { kind: 'bad', sentUs: null },
    ]);
    expect(pointOf(timed({}, NO_CLOCKS), 't/d', { temperature: 1 }).sentUs).toBeNull();
    expect(pointOf(timed({ kind: 'age' }, NO_CLOCKS), 't/d', { temperature: 1, ts: 5 }).sentUs).toBeNull();
  });

  it('makes it recognisable where that clock runs, even if it is wrong', () => {
    const recognisable = (sentMs: number): boolean =>
      pointOf(timed({ clock: 'arrival' }, NO_CLOCKS), 't/d', { temperature: 1, ts: NOW_MS + sentMs })
        .recognisable;
    expect(recognisable(0)).toBe(true);
    expect(recognisable(3 * H)).toBe(true);
    expect(recognisable(-3 * H)).toBe(true);
    expect(recognisable(-NOW_MS)).toBe(false);
    expect(recognisable(80 * 365 * 24 * H)).toBe(false);
  });
});
