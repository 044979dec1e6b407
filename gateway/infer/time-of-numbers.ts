import { standingNote } from './standing-note.ts';
import {
  isAhead,
  isMoving,
  type NumberUnit,
  type TimeFinding,
  type ToldTime,
  UNSET_SHARE,
  WRONG_SHARE,
  wrongNote,
  YEAR_2001_S,
  YEAR_2100_S,
} from './told-times.ts';

const PER_SECOND: readonly (readonly [NumberUnit, number])[] = [
  ['s', 1],
  ['ms', 1e3],
  ['us', 1e6],
  ['ns', 1e9],
];
const WORDS: Readonly<Record<NumberUnit, string>> = {
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
};

/** A time told by numbers, or by digits as texts. `isSure`: by its name it can be nothing but a time. */
export function numberTime(
  path: readonly string[],
  numbers: readonly ToldTime<number>[],
  digits: readonly ToldTime<string>[],
  isSure: boolean,
): TimeFinding {
  const pointer = `/${path.join('/')}`;
  const all = [...numbers, ...digits].map(({ topic, value, atMs }) => ({
    topic,
    number: Number(value),
    value,
    atMs,
  }));
  const none = (note: string | null): TimeFinding => ({ time: null, note });
  const byUnit = PER_SECOND.map(([unit, perSecond]) => {
    const isTime = (number: number): boolean =>
      number >= YEAR_2001_S * perSecond && number <= YEAR_2100_S * perSecond;
    return { unit, perSecond, isTime, count: all.filter(({ number }) => isTime(number)).length };
  }).sort((a, b) => b.count - a.count);
  const [best, second] = byUnit;
  if (best === undefined || best.count === 0)
    return none(
      isSure && all.length > 0
        ? `${pointer} is no time since 1970 (${all[0]?.value}): it is stored as a number, and the time of arrival counts.`
        : null,
    );
  const { unit, perSecond, isTime } = best;
  const wrong = all.filter(({ number }) => !isTime(number));
  const unset = wrong.filter(({ number }) => Math.abs(number) < YEAR_2001_S);
  if (second !== undefined && second.count > 0 && second.count > all.length * WRONG_SHARE)
    return none(
      `${pointer} counts ${WORDS[unit]} in some readings and ${WORDS[second.unit]} in others: the time of arrival counts. Two schemas, with topics of their own, can read both.`,
    );
  if (wrong.length - unset.length > all.length * WRONG_SHARE || unset.length > all.length * UNSET_SHARE)
    return none(
      `${pointer} is no time in ${wrong.length} of ${all.length} readings (${wrong[0]?.value}): the time of arrival counts.`,
    );
  const told = all
    .filter(({ number }) => isTime(number))
    .map(({ topic, number, value, atMs }) => ({ topic, value, ms: (number / perSecond) * 1000, atMs }));
  if (!isMoving(told)) return none(standingNote(path, unit, told));
  if (unit === 'ns' && numbers.length > 0)
    return none(
      `${pointer} counts nanoseconds, which do not fit a JSON number: the time of arrival counts. Have it sent in microseconds, or as a text of digits, declared as a string with "format": "int64" and the unit ns.`,
    );
  if (digits.length > 0 && numbers.some(({ value }) => !Number.isInteger(value)))
    return none(
      `${pointer} is a number with decimals in some readings and a text in others: the time of arrival counts.`,
    );
  const asText = digits.length === 0 ? 'none' : numbers.length === 0 ? 'all' : 'some';
  const bad = [...wrong, ...told.filter(isAhead)];
  return {
    time: { path, unit, zone: null, hasWrongTimes: bad.length > 0, asText },
    note: bad.length === 0 ? null : wrongNote(pointer, bad.length, all.length, bad[0]?.value),
  };
}
