/**
 * The embedded store: one DuckDB file in the data folder, a table per measurement, no server. Rows and the cursor
 * commit in one transaction, so each reading is there exactly once after any crash. It refuses nothing.
 *
 * Besides the measurements: `gateway.cursor` (how far each store has been read; one that is new, because the old one
 * was deleted, begins at nothing, and the rows stay), `gateway.tables`, `gateway.columns` (see `embedded-catalog.ts`).
 */
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { GatewayError, isGatewayError, messageOf } from '../errors.ts';
import { printable } from '../printable.ts';
import type { Decision, Sink } from '../sink-contract.ts';
import {
  Catalog,
  type Column,
  type ColumnKind,
  type ColumnType,
  OVERFLOW_TABLE,
} from './embedded-catalog.ts';
import { applyRetention, type Retention } from './embedded-retention.ts';
import { appendRows, type Duckdb, sortRows } from './embedded-rows.ts';

export interface EmbeddedOptions extends Retention {
  readonly path: string;
  /** What DuckDB may take for its work. */
  readonly memoryLimitBytes?: number;
  /** ms since the epoch. */
  readonly now?: () => number;
}

const MEMORY_LIMIT_BYTES = 128 * 1024 * 1024;
const THREADS = 1;
/** How often old readings are looked for: by time, and by what came in since. */
const RETENTION_EVERY_MS = 10 * 60_000;
const RETENTION_EVERY_BYTES = 64 * 1024 * 1024;
/** Stores whose cursors are remembered. */
const MAX_CURSORS = 100;

const SCHEMA = `
CREATE SCHEMA IF NOT EXISTS gateway;
CREATE TABLE IF NOT EXISTS gateway.cursor (store_id VARCHAR NOT NULL, through_seq BIGINT NOT NULL, made_ms BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS gateway.tables (measurement VARCHAR NOT NULL, table_name VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS gateway.columns (table_name VARCHAR NOT NULL, column_name VARCHAR NOT NULL, kind VARCHAR NOT NULL, key VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS main.${OVERFLOW_TABLE} (time TIMESTAMP_NS, measurement VARCHAR, line VARCHAR);
`;

/** Somebody may drop a table to be rid of its rows: it is made anew when its measurement comes again. */
const FORGET_DROPPED = `
DELETE FROM gateway.tables WHERE table_name NOT IN (SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main');
DELETE FROM gateway.columns WHERE (table_name, column_name) NOT IN
  (SELECT (table_name, column_name) FROM duckdb_columns() WHERE schema_name = 'main');
`;

interface Database {
  readonly duckdb: Duckdb;
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
  readonly catalog: Catalog;
  /** Null: nothing of this store is here yet. */
  cursor: number | null;
}

export function createEmbeddedSink(options: EmbeddedOptions): Sink {
  const now = options.now ?? Date.now;
  let storeId = '';
  let database: Database | null = null;
  let retention = { atMs: Number.NEGATIVE_INFINITY, bytes: 0 };

  const close = (): void => {
    const closing = database;
    database = null;
    if (closing === null) return;
    // After a failure DuckDB may refuse even this; the file is as its last commit left it.
    attempt(() => closing.connection.closeSync());
    attempt(() => closing.instance.closeSync());
  };

  const retain = async ({ connection, catalog }: Database, bytes: number): Promise<void> => {
    retention.bytes += bytes;
    if (options.maxBytes === null && options.maxAgeMs === null) return;
    const every = Math.min(RETENTION_EVERY_BYTES, (options.maxBytes ?? Number.POSITIVE_INFINITY) / 8);
    if (now() - retention.atMs < RETENTION_EVERY_MS && retention.bytes < every) return;
    retention = { atMs: now(), bytes: 0 };
    await applyRetention(connection, catalog, options, now());
  };

  const write = async (lines: Buffer, throughSeq: number | null): Promise<Decision> => {
    try {
      database ??= await openDatabase(options, storeId);
      if (throughSeq !== null && database.cursor !== null && throughSeq <= database.cursor) {
        return { kind: 'written' };
      }
      await store(database, storeId, lines, throughSeq, now());
    } catch (error) {
      // What is known of the tables may be wrong now: it is read anew.
      close();
      return decisionFor(error);
    }
    try {
      await retain(database, lines.length);
    } catch {
      // The rows are in. Whatever ails the database, the next write will say.
      close();
    }
    return { kind: 'written' };
  };

  return {
    open: async (id, lastSeq) => {
      storeId = id;
      try {
        database ??= await openDatabase(options, id);
        if (database.cursor !== null && database.cursor > lastSeq) {
          await moveCursor(database, id, lastSeq, now());
          database.cursor = lastSeq;
        }
        return database.cursor;
      } catch (error) {
        close();
        throw isGatewayError(error)
          ? error
          : new GatewayError('sink-unavailable', wordsFor(error), { cause: error });
      }
    },

    write: async (lines, throughSeq, signal) => {
      if (signal.aborted) return { kind: 'retry', afterMs: null, reason: 'the gateway stops' };
      const interrupt = (): void => database?.connection.interrupt();
      signal.addEventListener('abort', interrupt, { once: true });
      try {
        return await write(lines, throughSeq);
      } finally {
        signal.removeEventListener('abort', interrupt);
      }
    },

    close: async () => close(),
  };
}

/** One transaction for what the tables lack, one for the rows and the cursor. */
async function store(
  database: Database,
  storeId: string,
  lines: Buffer,
  throughSeq: number | null,
  nowMs: number,
): Promise<void> {
  const { duckdb, connection, catalog } = database;
  const rows = sortRows(lines, catalog);
  const growth = catalog.growth();
  if (growth.length > 0) {
    await inTransaction(connection, async () => {
      for (const statement of growth) await connection.run(statement);
    });
    catalog.grown();
  }
  await inTransaction(connection, async () => {
    await appendRows(duckdb, connection, rows);
    if (throughSeq !== null) await moveCursor(database, storeId, throughSeq, nowMs);
  });
  database.cursor = throughSeq ?? database.cursor;
}

async function moveCursor(
  { connection, cursor }: Database,
  storeId: string,
  throughSeq: number,
  nowMs: number,
): Promise<void> {
  if (cursor === null) {
    const values = [storeId, BigInt(throughSeq), BigInt(Math.floor(nowMs))];
    await connection.run('INSERT INTO gateway.cursor VALUES (?, ?, ?)', values);
  } else {
    const values = [BigInt(throughSeq), storeId];
    await connection.run('UPDATE gateway.cursor SET through_seq = ? WHERE store_id = ?', values);
  }
}

async function inTransaction(connection: DuckDBConnection, work: () => Promise<void>): Promise<void> {
  await connection.run('BEGIN');
  try {
    await work();
    await connection.run('COMMIT');
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** @throws GatewayError `optional-missing`, `sink-unavailable`. */
async function openDatabase(options: EmbeddedOptions, storeId: string): Promise<Database> {
  const duckdb = await loadDuckdb();
  let instance: DuckDBInstance | null = null;
  try {
    instance = await duckdb.DuckDBInstance.create(options.path, {
      memory_limit: `${options.memoryLimitBytes ?? MEMORY_LIMIT_BYTES}B`,
      threads: String(THREADS),
      // Nothing is ever fetched from the network.
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    const connection = await instance.connect();
    await connection.run(SCHEMA);
    await connection.run(FORGET_DROPPED);
    await connection.run(
      `DELETE FROM gateway.cursor WHERE store_id NOT IN (SELECT store_id FROM gateway.cursor ORDER BY made_ms DESC LIMIT ${MAX_CURSORS})`,
    );
    const cursors = await connection.runAndReadAll(
      'SELECT through_seq FROM gateway.cursor WHERE store_id = ?',
      [storeId],
    );
    const cursor = cursors.getRows()[0]?.[0];
    return {
      duckdb,
      instance,
      connection,
      catalog: await loadCatalog(connection),
      cursor: cursor === undefined || cursor === null ? null : Number(cursor),
    };
  } catch (error) {
    const opened = instance;
    if (opened !== null) attempt(() => opened.closeSync());
    throw new GatewayError('sink-unavailable', wordsFor(error), { cause: error });
  }
}

async function loadCatalog(connection: DuckDBConnection): Promise<Catalog> {
  const named = await connection.runAndReadAll(`
    SELECT t.measurement, t.table_name, d.column_name, c.kind, c.key, d.data_type
    FROM gateway.tables t
    JOIN duckdb_columns() d ON d.schema_name = 'main' AND d.table_name = t.table_name
    LEFT JOIN gateway.columns c ON c.table_name = t.table_name AND c.column_name = d.column_name
    ORDER BY t.table_name, d.column_index`);
  const tables = new Map<string, { measurement: string; name: string; names: string[]; columns: Column[] }>();
  for (const [measurement, table, column, kind, key, type] of named.getRows()) {
    const name = String(table);
    const known = tables.get(name) ?? { measurement: String(measurement), name, names: [], columns: [] };
    tables.set(name, known);
    const place = known.names.length;
    known.names.push(String(column));
    if (typeof key !== 'string') continue;
    known.columns.push({ name: String(column), kind: kindOf(kind), key, type: typeOf(type), place });
  }
  const taken = await connection.runAndReadAll(`
    SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'
    UNION ALL SELECT view_name FROM duckdb_views()`);
  return new Catalog(
    [...tables.values()],
    taken.getRows().map(([name]) => String(name)),
  );
}

function kindOf(value: unknown): ColumnKind {
  return value === 'string' || value === 'number' || value === 'boolean' ? value : 'tag';
}

function typeOf(value: unknown): ColumnType {
  return value === 'DOUBLE' || value === 'BIGINT' || value === 'BOOLEAN' ? value : 'VARCHAR';
}

async function loadDuckdb(): Promise<Duckdb> {
  try {
    return await import('@duckdb/node-api');
  } catch (error) {
    throw new GatewayError(
      'optional-missing',
      'the embedded database needs @duckdb/node-api, which is not installed or has no build for this platform; configure an InfluxDB sink instead',
      { cause: error },
    );
  }
}

function decisionFor(error: unknown): Decision {
  const reason = wordsFor(error);
  if (/no space left|disk (?:is )?full|ENOSPC/i.test(reason)) {
    return { kind: 'pause', reason: `the disk is full: make room (${reason})` };
  }
  return { kind: 'retry', afterMs: null, reason };
}

function wordsFor(error: unknown): string {
  const words = printable(messageOf(error), 300);
  return /could not set lock/i.test(words)
    ? `another program has the embedded database open; close it (${words})`
    : words;
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // It is being given up anyway.
  }
}
