import type { ClockState } from './device-clock-state.ts';

/**
 * Clocks that are not just ahead or behind: those that were never set, and numbers in another unit than declared. Both
 * are counted up by a reading that shows it and down, by a quarter, by one that does not: a device of which one schema
 * alone has the wrong unit is found, and one that was mended is forgiven after some twenty readings.
 */

/** Clocks that nobody set start at 1970, 1980 (GPS) or 2000 (clock chips), and none runs for a year like that. */
const FIRST_REAL_MS = Date.UTC(2001, 0, 1);
const MOST = 8;
const LEAK = 0.25;
export const FAULT_COUNT = 3;

const FACTORS = [1e3, 1e6, 1e-3, 1e-6] as const;
const DAY_MS = 86_400_000;
const OLDEST_BUFFERED_MS = 30 * DAY_MS;
const YEARS_MS = 20 * 365 * DAY_MS;
const AGREE_MS = 120_000;
const AGREE_SHARE = 0.1;

/** Takes in one own time. False: it is a fault, and says nothing of offset and drift. */
export function takeOwnTime(s: ClockState, sentUs: number, nowMs: number): boolean {
  const ownMs = sentUs / 1000;
  if (ownMs >= FIRST_REAL_MS && ownMs < nowMs + YEARS_MS) {
    if (s.noClock > 0) s.noClock = Math.max(0, s.noClock - LEAK);
    if (s.otherUnit > 0) s.otherUnit = Math.max(0, s.otherUnit - LEAK);
    return true;
  }
  const factor = otherUnitOf(ownMs, nowMs);
  if (factor !== 0 && fitsAgain(s, factor, sentUs, nowMs)) {
    s.otherUnit = Math.min(MOST, s.otherUnit + 1);
    return false;
  }
  if (ownMs >= FIRST_REAL_MS) return true;
  s.noClockFromMs = s.noClock === 0 ? ownMs : Math.min(s.noClockFromMs, ownMs);
  s.noClock = Math.min(MOST, s.noClock + 1);
  return false;
}

/** By what a number has to be multiplied to be about now; 0 where by nothing. */
function otherUnitOf(ownMs: number, nowMs: number): number {
  for (const factor of FACTORS) {
    const offsetMs = ownMs * factor - nowMs;
    if (offsetMs <= DAY_MS && offsetMs >= -OLDEST_BUFFERED_MS) return factor;
  }
  return 0;
}

/**
 * A clock that starts at 1970 has, after 20 days, a number that would be the present in another unit, for an hour; but
 * read like that, it would run a thousand times too fast.
 */
function fitsAgain(s: ClockState, factor: number, sentUs: number, nowMs: number): boolean {
  const offsetMs = (sentUs / 1000) * factor - nowMs;
  const passedMs = Math.max(0, nowMs - s.unitAtMs);
  const isFirst = s.unitFactor !== factor;
  const moved = Math.abs(offsetMs - s.unitOffsetMs);
  s.unitFactor = factor;
  s.unitOffsetMs = offsetMs;
  s.unitAtMs = nowMs;
  // Beyond 2^53 a number is rounded, by at most 128.
  const isWhole = Math.abs(sentUs - Math.round(sentUs / 1e6) * 1e6) <= 128;
  s.unitWholeSeconds = isWhole && (isFirst || s.unitWholeSeconds === 1) ? 1 : 0;
  return isFirst || moved <= AGREE_MS + AGREE_SHARE * passedMs;
}
