import { standingNote } from './standing-note.ts';
import {
  EXCEPTION_SHARE,
  isAhead,
  isMoving,
  type TimeFinding,
  type ToldMoment,
  type ToldTime,
  UNSET_SHARE,
  wrongNote,
  YEAR_2001_S,
  YEAR_2100_S,
} from './told-times.ts';
import { fixedZoneNote, zoneShown } from './zone-of-arrival.ts';

const ISO = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?<offset>[Zz]|[+-]\d\d:?\d\d)?$/;
const DECIMALS = /^-?\d{1,19}\.\d*$/;

/** It is written like a time. */
export function isIsoTime(text: string): boolean {
  return ISO.test(text);
}

/** A time told by texts. `storedAs`: what becomes of them where they are not taken for the time. */
export function textTime(
  path: readonly string[],
  texts: readonly ToldTime<string>[],
  zoneOf: (offsetMs: number, atMs: number) => string | null,
  storedAs: string,
): TimeFinding {
  const pointer = `/${path.join('/')}`;
  const none = (note: string | null): TimeFinding => ({ time: null, note });
  let hasOffset = true;
  const told: (ToldMoment & { readonly value: string; readonly isLocal: boolean })[] = [];
  /** They are a time, and one that cannot be. */
  const wrong: string[] = [];
  const others: string[] = [];
  for (const { topic, value, atMs } of texts) {
    const match = ISO.exec(value);
    const isLocal = match?.groups?.offset === undefined;
    const ms =
      match === null
        ? Number.NaN
        : Date.parse(value.replace(' ', 'T').replace(',', '.') + (isLocal ? 'Z' : ''));
    if (match !== null && isLocal) hasOffset = false;
    if (ms >= YEAR_2001_S * 1000 && ms <= YEAR_2100_S * 1000) told.push({ topic, value, ms, atMs, isLocal });
    else (Number.isNaN(ms) ? others : wrong).push(value);
  }
  const example = wrong[0]?.slice(0, 32) ?? '';
  const other = others[0]?.slice(0, 32) ?? '';
  // What cannot be read as a time would be rejected, whatever is done about a wrong clock.
  if (others.length > texts.length * EXCEPTION_SHARE) {
    const stored = `${storedAs}, and the time of arrival counts.`;
    if (others.length === texts.length && others.every((text) => DECIMALS.test(text)))
      return none(
        Number(other) >= YEAR_2001_S
          ? `${pointer} is a time that no "time" of a schema reads: a number with decimals in a text ("${other}"). ${stored} Have it sent as a number, or without decimals.`
          : null,
      );
    return none(
      /\d/.test(other) || told.length > 0
        ? `${pointer} is no time like 2026-03-01T12:00:00Z in ${others.length} of ${texts.length} readings ("${other}"). ${stored}`
        : null,
    );
  }
  if (told.length === 0 || wrong.length > texts.length * UNSET_SHARE)
    return none(
      `${pointer} is no time that could be in ${wrong.length} of ${texts.length} readings ("${example}"): the time of arrival counts.`,
    );
  const inZone = (offsetMs: number): typeof told =>
    told.map((each) => ({ ...each, ms: each.ms - (each.isLocal ? offsetMs : 0) }));
  const guessed = (zone: string | null, offsetMs: number, words: string): TimeFinding => {
    const bad = [
      ...wrong,
      ...inZone(offsetMs)
        .filter(isAhead)
        .map(({ value }) => value),
    ];
    const badWords = bad.length === 0 ? '' : wrongNote(pointer, bad.length, texts.length, bad[0]);
    return {
      time: { path, unit: 'iso', hasWrongTimes: bad.length > 0, asText: 'none', zone },
      note: `${words} ${badWords}`.trim() || null,
    };
  };
  if (hasOffset) return isMoving(told) ? guessed(null, 0, '') : none(standingNote(path, 'iso', told));
  // Without an offset, only the arrival tells which zone is meant.
  const local = told.filter(({ isLocal }) => isLocal);
  const counts = `the time of arrival counts, until "time" names it with its zone.`;
  if (local.every(({ atMs }) => atMs === null))
    return none(`${pointer} is a time without a zone, and nothing here tells which is meant: ${counts}`);
  const shown = zoneShown(local, zoneOf);
  if (shown === null || !isMoving(inZone(shown.offsetMs)))
    return none(
      `${pointer} is a time without a zone, and its arrival shows none: no zone of the world would have them arrive within minutes. ${counts.charAt(0).toUpperCase()}${counts.slice(1)}`,
    );
  return guessed(shown.zone, shown.offsetMs, `${pointer} says no zone; ${fixedZoneNote(shown)}`);
}
