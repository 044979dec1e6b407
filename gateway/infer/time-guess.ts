import type { PropertyProfile } from './property-profile.ts';
import { type SeenReading, valueUnder } from './reading-values.ts';

/** How a reading's own time is written. */
export interface TimeGuess {
  readonly path: readonly string[];
  readonly unit: 's' | 'ms' | 'us' | 'iso';
  /** For texts without an offset; null where they have one. */
  readonly zone: string | null;
  /** Some were no time that could be: the moment of arrival is to be taken for those. */
  readonly hasWrongTimes: boolean;
  /** What is to be said of it. */
  readonly note: string | null;
}

const NAME =
  /^(?:time|ts|timestamp|time_?stamp|date_?time|t|last_?seen|measured_?at|sampled_?at|at|epoch|utc|unix(?:time)?|_timestamp)$/i;
const ISO = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?<offset>[Zz]|[+-]\d\d:?\d\d)?$/;
const YEAR_2001_S = 978_307_200;
const YEAR_2100_S = 4_102_444_800;
/** From a message to its arrival, and the clocks of both. */
const NEAR_MS = 10 * 60_000;
const QUARTER_MS = 15 * 60_000;
const DAY_MS = 86_400_000;
const WRONG_SHARE = 0.2;

interface Told {
  readonly topic: string;
  readonly ms: number;
  readonly atMs: number | null;
}

/**
 * The property that says when a reading was measured: it is called so, is a time, and moves with the arrival where that
 * is known; else it must at least not stand still. `zoneOf` names the zone of this machine where its offset is that.
 */
export function guessTime(
  leaves: readonly PropertyProfile[],
  readings: readonly SeenReading[],
  zoneOf: (offsetMs: number, atMs: number) => string | null,
): TimeGuess | null {
  for (const leaf of leaves) {
    if (!NAME.test(leaf.name) || leaf.path.length > 2) continue;
    const guess = isTextual(leaf) ? textTime(leaf, readings, zoneOf) : numberTime(leaf, readings);
    if (guess !== null) return guess;
  }
  return null;
}

/** In words, of a time without a zone that nothing tells: the moment of arrival counts until somebody says it. */
export function noteOnZonelessTime(leaves: readonly PropertyProfile[]): string | null {
  const leaf = leaves.find(
    ({ name, path, words }) =>
      NAME.test(name) &&
      path.length <= 2 &&
      words.size > 0 &&
      [...words].every((word) => ISO.test(word) && ISO.exec(word)?.groups?.offset === undefined),
  );
  return leaf === undefined
    ? null
    : `/${leaf.path.join('/')} is a time without a zone, and nothing here tells which is meant: the time of arrival counts, until "time" names it with its zone.`;
}

function isTextual({ integers, fractions, texts }: PropertyProfile): boolean {
  return texts > 0 && integers + fractions === 0;
}

function numberTime(leaf: PropertyProfile, readings: readonly SeenReading[]): TimeGuess | null {
  const numbers = readings.flatMap(({ topic, value, atMs }) => {
    const number = valueUnder(value, leaf.path);
    return typeof number === 'number' ? [{ topic, number, atMs }] : [];
  });
  if (numbers.length === 0 || numbers.length < leaf.texts) return null;
  for (const [unit, perSecond] of [
    ['s', 1],
    ['ms', 1e3],
    ['us', 1e6],
  ] as const) {
    const told = numbers
      .filter(({ number }) => number >= YEAR_2001_S * perSecond && number <= YEAR_2100_S * perSecond)
      .map(({ topic, number, atMs }) => ({ topic, ms: (number / perSecond) * 1000, atMs }));
    const wrong = numbers.length - told.length;
    if (told.length === 0 || wrong > numbers.length * WRONG_SHARE || !isMoving(told, 0)) continue;
    return { path: leaf.path, unit, zone: null, hasWrongTimes: wrong > 0, note: null };
  }
  return null;
}

function textTime(
  leaf: PropertyProfile,
  readings: readonly SeenReading[],
  zoneOf: (offsetMs: number, atMs: number) => string | null,
): TimeGuess | null {
  let hasOffset = true;
  let texts = 0;
  const told: Told[] = [];
  for (const { topic, value, atMs } of readings) {
    const text = valueUnder(value, leaf.path);
    if (typeof text !== 'string') continue;
    texts += 1;
    const match = ISO.exec(text);
    if (match === null) continue;
    const isLocal = match.groups?.offset === undefined;
    if (isLocal) hasOffset = false;
    const ms = Date.parse(text.replace(' ', 'T').replace(',', '.') + (isLocal ? 'Z' : ''));
    if (ms >= YEAR_2001_S * 1000 && ms <= YEAR_2100_S * 1000) told.push({ topic, ms, atMs });
  }
  const wrong = texts - told.length;
  if (told.length === 0 || wrong > texts * WRONG_SHARE) return null;
  const guess = { path: leaf.path, unit: 'iso', hasWrongTimes: wrong > 0 } as const;
  if (hasOffset) return isMoving(told, 0) ? { ...guess, zone: null, note: null } : null;
  // Without an offset, only the arrival tells which zone is meant.
  const live = told.filter(({ atMs }) => atMs !== null);
  const [first] = live;
  if (first === undefined || first.atMs === null) return null;
  const offsetMs = Math.round((first.ms - first.atMs) / QUARTER_MS) * QUARTER_MS;
  if (Math.abs(offsetMs) > DAY_MS * 0.6 || !isMoving(told, offsetMs)) return null;
  if (offsetMs === 0 && zoneOf(0, first.atMs) === null)
    return { ...guess, zone: 'UTC', note: `/${leaf.path.join('/')} says no zone; UTC fits its arrival.` };
  const zone = zoneOf(offsetMs, first.atMs) ?? offsetText(offsetMs);
  const note = `/${leaf.path.join('/')} says no zone; ${zone} fits its arrival. Check it: it is wrong by hours otherwise.`;
  return { ...guess, zone, note };
}

/** It follows the arrival; where that is not known, it does not stand still. */
function isMoving(told: readonly Told[], offsetMs: number): boolean {
  const live = told.flatMap(({ ms, atMs }) => (atMs === null ? [] : [Math.abs(ms - offsetMs - atMs)]));
  if (live.length > 0) return live.filter((far) => far <= NEAR_MS).length >= live.length * (1 - WRONG_SHARE);
  const byTopic = new Map<string, Set<number>>();
  for (const { topic, ms } of told) byTopic.set(topic, (byTopic.get(topic) ?? new Set()).add(ms));
  const repeated = [...byTopic.values()].filter((times) => times.size > 1).length;
  return repeated > 0 || byTopic.size === told.length;
}

function offsetText(offsetMs: number): string {
  const minutes = Math.abs(offsetMs) / 60_000;
  const pad = (n: number): string => String(n).padStart(2, '0');
  return `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
