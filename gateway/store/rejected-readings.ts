import { createHash } from 'node:crypto';
import type { Rejection, RejectionFilter } from '../store-contract.ts';
import {
  decodeRejected,
  encodeRejected,
  parseRejectionId,
  type RejectedMessage,
} from './rejection-record.ts';
import { costOf, type Reading } from './storage.ts';
import type { Change } from './transaction.ts';

/**
 * Clients are told apart by 16 bits of a hash: the room each uses is then one number in a small array, however many
 * client ids a sender invents. Salted with the store's id, so that nobody can choose whose share to use up.
 */
const SHARES = 65_536;
/** An index key is share and id in one number that a double holds exactly. */
const IDS = 2 ** 37;

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** Messages that one listing looks at, at most, and bytes of them: it holds up the event loop. */
const MAX_SCANNED = 10_000;
const MAX_SCANNED_BYTES = 16 * 1024 * 1024;
/** Messages that one turn of ageing removes. */
const MAX_EXPIRED = 500;

interface Removal {
  readonly share: number;
  readonly id: number;
  readonly bytes: number;
  readonly readings: number;
}

/**
 * The rejected readings on disk, within `maxBytes`. When that is full, whoever uses most loses its oldest first, down to a
 * common level: a client that floods the store with rejections pushes out its own, never those of a quiet one.
 */
export class RejectedReadings {
  readonly #reading: Reading;
  readonly #salt: string;
  readonly #maxBytes: number;
  readonly #bytesByShare = new Float64Array(SHARES);
  readonly #readingsByShare = new Float64Array(SHARES);
  bytes = 0;
  count = 0;
  evicted = 0;
  /** The number of the next rejection. */
  nextId = 1;

  constructor(reading: Reading, salt: string, maxBytes: number) {
    this.#reading = reading;
    this.#salt = salt;
    this.#maxBytes = maxBytes;
  }

  load(): void {
    for (const { key, value } of this.#reading.entries('rejected-shares')) {
      const share = Number(key);
      const bytes = value.readDoubleLE(0);
      const readings = value.readDoubleLE(8);
      this.#bytesByShare[share] = bytes;
      this.#readingsByShare[share] = readings;
      this.bytes += bytes;
      this.count += readings;
    }
    this.evicted = Number(this.#reading.get('state', 'rejected-evicted')?.toString() ?? 0);
    for (const { key, value } of this.#reading.entries('rejected', { reverse: true, limit: 1 })) {
      this.nextId = Number(key) + decodeRejected(value, Number(key)).length;
    }
  }

  /** Plans to add `messages`, and to remove what has to make room. */
  add(messages: readonly RejectedMessage[]): Change {
    if (messages.length === 0) return NOTHING;
    const shares = new Map<string, number>();
    const shareOf = (client: string): number => {
      const share = shares.get(client) ?? this.#shareOf(client);
      shares.set(client, share);
      return share;
    };
    const added = messages.map((message) => {
      const value = encodeRejected(message);
      const bytes = costOf(value.length) + costOf(12);
      const { firstId: id } = message;
      return { share: shareOf(message.shared.client), id, bytes, readings: message.own.length, value };
    });
    const addedBytes = added.reduce((sum, { bytes }) => sum + bytes, 0);
    const removals = this.#makeRoom(added, addedBytes);
    const gone = new Set(removals.map(({ id }) => id));
    return this.#plan(
      added.filter(({ id }) => !gone.has(id)),
      removals,
      new Set(added.map(({ id }) => id)),
    );
  }

  /** Plans to remove what was rejected before `beforeMs`; null when nothing was. */
  expire(beforeMs: number): Change | null {
    const removals: Removal[] = [];
    for (const { key, value } of this.#reading.entries('rejected', { limit: MAX_EXPIRED })) {
      const id = Number(key);
      const rejections = decodeRejected(value, id);
      const [first] = rejections;
      if (first === undefined || first.atMs >= beforeMs) break;
      const share = this.#shareOf(first.client);
      removals.push({ share, id, bytes: costOf(value.length) + costOf(12), readings: rejections.length });
    }
    return removals.length === 0 ? null : this.#plan([], removals, new Set());
  }

  byId(text: string): Rejection | null {
    const id = parseRejectionId(text);
    if (id === null) return null;
    for (const { key, value } of this.#reading.entries('rejected', { from: id, reverse: true, limit: 1 })) {
      return decodeRejected(value, Number(key))[id - Number(key)] ?? null;
    }
    return null;
  }

  /** Newest first. Looks at the newest 10,000 messages, or 16 MiB of them (of the client, where one is asked for). */
  list(filter: RejectionFilter): Rejection[] {
    const limit = Math.min(filter.limit ?? DEFAULT_LIMIT, MAX_LIMIT);
    const found: Rejection[] = [];
    let scannedBytes = 0;
    for (const { id, value } of this.#newestFirst(filter.client)) {
      if (found.length >= limit || scannedBytes > MAX_SCANNED_BYTES) break;
      scannedBytes += value.length;
      for (const rejection of decodeRejected(value, id).reverse()) {
        if (found.length < limit && matches(rejection, filter)) found.push(rejection);
      }
    }
    return found;
  }

  *#newestFirst(client: string | undefined): Generator<{ id: number; value: Buffer }> {
    if (client === undefined) {
      for (const { key, value } of this.#reading.entries('rejected', { reverse: true, limit: MAX_SCANNED })) {
        yield { id: Number(key), value };
      }
      return;
    }
    const from = this.#shareOf(client) * IDS;
    const range = { from: from + IDS - 1, through: from, reverse: true, limit: MAX_SCANNED };
    for (const { key } of this.#reading.entries('rejected-index', range)) {
      const id = Number(key) - from;
      const value = this.#reading.get('rejected', id);
      if (value !== null) yield { id, value };
    }
  }

  #shareOf(client: string): number {
    return createHash('sha256').update(this.#salt).update(client).digest().readUInt16LE(0);
  }

  /**
   * Lowers a common level until everything under it fits, and takes from each share what stands above it, oldest first.
   * A little more than needed goes, so that this is paid for seldom.
   */
  #makeRoom(added: readonly Removal[], addedBytes: number): Removal[] {
    if (this.bytes + addedBytes <= this.#maxBytes) return [];
    const slack = Math.min(this.#maxBytes / 64, 262_144);
    const target = this.#maxBytes - slack;
    const used = new Map<number, number>();
    for (let share = 0; share < SHARES; share += 1) {
      const bytes = this.#bytesByShare[share] ?? 0;
      if (bytes > 0) used.set(share, bytes);
    }
    for (const { share, bytes } of added) used.set(share, (used.get(share) ?? 0) + bytes);
    const level = levelOf([...used.values()], target);
    const removals: Removal[] = [];
    for (const [share, bytes] of used) {
      let over = bytes - level;
      if (over > 0) over = this.#takeStored(share, over, removals);
      for (const each of added) {
        if (over <= 0) break;
        if (each.share !== share) continue;
        removals.push(each);
        over -= each.bytes;
      }
    }
    return removals;
  }

  #takeStored(share: number, over: number, removals: Removal[]): number {
    let left = over;
    const from = share * IDS;
    for (const { key, value } of this.#reading.entries('rejected-index', { from, through: from + IDS - 1 })) {
      if (left <= 0) break;
      const bytes = value.readDoubleLE(0);
      removals.push({ share, id: Number(key) - from, bytes, readings: value.readUInt32LE(8) });
      left -= bytes;
    }
    return left;
  }

  #plan(
    added: readonly (Removal & { readonly value: Buffer })[],
    removed: readonly Removal[],
    neverStored: ReadonlySet<number>,
  ): Change {
    const changes = new Map<number, { bytes: number; readings: number }>();
    const change = ({ share, bytes, readings }: Removal, sign: 1 | -1): void => {
      const sum = changes.get(share) ?? { bytes: 0, readings: 0 };
      sum.bytes += sign * bytes;
      sum.readings += sign * readings;
      changes.set(share, sum);
    };
    for (const each of added) change(each, 1);
    for (const each of removed) if (!neverStored.has(each.id)) change(each, -1);
    const evicted = this.evicted + removed.reduce((sum, { readings }) => sum + readings, 0);
    return {
      write: (writes) => {
        for (const { share, id, bytes, readings, value } of added) {
          writes.put('rejected', id, value);
          const index = Buffer.alloc(12);
          index.writeDoubleLE(bytes, 0);
          index.writeUInt32LE(readings, 8);
          writes.put('rejected-index', share * IDS + id, index);
        }
        for (const { share, id } of removed) {
          if (neverStored.has(id)) continue;
          writes.remove('rejected', id);
          writes.remove('rejected-index', share * IDS + id);
        }
        for (const [share, { bytes, readings }] of changes) {
          const value = Buffer.alloc(16);
          value.writeDoubleLE((this.#bytesByShare[share] ?? 0) + bytes, 0);
          value.writeDoubleLE((this.#readingsByShare[share] ?? 0) + readings, 8);
          if (value.readDoubleLE(8) === 0) writes.remove('rejected-shares', share);
          else writes.put('rejected-shares', share, value);
        }
        if (removed.length > 0) writes.put('state', 'rejected-evicted', Buffer.from(String(evicted)));
      },
      done: () => {
        for (const [share, { bytes, readings }] of changes) {
          this.#bytesByShare[share] = (this.#bytesByShare[share] ?? 0) + bytes;
          this.#readingsByShare[share] = (this.#readingsByShare[share] ?? 0) + readings;
          this.bytes += bytes;
          this.count += readings;
        }
        this.evicted = evicted;
      },
    };
  }
}

const NOTHING: Change = { write: () => undefined, done: () => undefined };

/** The level at which `used`, each cut off there, adds up to `target`. */
function levelOf(used: readonly number[], target: number): number {
  const ascending = [...used].sort((a, b) => a - b);
  let below = 0;
  for (const [i, bytes] of ascending.entries()) {
    const above = ascending.length - i;
    if (below + bytes * above >= target) return Math.max(0, (target - below) / above);
    below += bytes;
  }
  return Number.POSITIVE_INFINITY;
}

function matches(rejection: Rejection, { code, device, client }: RejectionFilter): boolean {
  return (
    (code === undefined || rejection.code === code) &&
    (device === undefined || rejection.device === device) &&
    (client === undefined || rejection.client === client)
  );
}
