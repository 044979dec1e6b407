import type { Formats } from '../contracts.ts';
import { whyForeign } from './foreign-formats.ts';
import { isPlainObject } from './plain-object.ts';

/** `object`: readings with names; `bare`: one value; `other`: nothing that a reading could be read from. */
export type PayloadKind = 'object' | 'bare' | 'other';

/** How a payload reads. */
export interface PayloadShape {
  readonly kind: PayloadKind;
  /** The format as a schema has it; null: what a topic has without one. */
  readonly format: FormatSpec | null;
  /** Of an object, each reading; of a bare value, the value. Empty for `other`. */
  readonly values: readonly unknown[];
  /** Of `other`, in words what it is, where that is known. */
  readonly why: string | null;
}

export type FormatSpec = string | Readonly<Record<string, unknown>>;

/** What the other payloads of a topic show. */
export interface ShapeHints {
  readonly contentType: string | null;
  /** A comma between digits is that of decimals, as far as `hasDecimalCommas` tells. */
  readonly isDecimalComma: boolean;
  /** What a bare number with a decimal comma is called. */
  readonly valueName: string;
}

/** A longer text is no value. */
const MAX_BARE_BYTES = 128;
const MAX_COLUMNS = 64;
const MAX_ROW_BYTES = 4096;
/** `21,5` between semicolons or tabs. */
const COMMA_CELL = /(?:[;\t][ ]*[-+]?\d+,\d+[ ]*(?:$|[;\t\r\n]))|(?:(?:^|\n)[ ]*[-+]?\d+,\d+[ ]*[;\t])/;
const YEAR_2001_S = 978_307_200;

/** Tells what a payload is. The formats are those that would read it later, so what is told here will be read there. */
export function shapeOfPayload(payload: Buffer, hints: ShapeHints, formats: Formats): PayloadShape {
  const read = (spec: FormatSpec): unknown => {
    try {
      return formats.get(typeof spec === 'string' ? spec : JSON.stringify(spec))?.decode(payload);
    } catch {
      return undefined;
    }
  };
  const readings = (spec: FormatSpec, format: FormatSpec | null = spec): PayloadShape | null => {
    const value = read(spec);
    const list = Array.isArray(value) ? value : [value];
    return list.length > 0 && list.every(isPlainObject)
      ? { kind: 'object', format, values: list, why: null }
      : null;
  };
  const type = hints.contentType?.split(';')[0]?.trim().toLowerCase();
  const json = readings('json', null);
  const text = payload.toString('utf8');
  const foreign = whyForeign(text, json?.values ?? null);
  if (foreign !== null) return other(foreign);
  if (json !== null) return json;
  const isText = !/[\p{Cc}\uFFFD]/u.test(text.replace(/[\t\r\n]/g, ''));
  if (!isText || type === 'application/cbor') return readings('cbor') ?? other(null);
  if (type === 'text/csv' || isTable(text)) {
    const table = tableWithHeader(readings, hints);
    if (table !== null) return table;
  }
  if (!isClock(text) && !/[{}[\]<>]/.test(text)) {
    const pairs = readings('key-value');
    if (pairs !== null && hasNumber(pairs.values)) return pairs;
  }
  if (hints.isDecimalComma && isCommaNumber(text)) {
    const number = readings({ csv: { columns: [hints.valueName], decimal: ',' } });
    if (number !== null && hasNumber(number.values)) return number;
  }
  const row = columnsOf(text, hints.isDecimalComma);
  if (row !== null) {
    const table = readings({ csv: row });
    if (table !== null && hasNumber(table.values)) return table;
  }
  const isOneLine = !/[\r\n]/.test(text.trim());
  if (payload.length > MAX_BARE_BYTES || !isOneLine || text.trim() === '') return other(null);
  const value = read('scalar');
  if (value === undefined || (typeof value === 'object' && value !== null)) return other(null);
  return { kind: 'bare', format: null, values: [value], why: null };
}

/**
 * Whether a comma between digits in these payloads of one topic is that of decimals. It is beside semicolons and tabs. Two
 * groups of digits with one comma alone may be a number or two columns: they are a number, unless another payload, or they
 * themselves, show columns: more commas, blanks behind them, a decimal point, a sign or a time.
 */
export function hasDecimalCommas(payloads: readonly Buffer[]): boolean {
  const texts = payloads.map((payload) => payload.subarray(0, MAX_ROW_BYTES).toString('utf8').trim());
  if (texts.some((text) => COMMA_CELL.test(text))) return true;
  let commas = 0;
  for (const text of texts) {
    if (isCommaNumber(text)) commas += text.includes(',') ? 1 : 0;
    else if (columnsOf(text, false) !== null) return false;
  }
  return commas > 0;
}

/** `11,97`, and `12`, which may stand beside it. */
function isCommaNumber(text: string): boolean {
  const match = /^\s*([-+]?\d+)(?:,\d+)?\s*$/.exec(text);
  return match !== null && Number(match[1]) < YEAR_2001_S;
}

/** `12:03`, `16:9`, `v1.2:0`: no names in front of values. */
function isClock(text: string): boolean {
  if (text.length > MAX_BARE_BYTES || text.includes('=')) return false;
  return /^(?:\d[^:]*|[\p{L}_]*\d[\p{L}\d]*\.[^:\s]*):[^:]*(?::[\d.]+)*$/u.test(text.trim());
}

function other(why: string | null): PayloadShape {
  return { kind: 'other', format: null, values: [], why };
}

function hasNumber(values: readonly unknown[]): boolean {
  return values.some(
    (value) => isPlainObject(value) && Object.values(value).some((each) => typeof each === 'number'),
  );
}

/** A header line of names, and rows below it. */
function isTable(text: string): boolean {
  const [header = '', second = ''] = text.split(/\r?\n/, 2);
  return second !== '' && /^[\p{L}_"][^=:{}]*[,;\t]/u.test(header) && /\d/.test(second);
}

/** In quotes everything is a text, also a number. */
function tableWithHeader(
  readings: (spec: FormatSpec) => PayloadShape | null,
  { isDecimalComma }: ShapeHints,
): PayloadShape | null {
  const table = readings(isDecimalComma ? { csv: { decimal: ',' } } : 'csv');
  return table !== null && (hasNumber(table.values) || hasNumberText(table.values)) ? table : null;
}

function hasNumberText(values: readonly unknown[]): boolean {
  return values.some(
    (value) =>
      isPlainObject(value) &&
      Object.values(value).some((each) => typeof each === 'string' && /^[-+]?\d+(?:[.,]\d+)?$/.test(each)),
  );
}

/** Of a line of mostly numbers, the columns it would have. */
function columnsOf(text: string, isDecimalComma: boolean): Readonly<Record<string, unknown>> | null {
  const line = text.trim();
  if (line.length > MAX_ROW_BYTES || /[\r\n{}[\]"]/.test(line)) return null;
  const delimiter = ['\t', ';', ','].find((each) => line.includes(each));
  if (delimiter === undefined) return null;
  const cells = line.split(delimiter).map((cell) => cell.trim());
  const numbers = cells.filter((cell) => /^[-+]?\d+(?:[.,]\d+)?$/.test(cell));
  if (cells.length > MAX_COLUMNS || numbers.length * 2 < cells.length) return null;
  const columns = cells.map((_, i) => `value${i + 1}`);
  return delimiter !== ',' && isDecimalComma ? { columns, decimal: ',' } : { columns };
}
