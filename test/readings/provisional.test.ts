import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArrivalClock } from '../../gateway/contracts.ts';
import { inText, interpret, NOW_MS, readingsOf, schema } from './under-test.ts';

/** The gateway thinks it is 2000; it has been up for 5 s. */
const WRONG_NOW_MS = Date.UTC(2000, 0, 1, 0, 0, 5);
const BASE_US = 1e13 + 5_000_000;
const provisional = (): ArrivalClock => {
  let ns = 0;
  return {
    nextNs: () => `${BASE_US}${String(ns++).padStart(3, '0')}`,
    highWaterMs: NOW_MS - 3_600_000,
    isProvisional: true,
  };
};

/** The timestamp of the line, or the complaint. */
function stamp(time: object, ts: unknown): string {
  const readings = readingsOf(
    schema({
      telemetry: { time: { property: 'ts', unit: 'ms', ...time } },
      properties: { ts: { type: 'number' } },
    }),
  );
  const [reading] = interpret(
    readings,
    't/d',
    { temperature: 1, ts },
    { arrival: provisional(), nowMs: WRONG_NOW_MS },
  );
  if (reading?.kind !== 'point') return reading === undefined ? 'nothing' : inText(reading);
  return reading.line.trimEnd().split(' ').slice(1).join(' ');
}

describe('while the clock of the gateway is not set', () => {
  it('a plausible time of the device is taken under every policy', () => {
    for (const clock of ['trust', 'arrival', 'correct', 'reject']) {
      expect(stamp({ clock }, NOW_MS)).toBe(`temperature=1 ${NOW_MS}000000`);
    }
  });

  it('a time that cannot be gives way to the arrival, with its 17 digits, and is kept where the schema keeps it', () => {
    expect(stamp({}, 5000)).toBe(`temperature=1 ${BASE_US}000`);
    expect(stamp({ clock: 'reject' }, 5000)).toBe(`temperature=1 ${BASE_US}000`);
    expect(stamp({ clock: 'correct' }, 5000)).toBe(`temperature=1,device_time=5000000i ${BASE_US}000`);
    expect(stamp({}, undefined)).toBe(`temperature=1 ${BASE_US}000`);
    expect(stamp({}, 1e17)).toBe(`temperature=1 ${BASE_US}000`);
  });

  it('an age counts back from the provisional arrival', () => {
    expect(stamp({ kind: 'age' }, 2500)).toBe(`temperature=1 ${BASE_US - 2_500_000}000`);
    expect(stamp({ kind: 'age' }, 0)).toBe(`temperature=1 ${BASE_US}000`);
    expect(stamp({ kind: 'age' }, 1e15)).toBe(`temperature=1 ${BASE_US}001`);
    expect(stamp({ kind: 'age' }, -1e15)).toBe(`temperature=1 ${BASE_US}001`);
  });

  it('nothing is rejected for its time, and no time can be mistaken: at most 17 digits, or at least 18', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('trust', 'arrival', 'correct', 'reject', 'age'),
        fc.oneof(
          fc.double({ noNaN: true, noDefaultInfinity: true }),
          fc.integer({ min: 0, max: 2 * NOW_MS }),
        ),
        (kind, ts) => {
          const ns =
            stamp(kind === 'age' ? { kind } : { clock: kind }, ts)
              .split(' ')
              .at(-1) ?? '';
          expect(ns).toMatch(/^\d{1,19}$/);
          const isOwn = ns.length >= 18;
          if (isOwn) expect(Math.abs(Number(ns.slice(0, -6)) - ts)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('an age has a time without a fraction, however many readings came in that millisecond', () => {
    const readings = readingsOf(
      schema({
        telemetry: { time: { property: 'ts', unit: 'ms', kind: 'age' } },
        properties: { ts: { type: 'number' } },
      }),
    );
    const arrival = { ...provisional(), nextNs: () => `${BASE_US + 1}500` };
    const [reading] = interpret(
      readings,
      't/d',
      { temperature: 1, ts: 2500 },
      { arrival, nowMs: WRONG_NOW_MS },
    );
    expect(reading === undefined ? '' : inText(reading)).toMatch(/ \d{17}$/);
  });

  it('two readings of one age are two points', () => {
    const readings = readingsOf(
      schema({
        telemetry: { time: { property: 'ts', unit: 's', kind: 'age' } },
        properties: { ts: { type: 'number' } },
      }),
    );
    const list = [1, 2, 3].map((temperature) => ({ temperature, ts: 10 }));
    const lines = interpret(readings, 't/d', list, { arrival: provisional(), nowMs: WRONG_NOW_MS }).map(
      inText,
    );
    expect(new Set(lines.map((line) => line.split(' ').at(-1))).size).toBe(3);
  });
});
