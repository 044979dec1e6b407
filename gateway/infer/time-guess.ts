import { isAbsence, type PropertyProfile } from './property-profile.ts';
import { typeOfProperty } from './property-type.ts';
import { type SeenReading, valueUnder } from './reading-values.ts';
import { type TimeName, timeName } from './time-names.ts';
import { numberTime } from './time-of-numbers.ts';
import { isIsoTime, textTime } from './time-of-texts.ts';
import { timePartText } from './time-part.ts';
import {
  EXCEPTION_SHARE,
  mayBeEpoch,
  type TimeFinding,
  type TimeGuess,
  type ToldTime,
  YEAR_2001_S,
} from './told-times.ts';

/** Names deeper than this are those of parts of a device, and below two levels only the arrival shows which is meant. */
const MAX_DEPTH = 3;
const SURE_DEPTH = 2;
const MAX_NOTES = 3;
/** So many that are called so are looked at, and so many that are not. */
const MAX_NAMED = 20;
const MAX_UNNAMED = 10;
/** Fewer may have come by chance at the time they tell. */
const LEAST_TO_FOLLOW = 3;

export interface TimeFindings {
  readonly time: TimeGuess | null;
  /** Properties that hold times in several forms: they are neither taken for the time nor stored. */
  readonly mixed: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

type ZoneOf = (offsetMs: number, atMs: number) => string | null;

interface Named {
  readonly leaf: PropertyProfile;
  readonly called: TimeName;
}

/**
 * The property that says when a reading was measured: it is called so, is a time, and moves with the arrival where that
 * is known; else it must at least not stand still. Where one looks like it and is not taken, the notes say why; where none
 * is, they name what follows the arrival under another name. `zoneOf` names the zone of this machine where its offset is
 * that.
 */
export function guessTime(
  leaves: readonly PropertyProfile[],
  readings: readonly SeenReading[],
  zoneOf: ZoneOf,
): TimeFindings {
  const isLive = readings.some(({ atMs }) => atMs !== null);
  const found = leaves
    .flatMap((leaf): Named[] => {
      const called = leaf.path.length > MAX_DEPTH ? null : timeName(leaf.name);
      return called === null ? [] : [{ leaf, called }];
    })
    .sort((a, b) => inOrder(rankOf(a), rankOf(b)))
    .slice(0, MAX_NAMED)
    .map((named) => ({ leaf: named.leaf, ...believed(named, readings, zoneOf, isLive) }));
  const mixed = found.flatMap(({ leaf, isMixed }) => (isMixed === true ? [leaf.path] : []));
  const best = found.find(({ time }) => time !== null);
  if (best === undefined) {
    const looked = new Set(found.map(({ leaf }) => leaf));
    // Alone, it is the value.
    const isBeside = isLive && leaves.length > 1;
    const others = isBeside
      ? leaves.filter((leaf) => !looked.has(leaf) && mayBeTime(leaf)).slice(0, MAX_UNNAMED)
      : [];
    const notes = [
      ...found.flatMap(({ note }) => note ?? []),
      ...others.flatMap((leaf) => noteOnUnnamed(leaf, readings, zoneOf) ?? []),
    ];
    return { time: null, mixed, notes: notes.slice(0, MAX_NOTES) };
  }
  const without = readings.length - best.leaf.seen;
  const elsewhere = found.find(
    ({ leaf, time }) => time !== null && leaf.seen > 0 && !cameTogether(best.leaf, leaf, readings),
  );
  return {
    time: best.time,
    mixed,
    notes: [
      ...(best.note === null ? [] : [best.note]),
      ...(without > 0 && elsewhere !== undefined
        ? [
            `The time is in ${pointerOf(best.leaf)} of some readings, and in ${pointerOf(elsewhere.leaf)} of others: those get the time of arrival. Two schemas, with topics of their own, can read both.`,
          ]
        : []),
    ],
  };
}

function rankOf({ leaf: { path, seen }, called: { rank, isWeak } }: Named): number[] {
  return [
    path.length > SURE_DEPTH ? 1 : 0,
    rank === 2 ? 1 : 0,
    isWeak ? 1 : 0,
    -seen,
    rank === 1 ? 1 : 0,
    path.length,
  ];
}

function inOrder(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) if (value !== b[i]) return value - (b[i] ?? 0);
  return 0;
}

function pointerOf({ path }: Pick<PropertyProfile, 'path'>): string {
  return `/${path.join('/')}`;
}

/** Some reading has both. */
function cameTogether(a: PropertyProfile, b: PropertyProfile, readings: readonly SeenReading[]): boolean {
  return readings.some(
    ({ value }) => valueUnder(value, a.path) !== undefined && valueUnder(value, b.path) !== undefined,
  );
}

/** What is rather something else by its name, its place or its unit is a time only where the arrival shows it. */
function believed(
  { leaf, called }: Named,
  readings: readonly SeenReading[],
  zoneOf: ZoneOf,
  isLive: boolean,
): TimeFinding {
  const finding = findingOf(leaf, called.isAmbiguous, readings, zoneOf);
  const { time } = finding;
  if (isLive || time === null) return finding;
  const isDeep = leaf.path.length > SURE_DEPTH;
  const isOtherUnit = called.unit !== null && time.unit !== 'iso' && time.unit !== called.unit;
  if (!called.isWeak && !isDeep && !isOtherUnit) return finding;
  return {
    time: null,
    note: `${pointerOf(leaf)} may be the time; without arrivals nothing shows it, and the time of arrival counts. If it is, say ${timePartText(time)}.`,
  };
}

function mayBeTime({ path, seen, ...leaf }: PropertyProfile): boolean {
  if (path.length > MAX_DEPTH || seen < LEAST_TO_FOLLOW) return false;
  if (leaf.integers + leaf.fractions === seen - leaf.nulls) return mayBeEpoch(leaf.smallest, leaf.largest);
  const [first = ''] = leaf.words;
  return leaf.texts > 0 && isIsoTime(first);
}

/** In words that something follows the arrival as the time of a reading does, and is not called so. */
function noteOnUnnamed(
  leaf: PropertyProfile,
  readings: readonly SeenReading[],
  zoneOf: ZoneOf,
): string | null {
  const live = readings.filter(({ atMs }) => atMs !== null);
  const { time } = findingOf(leaf, true, live, zoneOf);
  const told = live.flatMap(({ topic, value }) => {
    const moment = valueUnder(value, leaf.path) ?? null;
    return moment === null ? [] : [`${topic} ${moment}`];
  });
  if (time === null || told.length < LEAST_TO_FOLLOW || new Set(told).size * 2 <= told.length) return null;
  return `${pointerOf(leaf)} follows the arrival as a time does, and its name does not say of what: the time of arrival counts. If it is when a reading was measured, say ${timePartText(time)}.`;
}

function findingOf(
  leaf: PropertyProfile,
  isAmbiguous: boolean,
  readings: readonly SeenReading[],
  zoneOf: ZoneOf,
): TimeFinding {
  const numbers: ToldTime<number>[] = [];
  const digits: ToldTime<string>[] = [];
  const texts: ToldTime<string>[] = [];
  for (const { topic, value: reading, atMs } of readings) {
    const value = valueUnder(reading, leaf.path);
    if (typeof value === 'number') numbers.push({ topic, value, atMs });
    else if (typeof value !== 'string' || isAbsence(value)) continue;
    else if (/^-?\d{1,19}$/.test(value)) digits.push({ topic, value, atMs });
    else texts.push({ topic, value, atMs });
  }
  const numeric = numbers.length + digits.length;
  const odd = leaf.booleans + leaf.objects + leaf.others;
  const allowed = (numeric + texts.length) * EXCEPTION_SHARE;
  if (odd > 0 || (numeric > allowed && texts.length > allowed)) {
    const isTime =
      [...numbers, ...digits].some(({ value }) => Number(value) >= YEAR_2001_S) ||
      (numbers.length > 0 && texts.some(({ value }) => /\d/.test(value)));
    if (!isTime && (odd > 0 || isAmbiguous)) return { time: null, note: null };
    return {
      time: null,
      isMixed: true,
      note: `${pointerOf(leaf)} is a number in some readings and ${odd > 0 ? 'something else' : 'a text'} in others: it is left out, and the time of arrival counts. Two schemas, with topics of their own, can read both.`,
    };
  }
  if (numeric > texts.length) return numberTime(leaf.path, numbers, digits, !isAmbiguous);
  return texts.length > 0 ? textTime(leaf.path, texts, zoneOf, storedAs(leaf)) : { time: null, note: null };
}

function storedAs(leaf: PropertyProfile): string {
  const { kind } = typeOfProperty(leaf);
  if (kind === 'none' || kind === 'object') return 'It is left out';
  return `It is stored as a ${kind === 'string' ? 'text' : kind}`;
}
