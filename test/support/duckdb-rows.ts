/** Reads the embedded store from outside, when no gateway runs on it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

export type DuckdbRow = Readonly<Record<string, unknown>>;

/** Rows of a query on the one DuckDB file below the folder; integers as numbers. */
export async function duckdbRows(folder: string, sql: string): Promise<DuckdbRow[]> {
  const file = readdirSync(folder, { recursive: true })
    .map(String)
    .find((name) => name.endsWith('.duckdb'));
  if (file === undefined) throw new Error(`no .duckdb file below ${folder}`);
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(join(folder, file), { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(sql);
    return reader
      .getRowObjects()
      .map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => [
            name,
            typeof value === 'bigint' ? Number(value) : value,
          ]),
        ),
      );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
