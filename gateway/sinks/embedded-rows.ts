/** From lines to rows: each under its table, put into DuckDB column by column. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { decodeLine } from '../line-protocol/decode.ts';
import type { FieldValue, LinePoint } from '../line-protocol/encode.ts';
import { type Catalog, type Column, OVERFLOW_TABLE, type Table } from './embedded-catalog.ts';

export type Duckdb = typeof import('@duckdb/node-api');

/** What one chunk of DuckDB holds. */
const CHUNK_ROWS = 2048;

/** A point that has no table: kept as it came. */
interface OverflowRow {
  readonly timestampNs: string | null;
  readonly measurement: string;
  readonly line: string;
}

export interface Rows {
  readonly tables: ReadonlyMap<Table, readonly LinePoint[]>;
  readonly overflow: readonly OverflowRow[];
}

/** Sorts lines under their tables. A line that cannot be read is kept as well: this sink refuses nothing. */
export function sortRows(lines: Buffer, catalog: Catalog): Rows {
  const text = lines.toString('utf8');
  const tables = new Map<Table, LinePoint[]>();
  const overflow: OverflowRow[] = [];
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf('\n', at);
    const end = found === -1 ? text.length : found;
    const line = text.slice(at, end);
    at = end + 1;
    const point = decoded(line);
    const table = point === null ? null : catalog.tableFor(point);
    if (point === null || table === null) {
      overflow.push({
        timestampNs: point?.timestampNs ?? null,
        measurement: point?.measurement ?? '',
        line,
      });
      continue;
    }
    const rows = tables.get(table);
    if (rows === undefined) tables.set(table, [point]);
    else rows.push(point);
  }
  return { tables, overflow };
}

function decoded(line: string): LinePoint | null {
  try {
    return decodeLine(line);
  } catch {
    return null;
  }
}

/** Appends the rows within the transaction that is open on the connection. */
export async function appendRows(duckdb: Duckdb, connection: DuckDBConnection, rows: Rows): Promise<void> {
  for (const [table, points] of rows.tables) {
    await append(duckdb, connection, table.name, points.length, (columns, from, to) => {
      for (let i = from; i < to; i += 1) {
        const point = points[i];
        if (point !== undefined) fill(duckdb, table, columns, i - from, point);
      }
    });
  }
  if (rows.overflow.length === 0) return;
  await append(duckdb, connection, OVERFLOW_TABLE, rows.overflow.length, (columns, from, to) => {
    rows.overflow.slice(from, to).forEach(({ timestampNs, measurement, line }, row) => {
      put(columns, 0, row, timeValue(duckdb, timestampNs));
      put(columns, 1, row, measurement);
      put(columns, 2, row, line);
    });
  });
}

type Columns = (DuckDBValue | null)[][];

async function append(
  duckdb: Duckdb,
  connection: DuckDBConnection,
  table: string,
  count: number,
  fillChunk: (columns: Columns, from: number, to: number) => void,
): Promise<void> {
  const appender = await connection.createAppender(table, 'main');
  try {
    // Also columns that somebody else has added: they stay empty.
    const types = Array.from({ length: appender.columnCount }, (_, place) => appender.columnType(place));
    for (let from = 0; from < count; from += CHUNK_ROWS) {
      const to = Math.min(count, from + CHUNK_ROWS);
      const columns: Columns = types.map(() => new Array<DuckDBValue | null>(to - from).fill(null));
      fillChunk(columns, from, to);
      const chunk = duckdb.DuckDBDataChunk.create(types, to - from);
      columns.forEach((values, place) => {
        chunk.setColumnValues(place, values);
      });
      appender.appendDataChunk(chunk);
    }
  } finally {
    appender.closeSync();
  }
}

function fill(duckdb: Duckdb, table: Table, columns: Columns, row: number, point: LinePoint): void {
  put(columns, 0, row, timeValue(duckdb, point.timestampNs));
  for (const [key, value] of point.tags) {
    const column = table.tags.get(key);
    if (column !== undefined) put(columns, column.place, row, value);
  }
  for (const [key, value] of point.fields) {
    const kinds = table.fields.get(key);
    const column = kinds?.[KIND_OF[value.type]];
    if (column !== undefined) put(columns, column.place, row, cell(column, value));
  }
}

const KIND_OF = { float: 'number', integer: 'number', string: 'string', boolean: 'boolean' } as const;

function cell(column: Column, field: FieldValue): DuckDBValue {
  if (field.type !== 'integer') return field.value;
  return column.type === 'BIGINT' ? BigInt(field.value) : Number(field.value);
}

function timeValue(duckdb: Duckdb, timestampNs: string | null): DuckDBValue {
  return timestampNs === null ? null : new duckdb.DuckDBTimestampNanosecondsValue(BigInt(timestampNs));
}

function put(columns: Columns, place: number, row: number, value: DuckDBValue): void {
  const column = columns[place];
  if (column !== undefined) column[row] = value;
}
