import { byteAt, found, undecodable } from './payload-text.ts';
import { numberOf } from './text-values.ts';

const REMEDY = 'the sentence was damaged on its way, or the receiver writes its own kind';
const TIME = /^(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?$/;
const DATE = /^(\d\d)(\d\d)(\d\d)$/;
/** Two digits of a year: from here on they are of the last century. GPS began in 1980. */
const FIRST_YEAR = 80;

/** The fields of a sentence, from 1 on as the standard counts them. An empty one is null. Positions in errors are bytes. */
export class NmeaFields {
  private readonly list: string;
  private readonly base: number;
  private readonly fields: readonly string[];

  /** `list` begins with the comma in front of the first field, `base` bytes behind the sentence's beginning. */
  constructor(list: string, base: number) {
    this.list = list;
    this.base = base;
    this.fields = list.split(',');
  }

  text(field: number): string {
    return this.fields[field] ?? '';
  }

  number(field: number): number | null {
    const text = this.text(field);
    return text === '' ? null : (numberOf(text) ?? this.fail(field, 'a number'));
  }

  /** `ddmm.mmmm` and its hemisphere in the next field, as signed degrees. */
  angle(field: number, degreeDigits: number, max: number, plus: string, minus: string): number | null {
    const text = this.text(field);
    if (text === '') return null;
    const degrees = numberOf(text.slice(0, degreeDigits));
    const minutes = numberOf(text.slice(degreeDigits));
    const isRight =
      /^\d+(?:\.\d*)?$/.test(text) &&
      degrees !== null &&
      minutes !== null &&
      minutes < 60 &&
      /^\d\d/.test(text.slice(degreeDigits));
    if (!isRight) return this.fail(field, `degrees and minutes like ${'d'.repeat(degreeDigits)}mm.mmmm`);
    // A tenth of a millionth of a degree is a centimetre: finer digits are noise of the division.
    const angle = Math.round((degrees + minutes / 60) * 1e7) / 1e7;
    if (angle > max) return this.fail(field, `at most ${max} degrees`);
    const side = this.text(field + 1);
    if (side !== plus && side !== minus) return this.fail(field + 1, `${plus} or ${minus}`);
    return side === plus || angle === 0 ? angle : -angle;
  }

  /** ms since 1970; null where date or time are empty. */
  dateTime(dateField: number, timeField: number): number | null {
    if (this.text(dateField) === '' || this.text(timeField) === '') return null;
    const [, day = '', month = '', year = ''] =
      DATE.exec(this.text(dateField)) ?? this.fail(dateField, 'a date like ddmmyy');
    const [, hour = '', minute = '', second = '', fraction = ''] =
      TIME.exec(this.text(timeField)) ?? this.fail(timeField, 'a time like hhmmss.ss');
    const century = Number(year) >= FIRST_YEAR ? 1900 : 2000;
    const midnight = new Date(Date.UTC(century + Number(year), Number(month) - 1, Number(day)));
    if (midnight.getUTCDate() !== Number(day) || midnight.getUTCMonth() !== Number(month) - 1)
      return this.fail(dateField, 'a date that exists');
    // 60: a leap second.
    if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60)
      return this.fail(timeField, 'a time that exists');
    const ms = Math.floor(Number(`0.${fraction || '0'}`) * 1000);
    return midnight.getTime() + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + ms;
  }

  private fail(field: number, expected: string): never {
    let at = 0;
    for (let i = 0; i < field && at < this.list.length; i += 1) at += (this.fields[i] ?? '').length + 1;
    const place = byteAt(`${' '.repeat(this.base)}${this.list}`, this.base + at);
    throw undecodable(`expected ${expected} at ${place}, found ${found(this.list, at)}; ${REMEDY}`);
  }
}
