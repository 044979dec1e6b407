import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createArrivalClock } from '../../gateway/clocks/arrival-clock.ts';
import type { Clock } from '../../gateway/contracts.ts';

function clockAt(times: readonly number[]): Clock {
  let i = 0;
  return {
    nowMs: () => times[Math.min(i++, times.length - 1)] ?? 0,
    monotonicMs: () => 0,
    sleep: () => Promise.resolve(),
  };
}

describe('the arrival clock', () => {
  it('never gives a time twice and never goes back, however the wall clock jumps', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1e12, max: 1e12 + 50 }), { minLength: 2, maxLength: 200 }),
        (times) => {
          const arrival = createArrivalClock(clockAt(times), 0);
          const given = times.map(() => BigInt(arrival.nextNs()));
          for (let i = 1; i < given.length; i += 1)
            expect(given[i] ?? 0n).toBeGreaterThan(given[i - 1] ?? 0n);
        },
      ),
    );
  });

  it('gives the wall clock itself when there is one reading a millisecond', () => {
    const arrival = createArrivalClock(clockAt([1_700_000_000_000, 1_700_000_000_001]), 0);
    expect(arrival.nextNs()).toBe('1700000000000000000');
    expect(arrival.nextNs()).toBe('1700000000001000000');
  });

  it('goes on above the mark of an earlier run even when the clock was set back meanwhile', () => {
    const arrival = createArrivalClock(clockAt([1_000]), 1_700_000_000_000);
    expect(arrival.nextNs()).toBe('1700000000001000000');
    expect(arrival.nextNs()).toBe('1700000000001000001');
    expect(arrival.highWaterMs).toBe(1_700_000_000_001);
  });

  it('carries into the next millisecond after a million readings in one', () => {
    const arrival = createArrivalClock(clockAt([5_000]), 0);
    let last = '';
    for (let i = 0; i < 1_000_001; i += 1) last = arrival.nextNs();
    expect(last).toBe('5001000000');
  });
});
