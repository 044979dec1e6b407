import type { ArrivalClock, Clock } from '../contracts.ts';

const NS_PER_MS = 1_000_000;

/**
 * An arrival clock that goes on above `highWaterMs`, the mark of an earlier run.
 *
 * Within one millisecond the last six digits count, so readings of one burst keep their order and each has a time of
 * its own. While the wall clock stands behind the mark (it was set back), time goes on from the mark nanosecond by
 * nanosecond until the wall clock has caught up. Strings, because 2⁵³ ns is in 1970.
 */
export function createArrivalClock(clock: Pick<Clock, 'nowMs'>, highWaterMs: number): ArrivalClock {
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
    isProvisional: false,
  };
}

/** Provisional times begin here, ms: so they have 17 digits with their ns, and a real time, by 2001, 19. */
const PROVISIONAL_FROM_MS = 1e10;

/** What an earlier run has handed out; see `Store`. */
export interface ArrivalMarks {
  readonly highWaterMs: number;
  readonly provisionalNs: string;
}

/** An arrival clock whose wall clock may not be set yet. */
export interface SettableArrivalClock extends ArrivalClock {
  /**
   * The wall clock is right from now on. Returns what makes provisional times real (ns, as digits); null where none was
   * handed out. Once only; to be called between two messages, never within one.
   */
  set(): string | null;
}

/**
 * Hands out provisional times until `set`: ns of uptime, above those of an earlier run that never got its time. How
 * long the machine was off in between cannot be known and counts as nothing, so those readings come to lie right
 * before the start of this run.
 */
export function createSettableArrivalClock(clock: Clock, marks: ArrivalMarks): SettableArrivalClock {
  const startedMs = clock.monotonicMs();
  const fromMs = Math.max(PROVISIONAL_FROM_MS, Number(marks.provisionalNs.slice(0, -6)) + 1);
  const sinceStart = { nowMs: () => fromMs + (clock.monotonicMs() - startedMs) };
  const provisional = createArrivalClock(sinceStart, fromMs - 1);
  let real: ArrivalClock | null = null;
  return {
    nextNs: () => (real ?? provisional).nextNs(),
    get highWaterMs() {
      return real?.highWaterMs ?? marks.highWaterMs;
    },
    get isProvisional() {
      return real === null;
    },
    set() {
      const { highWaterMs } = provisional;
      const baseMs = Math.trunc(clock.nowMs()) - Math.max(highWaterMs, Math.trunc(sinceStart.nowMs()));
      // No time is given twice, also where one of them was provisional.
      real ??= createArrivalClock(clock, Math.max(marks.highWaterMs, baseMs + highWaterMs));
      const isNone = marks.provisionalNs === '0' && highWaterMs < fromMs;
      return isNone ? null : `${baseMs}000000`;
    },
  };
}
