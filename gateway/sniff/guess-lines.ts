import { canonicalSpec } from '../canonical-spec.ts';
import type { Format, Formats } from '../contracts.ts';
import type { FramingOptions } from '../sources/framing/framing-options.ts';
import { CsvHeader, type HeaderKind } from '../sources/serial/csv-header.ts';
import {
  type Candidate,
  type Cut,
  cut,
  type FormatConfig,
  PASSED_OVER,
  type Reader,
  type StreamKind,
  tryReader,
  withoutFirst,
} from './guess-parts.ts';

/** So many lines tell how a table is written. */
const LOOKED_AT_LINES = 200;
const MAX_COLUMNS = 64;
const LF = 0x0a;
const CR = 0x0d;

/** The first line of a sample counts too: it may be the only one. */
export function lineFramingFor(bytes: Buffer): FramingOptions {
  const isCrAlone = countOf(bytes, CR) > 4 * countOf(bytes, LF);
  return isCrAlone ? { kind: 'line', delimiterBytes: '0D', first: true } : { kind: 'line', first: true };
}

function countOf(bytes: Buffer, wanted: number): number {
  let count = 0;
  for (const byte of bytes) if (byte === wanted) count += 1;
  return count;
}

/** Every format of text lines that reads some of them. */
export function lineCandidates(bytes: Buffer, formats: Formats): readonly Candidate[] {
  const framing = lineFramingFor(bytes);
  const lines = cut(bytes, framing);
  const tables = tablesIn(lines);
  const tried: Candidate[] = [];
  const attempt = (
    kind: StreamKind,
    strictness: number,
    format: FormatConfig,
    read: Reader,
    least = 2,
  ): void => {
    const trial = tryReader(bytes, lines, read);
    if (trial.frames >= least)
      tried.push({ kind, strictness, framing: withoutFirst(framing), format, ...trial });
  };
  attempt('json', 8, 'json', reading(formats, 'json', isObject), 1);
  attempt('plotter', 7, 'plotter', reading(formats, 'plotter', hasLabel));
  attempt('key-value', 6, 'key-value', reading(formats, 'key-value', hasNumber));
  if (tables !== null) {
    const { header, columns, isBlank } = tables;
    const fits = isBlank ? isNamedNumbers : hasNumber;
    attempt(
      'csv-header',
      7,
      header,
      behindHeader(isBlank ? 'blanks' : 'marks', reading(formats, header, fits)),
    );
    attempt('csv', 4, columns, reading(formats, columns, isBlank ? isAllNumbers : isMostlyNumbers));
  }
  return tried;
}

/** Decodes a frame, and takes what `fits`. */
export function reading(formats: Formats, config: FormatConfig, fits: (value: unknown) => boolean): Reader {
  const format: Format | null = formats.get(canonicalSpec(config));
  return (frame) => {
    try {
      const value = format?.decode(frame);
      return fits(value) ? value : undefined;
    } catch {
      return undefined;
    }
  };
}

/** Rows as the serial source hands them on: each behind the header line that came last. */
function behindHeader(kind: HeaderKind, read: Reader): Reader {
  const header = new CsvHeader(kind);
  return (line) => {
    const payload = header.take(line);
    return payload === null ? PASSED_OVER : payload === line ? undefined : read(payload);
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && (Array.isArray(value) ? value.some(isObject) : true);
}

export function hasNumber(value: unknown): boolean {
  return isObject(value) && Object.values(value).some((each) => typeof each === 'number');
}

/** Numbers without a label are a table. */
function hasLabel(value: unknown): boolean {
  return isObject(value) && Object.keys(value).some((name) => !/^value\d+$/.test(name));
}

function isMostlyNumbers(value: unknown): boolean {
  if (!hasNumber(value) || !isObject(value)) return false;
  const cells = Object.values(value);
  return cells.filter((cell) => typeof cell !== 'string').length * 2 >= cells.length;
}

/** Words are parted by blanks too. */
function isAllNumbers(value: unknown): boolean {
  return (
    hasNumber(value) &&
    isObject(value) &&
    Object.values(value).every((cell) => typeof cell !== 'string' || /^(?:nan|[+-]?inf)$/i.test(cell))
  );
}

/** What a board says when it starts is words too, but seldom names alone. */
function isNamedNumbers(value: unknown): boolean {
  return (
    isAllNumbers(value) && Object.keys(Object(value)).every((name) => /^[\p{L}_][\p{L}\d_]*$/u.test(name))
  );
}

/** How these lines would be written as a table; null where they are none. */
function tablesIn({ frames }: Cut): {
  readonly header: FormatConfig;
  readonly columns: FormatConfig;
  readonly isBlank: boolean;
} | null {
  const lines = frames.slice(0, LOOKED_AT_LINES).map((frame) => frame.toString('utf8').trim());
  const hasMost = (pattern: RegExp): boolean =>
    lines.filter((line) => pattern.test(line)).length * 2 > lines.length;
  const delimiter = ['\t', ';', ','].find((each) => hasMost(new RegExp(each))) ?? ' ';
  const isBlank = delimiter === ' ';
  const cellsOf = (line: string): readonly string[] => {
    const cells = line.split(isBlank ? /\s+/ : delimiter).map((cell) => cell.trim());
    return cells.length > 1 && cells.at(-1) === '' ? cells.slice(0, -1) : cells;
  };
  const rows = lines.map(cellsOf);
  const width = mostCommon(rows.map(({ length }) => length));
  if (width === null || width > MAX_COLUMNS) return null;
  const hasComma = delimiter !== ',' && rows.some((row) => row.some((cell) => /^[-+]?\d+,\d+$/.test(cell)));
  const decimal = hasComma ? { decimal: ',' } : {};
  const names = width === 1 ? ['value'] : Array.from({ length: width }, (_, i) => `value${i + 1}`);
  const byBlanks = isBlank && width > 1 ? { delimiter: 'space' } : {};
  const options = { ...byBlanks, ...decimal };
  return {
    header: Object.keys(options).length === 0 ? 'csv' : { csv: options },
    columns: { csv: { columns: names, ...options } },
    isBlank: isBlank && width > 1,
  };
}

export function mostCommon(numbers: readonly number[]): number | null {
  const counts = new Map<number, number>();
  for (const each of numbers) counts.set(each, (counts.get(each) ?? 0) + 1);
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? null;
}
