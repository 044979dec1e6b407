import type { ArrivalClock, Clock } from './contracts.ts';

const NS_PER_MS = 1_000_000;

/**
 * An arrival clock that goes on above `highWaterMs`, the mark of an earlier run.
 *
 * Within one millisecond the last six digits count, so readings of one burst keep their order and each has a time of
 * its own. While the wall clock stands behind the mark (it was set back), time goes on from the mark nanosecond by
 * nanosecond until the wall clock has caught up. Strings, because 2⁵³ ns is in 1970.
 */
export function createArrivalClock(clock: Clock, highWaterMs: number): ArrivalClock {
  let ms = highWaterMs;
  let ns = NS_PER_MS - 1;
  return {
    nextNs() {
      const nowMs = Math.trunc(clock.nowMs());
      if (nowMs > ms) {
        ms = nowMs;
        ns = 0;
        return `${ms}000000`;
      }
      ns += 1;
      if (ns === NS_PER_MS) {
        ms += 1;
        ns = 0;
      }
      return `${ms}${String(ns).padStart(6, '0')}`;
    },
    get highWaterMs() {
      return ms;
    },
  };
}
