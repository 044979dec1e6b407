import { accessSync, chmodSync, constants, existsSync, mkdirSync, statfsSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { GatewayError, messageOf } from '../errors.ts';
import { checkLmdbFile } from './lmdb-file.ts';
import type { Entry, Key, Range, Reading, Table } from './storage.ts';
import { TABLES } from './storage.ts';

const GIB = 2 ** 30;
/** Addresses, not memory. */
const LEAST_MAP_BYTES = 64 * GIB;
/** Larger maps cannot be had on 32-bit machines. */
const MAP_BYTES_32 = GIB;
/** LMDB writes its first pages itself, before room can be made for it. */
const FIRST_BYTES = 2 ** 20;

const is32Bit = arch() === 'arm' || arch() === 'ia32';

/** The most a store can be given here. */
export const MOST_BYTES = is32Bit ? MAP_BYTES_32 / 2 : Number.MAX_SAFE_INTEGER;

/** The map is larger than the data: pages that were freed lie between those in use, and there is a reserve. */
export function mapBytesFor(maxBytes: number): number {
  return is32Bit ? MAP_BYTES_32 : Math.max(LEAST_MAP_BYTES, 4 * maxBytes);
}

export interface Environment extends Reading {
  readonly file: string;
  /** Where the last page ends that was ever in use. */
  endOfData(): number;
  readonly root: RootDatabase<Buffer, Key>;
  table(table: Table): Database<Buffer, Key>;
  /** Lets go of the snapshot that the last reads used: an old one keeps pages from being used again. */
  letGo(): void;
  close(): Promise<void>;
}

/** Makes the folder, for nobody but the owner. @throws GatewayError `data-unwritable`. */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    if (existsSync(fileIn(dir))) return;
    const { bavail, bsize } = statfsSync(dir);
    if (bavail * bsize < FIRST_BYTES) throw new Error('its disk is full');
  } catch (error) {
    throw new GatewayError('data-unwritable', `the data folder ${dir} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function fileIn(dir: string): string {
  return join(dir, 'data.mdb');
}

/**
 * Opens the LMDB environment in `dir`; also a second time, in another thread of the process: it then shares the map of
 * the first.
 *
 * - `overlappingSync: false`: a transaction is visible, and its promise resolves, only when it is synced; one whose sync
 *   fails never was. With overlapping syncs (the default of lmdb), data whose sync failed stays visible, and the promise
 *   for the sync never settles on a full disk. It costs nothing: the syncs per commit are the same.
 * - `eventTurnBatching: false`: otherwise lmdb makes a promise of its own per event turn, and nobody can catch its
 *   rejection, which ends the process. Transactions are made with `batch`.
 *
 * @throws GatewayError `data-unwritable`, `store-damaged`.
 */
export function openEnvironment(dir: string, mapBytes: number): Environment {
  if (existsSync(fileIn(dir))) checkLmdbFile(fileIn(dir));
  const root = openRoot(dir, mapBytes);
  const tables = new Map<Table, Database<Buffer, Key>>();
  const table = (name: Table): Database<Buffer, Key> => {
    let found = tables.get(name);
    if (found === undefined) {
      found = root.openDB<Buffer, Key>(name, { encoding: 'binary' });
      tables.set(name, found);
    }
    return found;
  };
  return {
    file: fileIn(dir),
    root,
    table,
    endOfData: () => {
      // `getStats` is declared as returning {}; these two are read from the environment in every version of lmdb 3.
      const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
      return (lastPageNumber + 1) * pageSize;
    },
    get: (name, key) => {
      const value = table(name).getBinary(key);
      return value === undefined ? null : asBuffer(value);
    },
    entries: (name, range) => entriesOf(table(name), range ?? {}),
    letGo: () => root.resetReadTxn(),
    close: () => root.close(),
  };
}

function openRoot(dir: string, mapBytes: number): RootDatabase<Buffer, Key> {
  try {
    return open<Buffer, Key>({
      path: dir,
      noSubdir: false,
      mapSize: mapBytes,
      maxDbs: TABLES.length + 1,
      encoding: 'binary',
      overlappingSync: false,
      eventTurnBatching: false,
    });
  } catch (error) {
    const said = messageOf(error);
    const isDamage = /MDB_(INVALID|CORRUPTED|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)|not an LMDB/i.test(said);
    throw new GatewayError(
      isDamage ? 'store-damaged' : 'data-unwritable',
      isDamage
        ? `the store in ${dir} cannot be read: ${said}. Keep a copy of the folder, then use another one.`
        : `the store in ${dir} cannot be opened: ${said}`,
      { cause: error },
    );
  }
}

function* entriesOf(db: Database<Buffer, Key>, range: Range): Generator<Entry> {
  const { from, through, reverse = false, limit } = range;
  const options = {
    reverse,
    ...(from === undefined ? {} : { start: from }),
    ...(limit === undefined ? {} : { limit }),
  };
  for (const { key, value } of db.getRange(options)) {
    if (through !== undefined && (reverse ? key < through : key > through)) return;
    yield { key, value: asBuffer(value) };
  }
}

/** Without copying: lmdb gives its own copy, of whatever subclass of Uint8Array. */
function asBuffer(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
