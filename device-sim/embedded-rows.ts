/** Counts the readings in the gateway's embedded store (DuckDB), from outside, when no gateway runs on it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Whether DuckDB is installed and loads on this platform. */
export async function embeddedAvailable(): Promise<boolean> {
  try {
    await import('@duckdb/node-api');
    return true;
  } catch {
    return false;
  }
}

/** Rows of all measurement tables (those with a `time` column) of the databases in this folder. */
export async function embeddedRows(folder: string): Promise<number> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.duckdb'));
  let rows = 0;
  for (const file of files) {
    const instance = await DuckDBInstance.create(join(folder, file), { access_mode: 'READ_ONLY' });
    const connection = await instance.connect();
    const tables = await connection.runAndReadAll(
      "SELECT table_name FROM information_schema.columns NATURAL JOIN information_schema.tables WHERE table_schema = 'main' AND table_type = 'BASE TABLE' AND column_name = 'time'",
    );
    for (const [table] of tables.getRows()) {
      const name = String(table).replaceAll('"', '""');
      const counted = await connection.runAndReadAll(`SELECT count(*) FROM "${name}"`);
      rows += Number(counted.getRows()[0]?.[0] ?? 0);
    }
    connection.closeSync();
    instance.closeSync();
  }
  return rows;
}
