import { GatewayError, isGatewayError, messageOf } from '../errors.ts';
import { DiskRoom } from './disk-room.ts';
import { readFormat } from './format.ts';
import { type Environment, makeFolder, mapBytesFor, openEnvironment } from './lmdb-environment.ts';
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

const PAGE = 4096;
/** Pages that a transaction may write beside those of its values: roots, branches, the list of freed pages. */
const FIXED_PAGES = 128;
/** Per value: its leaf, and the leaf's other half when it splits. */
const PAGES_PER_WRITE = 2;
/** What a group of usual size may need: `shortage` looks this far ahead. */
const GROUP_BYTES = 2.5 * 1024 * 1024;

interface Change {
  readonly table: Table;
  readonly key: Key;
  readonly value: Buffer | null;
}

/** The tables in an LMDB environment: every transaction is synced before its promise resolves. */
export class LmdbStorage implements Storage {
  readonly path: string;
  readonly #environment: Environment;
  readonly #room: DiskRoom;

  private constructor(path: string, environment: Environment, room: DiskRoom) {
    this.path = path;
    this.#environment = environment;
    this.#room = room;
  }

  /** @throws GatewayError `data-unwritable`, `store-damaged`, `store-version`. */
  static async open(dir: string, maxBytes: number, minFreeDiskBytes: number): Promise<LmdbStorage> {
    makeFolder(dir);
    const maxFileBytes = mapBytesFor(maxBytes);
    const environment = openEnvironment(dir, maxFileBytes);
    const { file, endOfData } = environment;
    const room = new DiskRoom({ dir, file, minFreeDiskBytes, maxFileBytes, endOfData });
    try {
      // Before anything is written: a store of a newer version stays as it is.
      readFormat(environment);
      for (const table of TABLES) environment.table(table);
      await room.open();
    } catch (error) {
      await environment.close();
      if (isGatewayError(error)) throw error;
      throw new GatewayError('data-unwritable', `${file} cannot be written: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return new LmdbStorage(dir, environment, room);
  }

  get diskFreeBytes(): number {
    return this.#room.freeBytes;
  }

  get usedBytes(): number {
    return this.#room.usedBytes;
  }

  get(table: Table, key: Key): Buffer | null {
    return this.#environment.get(table, key);
  }

  entries(table: Table, range?: Range): Iterable<Entry> {
    return this.#environment.entries(table, range);
  }

  async commit(write: (writes: Writes) => void, reserveBytes: number): Promise<void> {
    const changes: Change[] = [];
    let pages = FIXED_PAGES;
    write({
      put: (table, key, value) => {
        changes.push({ table, key, value });
        pages += PAGES_PER_WRITE + Math.ceil((value.length + 16) / PAGE);
      },
      remove: (table, key) => {
        changes.push({ table, key, value: null });
        pages += PAGES_PER_WRITE;
      },
    });
    if (changes.length === 0) return;
    const bytes = pages * PAGE;
    if (!(this.#room.fits(bytes, reserveBytes) || (await this.#room.make(bytes, reserveBytes)))) {
      const { state, reason } = this.#room.shortage ?? { state: 'unavailable', reason: 'there is no room' };
      throw new GatewayError(state === 'full' ? 'store-full' : 'store-unavailable', reason);
    }
    this.#room.taken(bytes);
    try {
      await this.#environment.root.batch(() => {
        for (const { table, key, value } of changes) this.#enqueue(table, key, value);
      });
    } catch (error) {
      throw new GatewayError('store-unavailable', await wordsOf(error), { cause: error });
    }
  }

  shortage(reserveBytes: number): Shortage | null {
    if (this.#room.fits(GROUP_BYTES, reserveBytes)) return null;
    return this.#room.shortage;
  }

  async refresh(): Promise<void> {
    await this.#room.refresh();
  }

  async close(): Promise<void> {
    await this.#room.close();
    await this.#environment.close();
  }

  /** The promises of the parts say nothing of their own: that of the whole batch does. */
  #enqueue(table: Table, key: Key, value: Buffer | null): void {
    const db = this.#environment.table(table);
    const part = value === null ? db.remove(key) : db.put(key, value);
    part.catch(() => undefined);
  }
}

/** lmdb rejects with "Commit failed", and with the reason in a further promise that rejects a little later. */
async function wordsOf(error: unknown): Promise<string> {
  const reason: unknown = error instanceof Error ? Reflect.get(error, 'commitError') : undefined;
  try {
    await reason;
  } catch (said) {
    return messageOf(said);
  }
  return messageOf(error);
}
