/**
 * What is measured of one device's clock, while it is worked on. It lives as flat numbers in `ClockPages`; this is the
 * form in which the rules read and change it. All times are ms; `offset` is own time less arrival.
 */
export interface ClockState {
  /** Own times seen. */
  readings: number;
  /** Readings before 2001, leaking away with good ones; and the earliest time they named. */
  noClock: number;
  noClockFromMs: number;
  /** Readings whose number fits the present in another unit; what it has to be multiplied by, and how it fitted last. */
  otherUnit: number;
  unitFactor: number;
  unitOffsetMs: number;
  unitAtMs: number;
  /** Each of its numbers was one of whole declared seconds: only for the words. */
  unitWholeSeconds: number;

  /** The line: `lineOffsetMs` + `slope` × (t − `lineAtMs`). There is none while `hasLine` is 0. */
  hasLine: number;
  lineAtMs: number;
  lineOffsetMs: number;
  slope: number;
  /** The median slope over the points; the line takes it only once it stands out. */
  trend: number;
  /** The last reading that was near the line, and the mean step from one to the next. */
  nearAtMs: number;
  nearOffsetMs: number;
  roughnessMs: number;
  /** The window that is open: its freshest reading. */
  windowFromMs: number;
  windowMs: number;
  bestAtMs: number;
  bestOffsetMs: number;
  /** How many points of closed windows there are; the points themselves stay in the page. */
  points: number;

  /** Readings far from the line that agree among themselves. */
  otherCount: number;
  otherAtMs: number;
  otherOffsetMs: number;
  otherLastMs: number;

  jumps: number;
  /** The last one, and the last one away from a right time. */
  jumpedAtMs: number;
  jumpedByMs: number;
  strayedAtMs: number;
}

/** The freshest readings of the closed windows of one device, oldest first. */
export interface ClockPoints {
  atMs(i: number): number;
  offsetMs(i: number): number;
  set(i: number, atMs: number, offsetMs: number): void;
}

export const MAX_POINTS = 8;

export function freshClockState(): ClockState {
  return {
    readings: 0,
    noClock: 0,
    noClockFromMs: 0,
    otherUnit: 0,
    unitFactor: 0,
    unitOffsetMs: 0,
    unitAtMs: 0,
    unitWholeSeconds: 0,
    hasLine: 0,
    lineAtMs: 0,
    lineOffsetMs: 0,
    slope: 0,
    trend: 0,
    nearAtMs: 0,
    nearOffsetMs: 0,
    roughnessMs: 0,
    windowFromMs: 0,
    windowMs: 0,
    bestAtMs: 0,
    bestOffsetMs: 0,
    points: 0,
    otherCount: 0,
    otherAtMs: 0,
    otherOffsetMs: 0,
    otherLastMs: 0,
    jumps: 0,
    jumpedAtMs: 0,
    jumpedByMs: 0,
    strayedAtMs: 0,
  };
}
