import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TickCounter } from '../../gateway/readings/tick-counter.ts';

const MS = 1_000_000;

describe('the digits a payload time is missing', () => {
  it('are zeros while time goes on, and count while it stays', () => {
    const ticks = new TickCounter({ fresh: true });
    const next = (ms: number): string | null => ticks.nextNs('a', ms * 1000, MS);
    expect([next(5), next(5), next(6), next(6), next(7)]).toEqual([
      '5000000',
      '5000001',
      '6000000',
      '6000001',
      '7000000',
    ]);
  });

  it('never make two readings of a series one, in whatever order they come', () => {
    const times = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 5 })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(
        times,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 4 }),
        (all, seed, maxSeries) => {
          const ticks = new TickCounter({ seed, maxSeries });
          const seen = new Set(all.map(([series, ms]) => `${series} ${ticks.nextNs(series, ms * 1000, MS)}`));
          expect(seen.size).toBe(all.length);
        },
      ),
    );
  });

  it('keep two runs apart: a time that an earlier run may have stored gets other digits', () => {
    const first = new TickCounter({ seed: 0.1 });
    const second = new TickCounter({ seed: 0.7 });
    const all = [first, second].flatMap((run) => [1, 1, 1].map((ms) => run.nextNs('a', ms * 1000, MS)));
    expect(new Set(all).size).toBe(6);
  });

  it('keep two runs apart when a device sends late what is from before the start', () => {
    const runs = [new TickCounter({ seed: 0.1 }), new TickCounter({ seed: 0.7, startedMs: 11 })];
    const given = runs.map((run) => [4, 10, 12].map((ms) => run.nextNs('a', ms * 1000, MS)));
    expect(given[0]?.[1]).toBe('10000000');
    expect(new Set(given.flat().slice(0, -1)).size).toBe(5);
    expect(given[1]?.[2]).toBe('12000000');
  });

  it('keep apart what a series is given before and after it was forgotten', () => {
    const ticks = new TickCounter({ seed: 0.1, maxSeries: 1 });
    const next = (series: string, ms: number): string | null => ticks.nextNs(series, ms * 1000, MS);
    const before = [next('a', 1), next('a', 9)];
    for (const other of ['b', 'c', 'd']) next(other, 9);
    const after = [next('a', 5), next('a', 9)];
    expect(new Set([...before, ...after]).size).toBe(4);
  });

  it('stay within the tick', () => {
    for (const [span, us] of [
      [1_000_000, 7000],
      [1_000, 7001],
    ] as const) {
      const ticks = new TickCounter({ seed: 0.999_999 });
      for (let i = 0; i < 400; i += 1) {
        const ns = Number(ticks.nextNs('a', us, span));
        expect(ns).toBeGreaterThanOrEqual(us * 1000);
        expect(ns).toBeLessThan(us * 1000 + span);
      }
    }
  });

  it('say when a clock stands still instead of writing over what is stored', () => {
    const ticks = new TickCounter({ fresh: true });
    const given = new Set(Array.from({ length: 500 }, () => ticks.nextNs('a', 1, 1000)));
    expect(given.size).toBe(500);
    expect(ticks.nextNs('a', 1, 1000)).toBeNull();
    expect(ticks.nextNs('a', 2, 1000)).toBe('2000');
  });
});
