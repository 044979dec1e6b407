import {
  EXCEPTION_SHARE,
  isAhead,
  isMoving,
  standingNote,
  type TimeFinding,
  type ToldMoment,
  type ToldTime,
  UNSET_SHARE,
  wrongNote,
  YEAR_2001_S,
  YEAR_2100_S,
} from './told-times.ts';

const ISO = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?<offset>[Zz]|[+-]\d\d:?\d\d)?$/;
const QUARTER_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

/** A time told by texts. */
export function textTime(
  path: readonly string[],
  texts: readonly ToldTime<string>[],
  zoneOf: (offsetMs: number, atMs: number) => string | null,
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
  if (others.length > texts.length * EXCEPTION_SHARE)
    return none(
      /\d/.test(other) || told.length > 0
        ? `${pointer} is no time like 2026-03-01T12:00:00Z in ${others.length} of ${texts.length} readings ("${other}"): it is stored as a text, and the time of arrival counts.`
        : null,
    );
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
  if (hasOffset) return isMoving(told) ? guessed(null, 0, '') : none(standingNote(pointer));
  // Without an offset, only the arrival tells which zone is meant.
  const first = told.find(({ atMs, isLocal }) => isLocal && atMs !== null);
  const unknown = `${pointer} is a time without a zone, and nothing here tells which is meant: the time of arrival counts, until "time" names it with its zone.`;
  if (first === undefined || first.atMs === null) return none(unknown);
  const offsetMs = Math.round((first.ms - first.atMs) / QUARTER_MS) * QUARTER_MS;
  if (Math.abs(offsetMs) > DAY_MS * 0.6 || !isMoving(inZone(offsetMs))) return none(unknown);
  if (offsetMs === 0 && zoneOf(0, first.atMs) === null)
    return guessed('UTC', 0, `${pointer} says no zone; UTC fits its arrival.`);
  const zone = zoneOf(offsetMs, first.atMs) ?? offsetText(offsetMs);
  const words = `${pointer} says no zone; ${zone} fits its arrival. Check it: it is wrong by hours otherwise.`;
  return guessed(zone, offsetMs, words);
}

function offsetText(offsetMs: number): string {
  const minutes = Math.abs(offsetMs) / 60_000;
  const pad = (n: number): string => String(n).padStart(2, '0');
  return `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
