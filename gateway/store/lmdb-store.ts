import { existsSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '../store-contract.ts';
import { DurableStore } from './durable-store.ts';
import { MOST_BYTES, makeFolder } from './lmdb-environment.ts';
import { LmdbStorage } from './lmdb-storage.ts';
import { DEFAULT_STORE_OPTIONS, resolveLimits, type StoreDeps, type StoreOptions } from './store-options.ts';

const DEFAULT_MAX_BYTES = 2 * 2 ** 30;

export interface LmdbStoreOptions extends Partial<StoreOptions> {
  /** The store's own folder; made with mode 0700 where it is missing. */
  readonly dir: string;
}

/**
 * Opens the durable store, or makes it. What the last fold left out is replayed, so everything acknowledged before a
 * crash is in the account, the ledgers and the windows.
 *
 * @throws GatewayError `data-unwritable`, `store-damaged`, `store-version`.
 */
export async function openLmdbStore(options: LmdbStoreOptions, deps: StoreDeps): Promise<Store> {
  const all: StoreOptions = { ...DEFAULT_STORE_OPTIONS, ...options };
  const { dir } = options;
  makeFolder(dir);
  const maxBytes = Math.min(all.maxBytes ?? defaultMaxBytes(dir), MOST_BYTES);
  const limits = resolveLimits(all, maxBytes);
  const storage = await LmdbStorage.open(dir, maxBytes, limits.minFreeDiskBytes);
  try {
    return new DurableStore(storage, limits, deps);
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/** A quarter of the disk that is free, counting what the store itself has taken already: a restart changes nothing. */
function defaultMaxBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  const file = join(dir, 'data.mdb');
  const own = existsSync(file) ? statSync(file).size : 0;
  return Math.min(DEFAULT_MAX_BYTES, Math.trunc((bavail * bsize + own) / 4));
}
