/**
 * InfluxDB line protocol, version 1 and 2, as we write it: one line is one point, and what we write InfluxDB reads
 * back exactly. Text it would misread is refused, never altered. Measured on InfluxDB 1.6.7:
 *
 * - A backslash in a measurement, tag or key is an ordinary character, but it cannot be told from an escape where it
 *   stands before `,`, `=`, a space or the end (400, or another series with 204). Refused there, and before another
 *   backslash (version 3 folds the two).
 * - A measurement that begins with `#` is a comment: 204, and nothing is stored. Refused.
 * - An empty tag value is 400, an empty name too. Refused.
 * - A line break inside a quoted string is accepted and kept, but only there, and not by VictoriaMetrics; in a tag it
 *   begins another point. Refused everywhere, so that every line can be split, counted and sent again by its "\n".
 * - Other control characters are accepted. Refused in names and tags, where they only hide; kept in strings.
 * - Half a surrogate pair cannot be written in UTF-8 (it would become U+FFFD). Refused.
 */
import { GatewayError } from '../errors.ts';

/** What a field holds. Integers as decimal digits: 64 bits do not fit a number. */
export type FieldValue =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'integer'; readonly value: string }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean };

export interface LinePoint {
  readonly measurement: string;
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly fields: readonly (readonly [key: string, value: FieldValue])[];
  /** Nanoseconds since 1970-01-01 UTC, decimal digits; null: the server's clock decides. */
  readonly timestampNs: string | null;
}

const PLAIN_NAME = /^[\w.:/@%+#~()[\]{}<>|?!*;&^$'`"-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const AMBIGUOUS_BACKSLASH = /\\(?:[,= \\]|$)/;
const LONE_SURROGATE = /\p{Surrogate}/u;
const SPECIAL_IN_NAME = /[,= ]/g;
const SPECIAL_IN_MEASUREMENT = /[, ]/g;
const STRING_TROUBLE = /["\\\n\ud800-\udfff]/;
const SPECIAL_IN_STRING = /["\\]/g;
const INTEGER = /^-?(?:0|[1-9]\d{0,18})$/;
const INT64_MAX = '9223372036854775807';
const INT64_MIN_DIGITS = '9223372036854775808';

/** Why a measurement, tag key, tag value or field key cannot be written; null when it can. */
export function nameProblem(text: string): string | null {
  if (PLAIN_NAME.test(text)) return null;
  if (text === '') return 'must not be empty';
  if (CONTROL.test(text)) return 'must not contain control characters';
  if (AMBIGUOUS_BACKSLASH.test(text)) {
    return 'must not have a backslash at its end, or before a comma, an equals sign, a space or a backslash';
  }
  return LONE_SURROGATE.test(text) ? 'must be well-formed Unicode' : null;
}

/** As `nameProblem`, for a measurement. */
export function measurementProblem(text: string): string | null {
  return text.startsWith('#') ? 'must not begin with #, which begins a comment' : nameProblem(text);
}

/** Why a string field cannot be written; null when it can. */
export function stringProblem(text: string): string | null {
  if (!STRING_TROUBLE.test(text)) return null;
  if (text.includes('\n')) return 'must not contain a line break';
  return LONE_SURROGATE.test(text) ? 'must be well-formed Unicode' : null;
}

/** @throws GatewayError `line-protocol` by the rules above; so do all functions below. */
export function measurementToken(text: string): string {
  const problem = measurementProblem(text);
  if (problem !== null) throw refused('measurement', text, problem);
  return text.replace(SPECIAL_IN_MEASUREMENT, '\\$&');
}

export function tagKeyToken(text: string): string {
  return token(text, nameProblem(text), 'tag key');
}

export function tagValueToken(text: string): string {
  return token(text, nameProblem(text), 'tag value');
}

export function fieldKeyToken(text: string): string {
  return token(text, nameProblem(text), 'field key');
}

/** For tags and keys that `nameProblem` has passed. */
export function escapeName(text: string): string {
  return PLAIN_NAME.test(text) ? text : text.replace(SPECIAL_IN_NAME, '\\$&');
}

export function stringToken(text: string): string {
  if (!STRING_TROUBLE.test(text)) return `"${text}"`;
  const problem = stringProblem(text);
  if (problem !== null) throw refused('string field', text, problem);
  return `"${text.replace(SPECIAL_IN_STRING, '\\$&')}"`;
}

/** NaN and the infinities have no form in line protocol. */
export function floatToken(value: number): string {
  if (!Number.isFinite(value)) throw refused('float field', String(value), 'must be finite');
  return String(value);
}

/** A safe integer, or decimal digits within 64 bits. */
export function integerToken(value: number | string): string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) {
      throw refused('integer field', String(value), 'must be an integer within ±(2^53-1)');
    }
    return `${value}i`;
  }
  if (!isInt64(value)) throw refused('integer field', value, 'must be decimal digits within 64 bits');
  return `${value}i`;
}

/** Decimal digits without leading zeros, within ±2^63. */
export function isInt64(text: string): boolean {
  if (!INTEGER.test(text) || text === '-0') return false;
  const negative = text.startsWith('-');
  const digits = negative ? text.slice(1) : text;
  return digits.length < 19 || digits <= (negative ? INT64_MIN_DIGITS : INT64_MAX);
}

export function booleanToken(value: boolean): string {
  return value ? 'true' : 'false';
}

/** One line, ending in "\n", its tags sorted by key. */
export function encodeLine(point: LinePoint): string {
  const { measurement, tags, fields, timestampNs } = point;
  if (fields.length === 0) throw refused('point', measurement, 'must have a field');
  if (timestampNs !== null && !isInt64(timestampNs)) {
    throw refused('timestamp', timestampNs, 'must be decimal digits within 64 bits');
  }
  const series = [...tags]
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([key, value]) => `,${tagKeyToken(key)}=${tagValueToken(value)}`);
  const values = fields.map(([key, value]) => `${fieldKeyToken(key)}=${fieldToken(value)}`);
  const time = timestampNs === null ? '' : ` ${timestampNs}`;
  return `${measurementToken(measurement)}${series.join('')} ${values.join(',')}${time}\n`;
}

export function fieldToken(field: FieldValue): string {
  switch (field.type) {
    case 'float':
      return floatToken(field.value);
    case 'integer':
      return integerToken(field.value);
    case 'string':
      return stringToken(field.value);
    case 'boolean':
      return booleanToken(field.value);
  }
}

/** The order of UTF-8 bytes, in which InfluxDB keeps tags. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function token(text: string, problem: string | null, what: string): string {
  if (problem !== null) throw refused(what, text, problem);
  return escapeName(text);
}

function refused(what: string, text: string, problem: string): GatewayError {
  return new GatewayError('line-protocol', `${what} ${JSON.stringify(text.slice(0, 60))} ${problem}`);
}
