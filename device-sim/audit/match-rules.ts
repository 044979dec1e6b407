import type { SentReading } from './spilled.ts';

const MS_NS = 1_000_000n;

export interface MatchRules {
  /** By how much the clocks of sender and gateway may differ. */
  readonly slackNs: bigint;
  /** By how much a stored own time may differ: the gateway corrects clocks. 0: not at all. */
  readonly clockToleranceNs: bigint;
  readonly resolutionNs: bigint;
  /** From when on, and until when, something was said or answered. */
  readonly runFromNs: bigint;
  readonly runToNs: bigint;
  readonly tellsFields: boolean;
  /** Rejections were looked at. */
  readonly knowsRejected: boolean;
  /** Carried over at most; then they are judged as they are. */
  readonly mostCarried: number;
}

/**
 * Where the row of a reading may lie in time. Only an acknowledgement that promises something ends it: what a transport
 * without one let go, or gave up, may still be on its way.
 */
export function arrivalInterval(
  { expected, saidNs, answeredNs, acknowledged, promised }: SentReading,
  slackNs: bigint,
  toleranceNs: bigint,
  resolutionNs: bigint,
): readonly [fromNs: bigint, toNs: bigint | null] {
  const ownNs = expected?.timeNs ?? null;
  if (ownNs !== null) return [ownNs - toleranceNs, ownNs + toleranceNs];
  const ageNs = expected?.ageNs ?? 0n;
  const hasEnd = answeredNs !== null && acknowledged && promised;
  return [floor(saidNs - ageNs - slackNs, resolutionNs), hasEnd ? answeredNs - ageNs + slackNs : null];
}

/** With the slack. Rows beside it may be those of another run, which said the same. */
export function isWithinRun(timeNs: bigint, { runFromNs, runToNs, slackNs }: MatchRules): boolean {
  return timeNs >= runFromNs - slackNs && timeNs <= runToNs + slackNs;
}

/** Where the rejection of a reading may lie in time: it has that of its arrival, in ms, whatever time the reading had. */
export function rejectionInterval(
  reading: SentReading,
  slackNs: bigint,
): readonly [fromNs: bigint, toNs: bigint | null] {
  return arrivalInterval({ ...reading, expected: null }, slackNs, 0n, MS_NS);
}

export function floor(ns: bigint, step: bigint): bigint {
  const rest = ns % step;
  return rest < 0n ? ns - rest - step : ns - rest;
}

export function nsOfMs(ms: number): bigint {
  return BigInt(Math.floor(ms)) * MS_NS;
}
