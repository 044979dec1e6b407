import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from '@duckdb/node-api';
import { decodeLine } from '../../gateway/line-protocol/decode.ts';
import type { DigestField } from '../field-digest.ts';
import type { AuditStore, StoredRow, TimeRange } from './audit-contract.ts';
import { rowOfPoint } from './line-row.ts';

const ATTEMPTS = 10;
const AGAIN_MS = 500;
const MEMORY_LIMIT = '256MB';

interface Column {
  readonly name: string;
  readonly kind: string;
  readonly key: string;
  readonly type: string;
}

/**
 * The gateway's embedded store, a DuckDB file: itself where nobody has it open, else a copy of it and of its log (made
 * again where it was changed meanwhile). `folder` is where the copy goes; it exists, and the caller deletes it.
 *
 * @throws Error where there is no such file, or DuckDB is not installed.
 */
export async function openEmbeddedStore(path: string, folder: string): Promise<AuditStore> {
  const file = databaseFile(path);
  const instance = await open(file, folder);
  const connection = await instance.connect();
  await connection.run(`SET memory_limit = '${MEMORY_LIMIT}'; SET threads = 1`);
  const names = await connection.runAndReadAll('SELECT measurement, table_name FROM gateway.tables');
  const tables = new Map(names.getRows().map(([measurement, name]) => [String(measurement), String(name)]));
  return {
    name: `the embedded store ${file}`,
    resolutionNs: 1n,
    tellsFields: true,
    async *rows(measurement, ranges) {
      const table = tables.get(measurement);
      if (table !== undefined) {
        const columns = await columnsOf(connection, table);
        for (const range of ranges) yield* rowsOf(connection, table, columns, range);
      }
      for (const range of ranges) yield* overflowRows(connection, measurement, range);
    },
    close: async () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

function databaseFile(path: string): string {
  if (!existsSync(path)) throw new Error(`${path} is not there`);
  if (!statSync(path).isDirectory()) return path;
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.duckdb'),
  );
  const [file] = files;
  if (file === undefined) throw new Error(`no embedded store is in ${path}`);
  if (files.length > 1)
    throw new Error(`several embedded stores are in ${path}; name one: ${files.join(', ')}`);
  return join(path, file);
}

async function open(file: string, folder: string): Promise<DuckDBInstance> {
  const { DuckDBInstance } = await import('@duckdb/node-api').catch((error: unknown) => {
    throw new Error('the embedded store needs @duckdb/node-api, which is not installed', { cause: error });
  });
  // A log beside it is either in use, or was left by a kill: reading it would change the original.
  if (!existsSync(`${file}.wal`)) {
    try {
      return await DuckDBInstance.create(file, { access_mode: 'READ_ONLY' });
    } catch (error) {
      if (!/lock/i.test(String(error))) throw error;
    }
  }
  let last: unknown = null;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (attempt > 0) await sleep(AGAIN_MS);
    const copy = join(folder, `copy-${attempt}`, basename(file));
    try {
      const before = stateOf(file);
      mkdirSync(join(folder, `copy-${attempt}`), { recursive: true });
      copyFileSync(file, copy);
      if (existsSync(`${file}.wal`)) copyFileSync(`${file}.wal`, `${copy}.wal`);
      if (stateOf(file) !== before) throw new Error('it was changed while it was copied');
      return await DuckDBInstance.create(copy);
    } catch (error) {
      last = error;
      rmSync(join(folder, `copy-${attempt}`), { recursive: true, force: true });
    }
  }
  throw new Error(`${file} cannot be read: ${String(last)}`, { cause: last });
}

function stateOf(file: string): string {
  return [file, `${file}.wal`]
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? '' : `${stat.size} ${stat.mtimeMs}`))
    .join(' ');
}

async function columnsOf(connection: DuckDBConnection, table: string): Promise<Column[]> {
  const found = await connection.runAndReadAll(`
    SELECT c.column_name, c.kind, c.key, d.data_type FROM gateway.columns c JOIN duckdb_columns() d
      ON d.table_name = c.table_name AND d.column_name = c.column_name AND d.schema_name = 'main'
    WHERE c.table_name = '${table.replaceAll("'", "''")}'`);
  return found.getRows().map(([name, kind, key, type]) => ({
    name: String(name),
    kind: String(kind),
    key: String(key),
    type: String(type),
  }));
}

async function* rowsOf(
  connection: DuckDBConnection,
  table: string,
  columns: readonly Column[],
  range: TimeRange,
): AsyncGenerator<StoredRow, undefined> {
  const list = ['epoch_ns(time)', ...columns.map(({ name }) => quoted(name))].join(', ');
  const result = await connection.stream(`SELECT ${list} FROM main.${quoted(table)} WHERE ${within(range)}`);
  for await (const rows of result.yieldRows()) {
    for (const [time, ...values] of rows) {
      const tags = new Map<string, string>();
      const fields: DigestField[] = [];
      columns.forEach((column, i) => {
        place(column, values[i] ?? null, tags, fields);
      });
      yield { timeNs: BigInt(String(time)), tags, fields };
    }
  }
  return undefined;
}

function place(
  { kind, key, type }: Column,
  value: DuckDBValue,
  tags: Map<string, string>,
  fields: DigestField[],
): void {
  if (value === null) return;
  if (kind === 'tag') tags.set(key, String(value));
  else if (typeof value === 'boolean') fields.push({ name: key, kind: 'b', value });
  else if (typeof value === 'string') fields.push({ name: key, kind: 's', value });
  else if (typeof value === 'bigint') fields.push({ name: key, kind: 'i', value });
  else if (typeof value === 'number') fields.push({ name: key, kind: type === 'DOUBLE' ? 'f' : 'i', value });
}

/** Points for which there was no more room in tables are kept as whole lines. */
async function* overflowRows(
  connection: DuckDBConnection,
  measurement: string,
  range: TimeRange,
): AsyncGenerator<StoredRow, undefined> {
  const result = await connection.stream(
    `SELECT line FROM main.overflow WHERE measurement = '${measurement.replaceAll("'", "''")}' AND ${within(range)}`,
  );
  for await (const rows of result.yieldRows()) {
    for (const [line] of rows) yield rowOfPoint(decodeLine(String(line)));
  }
  return undefined;
}

function within({ fromNs, toNs }: TimeRange): string {
  return `time >= make_timestamp_ns(${fromNs}) AND time < make_timestamp_ns(${toNs})`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
