/** Lets old readings go: by age exactly, by size as well as DuckDB allows. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { type Catalog, quoted } from './embedded-catalog.ts';

export interface Retention {
  /**
   * Of blocks in use, not of the file: DuckDB gives room back to itself first, and to the disk only from the end of
   * the file. Between two looks it may be exceeded by what came in meanwhile.
   */
  readonly maxBytes: number | null;
  readonly maxAgeMs: number | null;
}

/** What is left after trimming, as a part of `maxBytes`: so that not every look has to trim. */
const TRIM_TO = 0.9;

/** Deletes what is too old, or too much; the oldest of each measurement go first, in equal shares. */
export async function applyRetention(
  connection: DuckDBConnection,
  catalog: Catalog,
  { maxBytes, maxAgeMs }: Retention,
  nowMs: number,
): Promise<void> {
  if (maxAgeMs !== null && maxAgeMs < nowMs) {
    const oldestNs = BigInt(Math.floor(nowMs - maxAgeMs)) * 1_000_000n;
    for (const { name } of catalog.all()) {
      await connection.run(`DELETE FROM main.${quoted(name)} WHERE time < make_timestamp_ns(${oldestNs})`);
    }
    await connection.run('CHECKPOINT');
  }
  if (maxBytes === null) return;
  await connection.run('CHECKPOINT');
  const used = await usedBytes(connection);
  if (used <= maxBytes) return;
  const share = 1 - (TRIM_TO * maxBytes) / used;
  for (const { name } of catalog.all()) {
    const table = `main.${quoted(name)}`;
    await connection.run(
      `DELETE FROM ${table} WHERE epoch_ns(time) <= (SELECT approx_quantile(epoch_ns(time), ${share}) FROM ${table})`,
    );
  }
  await connection.run('CHECKPOINT');
}

/** Bytes of blocks that hold something. */
export async function usedBytes(connection: DuckDBConnection): Promise<number> {
  const reader = await connection.runAndReadAll(
    'SELECT used_blocks * block_size FROM pragma_database_size()',
  );
  return Number(reader.getRows()[0]?.[0] ?? 0);
}
