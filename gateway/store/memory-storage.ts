import {
  type Entry,
  type Key,
  type Range,
  type Shortage,
  type Storage,
  TABLES,
  type Table,
  type Writes,
} from './storage.ts';

interface Sorted {
  readonly values: Map<Key, Buffer>;
  /** Ascending; null when a key came or went since. */
  keys: Key[] | null;
}

/**
 * The tables of a store in memory: nothing survives the process, but a second store may be opened on the same tables, as
 * after a restart. `fail` and `shorten` play a disk that fails or fills up.
 */
export class MemoryStorage implements Storage {
  readonly path = null;
  readonly diskFreeBytes = Number.MAX_SAFE_INTEGER;
  readonly usedBytes = 0;
  /** While set, no transaction succeeds. */
  fail: Error | null = null;
  /** While set, there is no room for groups. */
  shorten: Shortage | null = null;
  readonly #tables = new Map<Table, Sorted>(
    TABLES.map((table) => [table, { values: new Map<Key, Buffer>(), keys: [] }]),
  );

  get(table: Table, key: Key): Buffer | null {
    const value = this.#table(table).values.get(key);
    return value === undefined ? null : Buffer.from(value);
  }

  *entries(table: Table, range: Range = {}): Generator<Entry> {
    const { from, through, reverse = false, limit = Number.POSITIVE_INFINITY } = range;
    const sorted = this.#table(table);
    sorted.keys ??= [...sorted.values.keys()].sort(ascending);
    const [low, high] = reverse ? [through, from] : [from, through];
    const start = low === undefined ? 0 : firstAtLeast(sorted.keys, low);
    const found: Key[] = [];
    for (let i = start; i < sorted.keys.length; i += 1) {
      const key = sorted.keys[i];
      if (key === undefined || (high !== undefined && ascending(key, high) > 0)) break;
      found.push(key);
      if (!reverse && found.length >= limit) break;
    }
    if (reverse) found.reverse();
    for (const key of found.slice(0, limit)) {
      const value = sorted.values.get(key);
      if (value !== undefined) yield { key, value: Buffer.from(value) };
    }
  }

  async commit(write: (writes: Writes) => void): Promise<void> {
    const changes: { table: Table; key: Key; value: Buffer | null }[] = [];
    write({
      put: (table, key, value) => changes.push({ table, key, value: Buffer.from(value) }),
      remove: (table, key) => changes.push({ table, key, value: null }),
    });
    await new Promise((resolve) => setImmediate(resolve));
    if (this.fail !== null) throw this.fail;
    for (const { table, key, value } of changes) this.#change(this.#table(table), key, value);
  }

  shortage(): Shortage | null {
    return this.shorten;
  }

  async refresh(): Promise<void> {}

  async close(): Promise<void> {}

  #change(sorted: Sorted, key: Key, value: Buffer | null): void {
    if (value === null) {
      if (sorted.values.delete(key)) sorted.keys = null;
      return;
    }
    const isNew = !sorted.values.has(key);
    sorted.values.set(key, value);
    if (!isNew || sorted.keys === null) return;
    const last = sorted.keys.at(-1);
    if (last === undefined || ascending(last, key) < 0) sorted.keys.push(key);
    else sorted.keys = null;
  }

  #table(table: Table): Sorted {
    const found = this.#tables.get(table);
    if (found === undefined) throw new Error(`there is no table ${table}`);
    return found;
  }
}

function ascending(a: Key, b: Key): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function firstAtLeast(keys: readonly Key[], wanted: Key): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const key = keys[middle];
    if (key !== undefined && ascending(key, wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
