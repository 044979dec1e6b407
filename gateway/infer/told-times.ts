export type NumberUnit = 's' | 'ms' | 'us' | 'ns';

/** How a reading's own time is written. */
export interface TimeGuess {
  readonly path: readonly string[];
  readonly unit: NumberUnit | 'iso';
  /** For texts without an offset; null where they have one. */
  readonly zone: string | null;
  /** Some were no time that could be: the moment of arrival is to be taken for those. */
  readonly hasWrongTimes: boolean;
  /** Numbers that came as text, all or some. */
  readonly asText: 'all' | 'some' | 'none';
}

/** What one property tells of the time. */
export interface TimeFinding {
  /** Null where it is none that could be used. */
  readonly time: TimeGuess | null;
  /** What is to be said of it; null: nothing. */
  readonly note: string | null;
  /** It comes in several forms: what one type would be declared for, others would be rejected by. */
  readonly isMixed?: boolean;
}

/** A value of a property, and the message that brought it. */
export interface ToldTime<T> {
  readonly topic: string;
  readonly value: T;
  readonly atMs: number | null;
}

/** A moment that a reading tells, and that of its arrival. */
export interface ToldMoment {
  readonly topic: string;
  readonly ms: number;
  readonly atMs: number | null;
}

/** From a message to its arrival, and the clocks of both. */
const NEAR_MS = 10 * 60_000;
/** The gateway takes an hour; clocks differ. */
const AHEAD_MS = 50 * 60_000;
/** So many may be wrong where the others are right. */
export const WRONG_SHARE = 0.2;
/** Clocks that are not set yet count from their start, and may do so for a while. */
export const UNSET_SHARE = 0.5;
/** What is seldom written in another way is an exception, not the rule. */
export const EXCEPTION_SHARE = 0.02;
const YEAR_S = 366 * 86_400;
export const YEAR_2001_S = 978_307_200;
export const YEAR_2100_S = 4_102_444_800;

const PER_SECOND = [1, 1e3, 1e6, 1e9] as const;

/** All lie within these, in one unit since 1970, and within a year or so. */
export function mayBeEpoch(smallest: number, largest: number): boolean {
  return PER_SECOND.some(
    (perSecond) =>
      smallest >= YEAR_2001_S * perSecond &&
      largest <= YEAR_2100_S * perSecond &&
      largest - smallest <= YEAR_S * perSecond,
  );
}

/** They follow the arrival; where that is not known, they do not stand still. */
export function isMoving(told: readonly ToldMoment[]): boolean {
  const live = told.flatMap(({ ms, atMs }) => (atMs === null ? [] : [Math.abs(ms - atMs)]));
  if (live.length > 0) return live.filter((far) => far <= NEAR_MS).length >= live.length * (1 - WRONG_SHARE);
  const byTopic = new Map<string, Set<number>>();
  for (const { topic, ms } of told) byTopic.set(topic, (byTopic.get(topic) ?? new Set()).add(ms));
  const repeated = [...byTopic.values()].filter((times) => times.size > 1).length;
  return repeated > 0 || byTopic.size === told.length;
}

/** Further ahead of the gateway's clock than a time may be that is trusted. */
export function isAhead({ ms, atMs }: ToldMoment): boolean {
  return atMs !== null && ms - atMs > AHEAD_MS;
}

/** In words, of the few that are none. */
export function wrongNote(pointer: string, wrong: number, all: number, example: unknown): string {
  return `${pointer} is no time that could be in ${wrong} of ${all} readings (${String(example).slice(0, 32)}), as of a clock that is not set yet: those get the time of arrival, and so does what is further than 5 minutes from it.`;
}
