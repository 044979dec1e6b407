/** Looks into a DuckDB file that a sink in this process has open: at a copy of it, as a crash would leave it. */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './temporary-folder.ts';

/** Rows of a query, values as DuckDB's own JSON: integers beyond 32 bits and times as text. */
export async function queryCopy(path: string, sql: string): Promise<unknown[][]> {
  const copy = join(temporaryFolder('duckdb-copy'), 'copy.duckdb');
  copyFileSync(path, copy);
  if (existsSync(`${path}.wal`)) copyFileSync(`${path}.wal`, `${copy}.wal`);
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(copy);
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
