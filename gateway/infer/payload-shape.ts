import type { Formats } from '../contracts.ts';

/** `object`: readings with names; `bare`: one value; `other`: nothing that a reading could be read from. */
export type PayloadKind = 'object' | 'bare' | 'other';

/** How a payload reads. */
export interface PayloadShape {
  readonly kind: PayloadKind;
  /** The format as a schema has it; null: what a topic has without one. */
  readonly format: FormatSpec | null;
  /** Of an object, each reading; of a bare value, the value. Empty for `other`. */
  readonly values: readonly unknown[];
}

export type FormatSpec = string | Readonly<Record<string, unknown>>;

/** A longer text is no value. */
const MAX_BARE_BYTES = 128;
const MAX_COLUMNS = 64;
const OTHER: PayloadShape = Object.freeze({ kind: 'other', format: null, values: Object.freeze([]) });

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tells what a payload is. The formats are those that would read it later, so what is told here will be read there. */
export function shapeOfPayload(payload: Buffer, contentType: string | null, formats: Formats): PayloadShape {
  const read = (spec: string): unknown => {
    try {
      return formats.get(spec)?.decode(payload);
    } catch {
      return undefined;
    }
  };
  const readings = (value: unknown, format: FormatSpec | null): PayloadShape | null => {
    const list = Array.isArray(value) ? value : [value];
    return list.length > 0 && list.every(isPlainObject) ? { kind: 'object', format, values: list } : null;
  };
  const json = readings(read('json'), null);
  if (json !== null) return json;
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  const text = payload.toString('utf8');
  const isText = !/[\p{Cc}\uFFFD]/u.test(text.replace(/[\t\r\n]/g, ''));
  if (!isText || type === 'application/cbor') return readings(read('cbor'), 'cbor') ?? OTHER;
  if (type === 'text/csv' || isTable(text)) {
    const table = readings(read('csv'), 'csv');
    if (table !== null && hasNumber(table.values)) return table;
  }
  const pairs = readings(read('key-value'), 'key-value');
  if (pairs !== null && hasNumber(pairs.values) && !/[{}[\]<>]/.test(text)) return pairs;
  const row = columnsOf(text);
  if (row !== null) {
    const format = { csv: row };
    const table = readings(read(JSON.stringify(format)), format);
    if (table !== null && hasNumber(table.values)) return table;
  }
  const isOneLine = !/[\r\n]/.test(text.trim());
  if (payload.length > MAX_BARE_BYTES || !isOneLine || text.trim() === '') return OTHER;
  const value = read('scalar');
  return value === undefined || typeof value === 'object' ? nullOrOther(value) : bare(value);
}

function bare(value: unknown): PayloadShape {
  return { kind: 'bare', format: null, values: [value] };
}

function nullOrOther(value: unknown): PayloadShape {
  return value === null ? bare(null) : OTHER;
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

/** Of a line of mostly numbers, the columns it would have. */
function columnsOf(text: string): Readonly<Record<string, unknown>> | null {
  const line = text.trim();
  if (line.length > 4096 || /[\r\n{}[\]"]/.test(line)) return null;
  const delimiter = ['\t', ';', ','].find((each) => line.includes(each));
  if (delimiter === undefined) return null;
  const cells = line.split(delimiter).map((cell) => cell.trim());
  const numbers = cells.filter((cell) => /^[-+]?\d+(?:[.,]\d+)?$/.test(cell));
  if (cells.length > MAX_COLUMNS || numbers.length * 2 < cells.length) return null;
  const columns = cells.map((_, i) => `value${i + 1}`);
  const isComma = delimiter !== ',' && numbers.some((cell) => cell.includes(','));
  return isComma ? { columns, decimal: ',' } : { columns };
}
