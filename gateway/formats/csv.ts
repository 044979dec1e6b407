import type { Format } from '../contracts.ts';
import { printable } from '../printable.ts';
import { type Cell, type Delimiter, guessDelimiter, type Row, readRows } from './csv-rows.ts';
import type { JsonBounds } from './json-bounds.ts';
import { byteAt, textOf, undecodable } from './payload-text.ts';
import type { SpecOptions } from './spec-options.ts';
import { numberOf, setMember, type TextValue, textValue } from './text-values.ts';

export const CSV_OPTIONS = ['columns', 'delimiter', 'decimal'] as const;
const MAX_NAME_CHARACTERS = 120;
const MAX_COLUMNS = 500;
const SHOWN_CHARACTERS = 40;
const REMEDY = 'send one value for each column';

/** Null: this column is passed over. */
type Columns = readonly (string | null)[];

interface Table {
  readonly text: string;
  readonly columns: Columns;
  /** The header row where the payload has one. */
  readonly header: Row | null;
  readonly rows: readonly Row[];
}

/**
 * CSV: one row is a reading, several are a list of readings. Columns are named in the spec, or by a header line in the
 * payload. A row with more or fewer values than columns is refused: it was cut, or glued to another.
 */
export function createCsvFormat(options: SpecOptions, bounds: JsonBounds): Format {
  const named = columnsOf(options);
  const delimiter = delimiterOf(options);
  const decimal = options.oneOf('decimal', ['.', ','], '.');
  if (decimal === ',' && delimiter === ',') options.fail('decimal', 'cannot be the delimiter too');

  const delimiterIn = (text: string): Delimiter => delimiter ?? guessDelimiter(text, decimal === ',');
  const tableOf = (payload: Buffer): Table => {
    const text = textOf(payload, REMEDY);
    const rows = readRows(text, delimiterIn(text), bounds.maxElements);
    if (named !== null) {
      if (rows.length === 0) throw undecodable(`blank at byte 0; ${REMEDY}`);
      return { text, columns: named, header: null, rows };
    }
    const [header, ...others] = rows;
    if (header === undefined || others.length === 0)
      throw undecodable(
        `no row at byte ${payload.length}; send a header line with the names of the columns and at least one row behind it`,
      );
    return { text, columns: headerColumns(text, header, bounds.maxKeys), header, rows: others };
  };

  return {
    name: 'csv',
    decode(payload) {
      const { text, columns, rows } = tableOf(payload);
      const readings = rows.map((row) => readingOf(text, row, columns, decimal));
      return readings.length === 1 ? readings[0] : readings;
    },
    elements(payload) {
      const { text, header, rows } = tableOf(payload);
      if (rows.length === 1) return null;
      // Each stands for itself: with the header that names its columns.
      const before = header === null ? '' : `${text.slice(header.from, header.to)}\n`;
      const own = delimiterIn(text);
      return rows.map(({ cells, from, to }) => {
        const element = before + text.slice(from, to);
        return Buffer.from(
          delimiterIn(element) === own ? element : before + unmistakable(cells, own, decimal),
        );
      });
    },
  };
}

/** Alone, a row may look as if it had another delimiter than the first one: what looks like one is put into quotes. */
function unmistakable(cells: readonly Cell[], delimiter: Delimiter, decimal: '.' | ','): string {
  // A decimal comma stays as it is: in quotes the number would be a text.
  const looksLikeOne = decimal === ',' ? /[\t;"]/ : /[\t;,"]/;
  return cells
    .map(({ text, isQuoted }) =>
      isQuoted || looksLikeOne.test(text) ? `"${text.replaceAll('"', '""')}"` : text,
    )
    .join(delimiter);
}

function columnsOf(options: SpecOptions): Columns | null {
  const given = options.raw('columns');
  if (given === undefined || given === 'header') return null;
  if (typeof given === 'string') options.fail('columns', 'must be a list of names, or header');
  const names = options.list('columns', 1, MAX_COLUMNS).map((name) => {
    if (name === null) return null;
    if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_CHARACTERS)
      options.fail(
        'columns',
        `must be names of 1 to ${MAX_NAME_CHARACTERS} characters, or null for a column to pass over`,
      );
    return name;
  });
  const used = names.filter((name) => name !== null);
  if (used.length === 0) options.fail('columns', 'must name at least one column');
  if (new Set(used).size !== used.length) options.fail('columns', 'must name each column once');
  return names;
}

function delimiterOf(options: SpecOptions): Delimiter | null {
  const word = options.oneOf('delimiter', ['auto', ',', ';', 'tab', '\t', 'space'], 'auto');
  if (word === 'auto') return null;
  if (word === 'tab') return '\t';
  return word === 'space' ? ' ' : word;
}

function headerColumns(text: string, header: Row, maxColumns: number): Columns {
  const where = byteAt(text, header.from);
  const cells = withoutTrailing(header.cells);
  if (cells.length > maxColumns)
    throw undecodable(
      `a header with more than ${maxColumns} columns at ${where}; send fewer with each reading`,
    );
  const names = cells.map((cell) => {
    const shown = printable(cell.text, SHOWN_CHARACTERS);
    if (cell.text === '' || cell.text.length > MAX_NAME_CHARACTERS)
      throw undecodable(
        `a column without a usable name ("${shown}") in the header at ${where}; name every column`,
      );
    if (!cell.isQuoted && numberOf(cell.text) !== null)
      throw undecodable(
        `the header at ${where} names a column ${shown}: that is a value; send the header line first, or name the columns in the spec`,
      );
    return cell.text;
  });
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw undecodable(
      `the header at ${where} names "${printable(twice, SHOWN_CHARACTERS)}" twice; name each column once`,
    );
  return names;
}

/** Sketches often print a delimiter behind the last value too. */
function withoutTrailing(cells: readonly Cell[]): readonly Cell[] {
  const last = cells.at(-1);
  return cells.length > 1 && last?.text === '' && !last.isQuoted ? cells.slice(0, -1) : cells;
}

function readingOf(text: string, row: Row, columns: Columns, decimal: '.' | ','): Record<string, TextValue> {
  const { cells } = row;
  if (cells.length !== columns.length) {
    const trimmed = withoutTrailing(cells);
    if (trimmed.length !== columns.length || cells.length < columns.length)
      throw undecodable(
        `${cells.length} ${cells.length === 1 ? 'value' : 'values'} for ${columns.length} columns in the row at ${byteAt(text, row.from)}; ${REMEDY}`,
      );
  }
  const reading: Record<string, TextValue> = {};
  for (const [at, name] of columns.entries()) {
    const cell = cells[at];
    if (name === null || cell === undefined) continue;
    setMember(reading, name, cell.isQuoted ? cell.text : textValue(cell.text, decimal));
  }
  return reading;
}
