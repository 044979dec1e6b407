/**
 * What the store needs from the thing that keeps its bytes: ordered tables and atomic, durable transactions. Two
 * exist: the LMDB environment and the one in memory. Everything the store promises is built above this line, once.
 */

/**
 * - `log`: seq → commit group (`record.ts`)
 * - `rejected`: id of its first rejection → the rejected readings of one message (`rejection-record.ts`)
 * - `rejected-index`: share and id → size, so that a client's oldest can be found (`rejected-readings.ts`)
 * - `rejected-shares`: share → bytes and count
 * - `sinks`: name → ledger
 * - `state`: format and id of the store, folded counters and windows
 * - `documents`: name → text
 * - `outboxes`: name → ledger (`outbox-entry.ts`)
 * - `outbox`: number of the outbox and seq → the messages that this group put into it (`outbox-parcel.ts`)
 * - `last`: seq → the last payloads of topics, by hashes (`last-payloads.ts`)
 */
export const TABLES = [
  'log',
  'rejected',
  'rejected-index',
  'rejected-shares',
  'sinks',
  'state',
  'documents',
  'outboxes',
  'outbox',
  'last',
] as const;
export type Table = (typeof TABLES)[number];

/** A table uses numbers or strings, never both. */
export type Key = number | string;

export interface Entry {
  readonly key: Key;
  readonly value: Buffer;
}

export interface Range {
  /** Inclusive; where reading starts, also when `reverse`. */
  readonly from?: Key;
  /** Inclusive; where reading ends. */
  readonly through?: Key;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export interface Writes {
  /** The value must not change until the transaction has ended. */
  put(table: Table, key: Key, value: Buffer): void;
  remove(table: Table, key: Key): void;
}

/** Why there is no room for another group. */
export interface Shortage {
  readonly state: 'full' | 'unavailable';
  readonly reason: string;
}

/** Holds room in the file that groups may not use, so that trimming and settling stay possible when all else is full. */
export const RESERVE_BYTES = 4 * 1024 * 1024;

export interface Reading {
  /** A copy, or null. */
  get(table: Table, key: Key): Buffer | null;
  /** Copies, in the order of the keys. Leaving the loop early is fine. */
  entries(table: Table, range?: Range): Iterable<Entry>;
}

export interface Storage extends Reading {
  readonly path: string | null;
  /**
   * Carries out all writes or none; resolves when they are on disk. Never called twice at once. Leaves
   * `reserveBytes` untouched: it rejects with a GatewayError `store-unavailable` or `store-full` when that cannot be.
   */
  commit(write: (writes: Writes) => void, reserveBytes: number): Promise<void>;
  /** Whether the next group will find room, leaving `reserveBytes`; null when it will. No disk access. */
  shortage(reserveBytes: number): Shortage | null;
  /** Looks at the disk, and gets more room from it where that is needed and allowed. Never rejects. */
  refresh(): Promise<void>;
  /** As of the last `refresh`. */
  readonly diskFreeBytes: number;
  /** What the tables take up in the file, with what was deleted in them. */
  readonly usedBytes: number;
  close(): Promise<void>;
}

/** What a value takes up: large ones get whole pages of their own, small ones share a leaf. */
export function costOf(valueBytes: number): number {
  return valueBytes > 2000 ? Math.ceil((valueBytes + 16) / 4096) * 4096 : Math.ceil((valueBytes + 48) * 1.25);
}
