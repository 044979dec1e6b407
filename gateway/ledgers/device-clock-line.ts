import { type ClockPoints, type ClockState, MAX_POINTS } from './device-clock-state.ts';

/**
 * Offset and drift of a device's clock, from single readings that may be late but never early.
 *
 * A reading that was buffered, or waited for the network, makes the clock look slow, and nothing makes it look fast. So
 * of each window only the freshest reading (the largest own time less arrival) counts, and the clock is a line over
 * these (Moon, Skelly and Towsley, "Estimation and removal of clock skew from network delay measurements", 1999). Its
 * slope is the median of the slopes between any two of them (Sen, 1968), which up to a quarter of bad windows do not
 * touch, and it lies on the highest. Windows begin at a minute and double up to 15 while the line holds; eight are kept.
 *
 * A reading far from the line starts a count of those that agree with it. Far ahead cannot be explained by a delay:
 * three make a jump. Far behind is a buffer that is sent, where own time runs faster than arrival, or a clock that was
 * set back, where both run alike: five over two minutes, whose distance grows by less than a tenth, make a jump.
 */

const MIN_WINDOW_MS = 60_000;
const MAX_WINDOW_MS = 900_000;
/** The least jump. */
export const JUMP_MS = 60_000;
/** Of the time since its last reading a clock may have gone astray by so much: before, and after its drift is known. */
const STRAY_UNKNOWN = 0.04;
const STRAY_KNOWN = 0.005;
const POINTS_FOR_DRIFT = 5;
/** No clock runs faster or slower by more than this. */
const MAX_DRIFT = 0.1;
/**
 * A slope counts where from one point to another (the median distance) it comes to this much, to twice the points'
 * scatter, and to four times the mean step from one reading to the next, which is a third of the delays where these are
 * evenly spread.
 */
const LEAST_RISE_MS = 1_000;
const SCATTERS = 2;
const STEPS = 4;
/** The mean step is over about so many readings. */
const ROUGHNESS_READINGS = 16;

/** Readings agree within this, and this much of the time between them. */
const AGREE_MS = 5_000;
const AGREE_SHARE = 0.04;
/** After a silence of so many times their mean distance, and a minute, they count anew: it may be another buffer. */
const SILENCE = 4;
const AHEAD_COUNT = 3;
const BEHIND_COUNT = 5;
const BEHIND_LASTING_MS = 120_000;

/** What is taken for right: delays only ever make a clock look slow. */
export const GOOD_AHEAD_MS = 5_000;
export const GOOD_BEHIND_MS = 30_000;

export function offsetAt(s: ClockState, atMs: number): number {
  return s.lineOffsetMs + s.slope * (atMs - s.lineAtMs);
}

export function isGood(offsetMs: number): boolean {
  return offsetMs <= GOOD_AHEAD_MS && offsetMs >= -GOOD_BEHIND_MS;
}

/** Takes in one reading. */
export function takeOffset(s: ClockState, points: ClockPoints, atMs: number, offsetMs: number): void {
  if (s.hasLine === 0) {
    if (agrees(s, atMs, offsetMs, offsetMs >= -GOOD_BEHIND_MS)) beginLine(s, atMs, offsetMs);
    return;
  }
  const strayed = offsetMs - offsetAt(s, atMs);
  if (Math.abs(strayed) <= toleranceMs(s, atMs)) {
    takeNear(s, points, atMs, offsetMs);
  } else if (agrees(s, atMs, offsetMs, strayed > 0)) {
    const wasGood = isGood(offsetMs - strayed);
    beginLine(s, atMs, offsetMs);
    s.jumps += 1;
    s.jumpedAtMs = atMs;
    s.jumpedByMs = strayed;
    // A clock that was wrong and is set right has not gone astray.
    if (wasGood || !isGood(offsetMs)) s.strayedAtMs = atMs;
  }
}

/** The line may no longer hold: what came last agrees with itself, and not with it. */
export function isInDoubt(s: ClockState): boolean {
  if (s.hasLine === 0 || s.otherCount === 0) return false;
  const isAhead = s.otherOffsetMs > offsetAt(s, s.otherAtMs);
  return isAhead || (s.otherCount >= 3 && s.otherLastMs - s.otherAtMs >= BEHIND_LASTING_MS / 2);
}

function toleranceMs(s: ClockState, atMs: number): number {
  const quietMs = Math.max(0, atMs - s.nearAtMs);
  return JUMP_MS + quietMs * (s.points >= POINTS_FOR_DRIFT ? STRAY_KNOWN : STRAY_UNKNOWN);
}

function beginLine(s: ClockState, atMs: number, offsetMs: number): void {
  s.hasLine = 1;
  s.lineAtMs = atMs;
  s.lineOffsetMs = offsetMs;
  s.slope = 0;
  s.trend = 0;
  s.nearAtMs = atMs;
  s.nearOffsetMs = offsetMs;
  s.roughnessMs = AGREE_MS;
  s.windowFromMs = atMs;
  s.windowMs = MIN_WINDOW_MS;
  s.bestAtMs = atMs;
  s.bestOffsetMs = offsetMs;
  s.points = 0;
  s.otherCount = 0;
}

/** Counts readings that agree among themselves; whether they are enough. */
function agrees(s: ClockState, atMs: number, offsetMs: number, isAhead: boolean): boolean {
  const passedMs = Math.max(0, atMs - s.otherAtMs);
  const allowedMs = AGREE_MS + AGREE_SHARE * passedMs;
  const difference = offsetMs - s.otherOffsetMs;
  // Much later than those before it: what was taken for a clock was the end of a buffer, and here is the next.
  const isOther = difference > allowedMs || difference < -allowedMs - JUMP_MS;
  const isAnew = s.otherCount > 1 && atMs - s.otherLastMs > MIN_WINDOW_MS + SILENCE * meanStepMs(s);
  if (s.otherCount === 0 || isOther || isAnew) {
    s.otherCount = 1;
    s.otherAtMs = atMs;
    s.otherOffsetMs = offsetMs;
    s.otherLastMs = atMs;
    return false;
  }
  // A little later: it tells nothing.
  if (difference < -allowedMs) return false;
  s.otherCount += 1;
  s.otherLastMs = atMs;
  return isAhead
    ? s.otherCount >= AHEAD_COUNT
    : s.otherCount >= BEHIND_COUNT && passedMs >= BEHIND_LASTING_MS;
}

function meanStepMs(s: ClockState): number {
  return (s.otherLastMs - s.otherAtMs) / (s.otherCount - 1);
}

function takeNear(s: ClockState, points: ClockPoints, atMs: number, offsetMs: number): void {
  s.otherCount = 0;
  const step = Math.abs(offsetMs - s.nearOffsetMs - s.trend * (atMs - s.nearAtMs));
  s.roughnessMs += (step - s.roughnessMs) / ROUGHNESS_READINGS;
  s.nearAtMs = atMs;
  s.nearOffsetMs = offsetMs;
  if (atMs - s.windowFromMs >= s.windowMs) {
    closeWindow(s, points);
    s.windowFromMs = atMs;
    s.bestAtMs = atMs;
    s.bestOffsetMs = offsetMs;
  } else if (offsetMs - s.bestOffsetMs > s.slope * (atMs - s.bestAtMs)) {
    s.bestAtMs = atMs;
    s.bestOffsetMs = offsetMs;
  }
  s.lineOffsetMs += Math.max(0, offsetMs - offsetAt(s, atMs));
}

function closeWindow(s: ClockState, points: ClockPoints): void {
  if (s.points === MAX_POINTS) makeRoom(s, points);
  points.set(s.points, s.bestAtMs, s.bestOffsetMs);
  s.points += 1;
  layLine(s, points);
}

/** Of each two neighbours the fresher one stays, and windows get twice as long; at their longest the oldest goes. */
function makeRoom(s: ClockState, points: ClockPoints): void {
  if (s.windowMs >= MAX_WINDOW_MS) {
    for (let i = 1; i < s.points; i += 1) points.set(i - 1, points.atMs(i), points.offsetMs(i));
    s.points -= 1;
    return;
  }
  for (let i = 0; i < s.points; i += 2) {
    const rise = points.offsetMs(i + 1) - points.offsetMs(i);
    const kept = rise > s.slope * (points.atMs(i + 1) - points.atMs(i)) ? i + 1 : i;
    points.set(i / 2, points.atMs(kept), points.offsetMs(kept));
  }
  s.points /= 2;
  s.windowMs = Math.min(MAX_WINDOW_MS, 2 * s.windowMs);
}

const slopes = new Float64Array((MAX_POINTS * (MAX_POINTS - 1)) / 2);
const spans = new Float64Array(slopes.length);
/** The median distance of two points, of the last trend. */
let spanMs = 0;
const residuals = new Float64Array(MAX_POINTS);

function layLine(s: ClockState, points: ClockPoints): void {
  const last = s.points - 1;
  s.trend = s.points >= POINTS_FOR_DRIFT ? trendOf(s.points, points) : 0;
  s.slope = standsOut(s, points) ? s.trend : 0;
  s.lineAtMs = points.atMs(last);
  s.lineOffsetMs = points.offsetMs(last);
  for (let i = 0; i < last; i += 1)
    s.lineOffsetMs = Math.max(s.lineOffsetMs, points.offsetMs(i) - s.slope * (points.atMs(i) - s.lineAtMs));
}

/** The median slope between two points; 0 where no clock could be as wrong. */
function trendOf(count: number, points: ClockPoints): number {
  let pairs = 0;
  for (let i = 0; i < count; i += 1) {
    for (let j = i + 1; j < count; j += 1) {
      const passedMs = points.atMs(j) - points.atMs(i);
      if (passedMs <= 0) continue;
      slopes[pairs] = (points.offsetMs(j) - points.offsetMs(i)) / passedMs;
      spans[pairs] = passedMs;
      pairs += 1;
    }
  }
  spanMs = medianOf(spans, pairs);
  const trend = medianOf(slopes, pairs);
  return Math.abs(trend) <= MAX_DRIFT ? trend : 0;
}

function standsOut({ points: count, trend, roughnessMs }: ClockState, points: ClockPoints): boolean {
  if (trend === 0) return false;
  const fromMs = points.atMs(0);
  const rise = Math.abs(trend) * spanMs;
  if (rise < Math.max(LEAST_RISE_MS, STEPS * roughnessMs)) return false;
  for (let i = 0; i < count; i += 1) residuals[i] = points.offsetMs(i) - trend * (points.atMs(i) - fromMs);
  const middle = medianOf(residuals, count);
  for (let i = 0; i < count; i += 1) residuals[i] = Math.abs((residuals[i] ?? 0) - middle);
  return rise >= SCATTERS * medianOf(residuals, count);
}

/** Sorts the first `count` in place: there are at most 28. */
function medianOf(numbers: Float64Array, count: number): number {
  for (let i = 1; i < count; i += 1) {
    const number = numbers[i] ?? 0;
    let j = i - 1;
    for (; j >= 0 && (numbers[j] ?? 0) > number; j -= 1) numbers[j + 1] = numbers[j] ?? 0;
    numbers[j + 1] = number;
  }
  const half = count >> 1;
  return count % 2 === 1 ? (numbers[half] ?? 0) : ((numbers[half - 1] ?? 0) + (numbers[half] ?? 0)) / 2;
}
