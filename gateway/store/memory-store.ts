import type { Store } from '../store-contract.ts';
import { DurableStore } from './durable-store.ts';
import { MemoryStorage } from './memory-storage.ts';
import { DEFAULT_STORE_OPTIONS, resolveLimits, type StoreDeps, type StoreOptions } from './store-options.ts';

const DEFAULT_MAX_BYTES = 256 * 2 ** 20;

export interface MemoryStoreOptions extends Partial<StoreOptions> {
  /** The tables of an earlier store, to open them again as after a restart. */
  readonly storage?: MemoryStorage;
}

/**
 * A store that keeps everything in memory and promises all that the durable one does, but surviving the process. Without
 * a timer of its own unless `upkeepEveryMs` is given.
 */
export function createMemoryStore(options: MemoryStoreOptions, deps: StoreDeps): Store {
  const { storage = new MemoryStorage(), ...given } = options;
  const all: StoreOptions = { ...DEFAULT_STORE_OPTIONS, upkeepEveryMs: null, ...given };
  return new DurableStore(storage, resolveLimits(all, all.maxBytes ?? DEFAULT_MAX_BYTES), deps);
}
