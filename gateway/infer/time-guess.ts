import { isAbsence, type PropertyProfile } from './property-profile.ts';
import { type SeenReading, valueUnder } from './reading-values.ts';
import { numberTime } from './time-of-numbers.ts';
import { textTime } from './time-of-texts.ts';
import {
  EXCEPTION_SHARE,
  type TimeFinding,
  type TimeGuess,
  type ToldTime,
  YEAR_2001_S,
} from './told-times.ts';

const NAME =
  /^(?:(?:time|ts|timestamp|time_?stamp|epoch|unix(?:time)?)(?:_?(?:ms|us|ns|utc))?|date_?time|t|last_?seen|measured_?at|sampled_?at|at|utc|_timestamp|zeit(?:stempel)?)$/i;
/** When a network got it: taken where nothing says when it was measured. */
const RECEIVED = /^received_?at$/i;
/** Names of other things too: what they hold is passed over without a word, where it is no time. */
const AMBIGUOUS = /^(?:t|at|utc|time)$/i;
const MAX_DEPTH = 2;
const MAX_NOTES = 3;

export interface TimeFindings {
  readonly time: TimeGuess | null;
  /** Properties that hold times in several forms: they are neither taken for the time nor stored. */
  readonly mixed: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/**
 * The property that says when a reading was measured: it is called so, is a time, and moves with the arrival where that
 * is known; else it must at least not stand still. Where one looks like it and is not taken, the notes say why. `zoneOf`
 * names the zone of this machine where its offset is that.
 */
export function guessTime(
  leaves: readonly PropertyProfile[],
  readings: readonly SeenReading[],
  zoneOf: (offsetMs: number, atMs: number) => string | null,
): TimeFindings {
  const rank = ({ path, name, seen }: PropertyProfile): number[] => [
    RECEIVED.test(name) ? 1 : 0,
    -seen,
    path.length,
  ];
  const found = leaves
    .filter(({ name, path }) => (NAME.test(name) || RECEIVED.test(name)) && path.length <= MAX_DEPTH)
    .sort((a, b) => inOrder(rank(a), rank(b)))
    .map((leaf) => ({ leaf, ...findingOf(leaf, readings, zoneOf) }));
  const mixed = found.flatMap(({ leaf, isMixed }) => (isMixed === true ? [leaf.path] : []));
  const best = found.find(({ time }) => time !== null);
  if (best === undefined)
    return { time: null, mixed, notes: found.flatMap(({ note }) => note ?? []).slice(0, MAX_NOTES) };
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

function findingOf(
  leaf: PropertyProfile,
  readings: readonly SeenReading[],
  zoneOf: (offsetMs: number, atMs: number) => string | null,
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
    if (!isTime && (odd > 0 || AMBIGUOUS.test(leaf.name))) return { time: null, note: null };
    return {
      time: null,
      isMixed: true,
      note: `${pointerOf(leaf)} is a number in some readings and ${odd > 0 ? 'something else' : 'a text'} in others: it is left out, and the time of arrival counts. Two schemas, with topics of their own, can read both.`,
    };
  }
  if (numeric > texts.length) return numberTime(leaf.path, numbers, digits, !AMBIGUOUS.test(leaf.name));
  return texts.length > 0 ? textTime(leaf.path, texts, zoneOf) : { time: null, note: null };
}
