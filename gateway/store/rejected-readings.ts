import { createHash } from 'node:crypto';
import { type Ended, type Ends, endIn, nothingEnded, openIn, type Touched } from './rejected-ends.ts';
import { bytesOf, type Entry, INDEX_BYTES, Sums, type Written, writeEntry } from './rejected-entries.ts';
import { IDS, RejectedQueries } from './rejected-queries.ts';
import { decodeRejected, encodeRejected, type RejectedMessage } from './rejection-record.ts';
import type { Reading } from './storage.ts';
import type { Change } from './transaction.ts';

/**
 * Clients are told apart by 16 bits of a hash: the room each uses is then one number in a small array, however many
 * client ids a sender invents. Salted with the store's id, so that nobody can choose whose share to use up.
 */
const SHARES = 65_536;
/** Messages that one turn of ageing removes. */
const MAX_EXPIRED = 500;

/**
 * The rejected readings on disk, within `maxBytes`. When that is full, whoever uses most loses its oldest first, down to a
 * common level: a client that floods the store with rejections pushes out its own, never those of a quiet one. What was
 * replayed stays as long as it would have otherwise.
 *
 * Every reading ever rejected is open, evicted, replayed or discarded: each number changes in the transaction that makes it
 * so.
 */
export class RejectedReadings {
  readonly queries: RejectedQueries;
  readonly #reading: Reading;
  readonly #salt: string;
  readonly #maxBytes: number;
  readonly #bytesByShare = new Float64Array(SHARES);
  readonly #readingsByShare = new Float64Array(SHARES);
  bytes = 0;
  /** Held, and of those how many are replayed. */
  count = 0;
  #resolved = 0;
  evicted = 0;
  replayed = 0;
  discarded = 0;
  /** The number of the next rejection. */
  nextId = 1;

  constructor(reading: Reading, salt: string, maxBytes: number) {
    this.#reading = reading;
    this.#salt = salt;
    this.#maxBytes = maxBytes;
    this.queries = new RejectedQueries(reading, (client) => this.#shareOf(client));
  }

  get openCount(): number {
    return this.count - this.#resolved;
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
    const number = (name: string): number => Number(this.#reading.get('state', name)?.toString() ?? 0);
    this.evicted = number('rejected-evicted');
    this.replayed = number('rejected-replayed');
    this.discarded = number('rejected-discarded');
    this.#resolved = number('rejected-resolved');
    for (const { key, value } of this.#reading.entries('rejected', { reverse: true, limit: 1 })) {
      this.nextId = Number(key) + decodeRejected(value, Number(key)).length;
    }
  }

  /** Plans to add `messages`, to remove what has to make room, and to end others. `ended`: how many that were. */
  change(messages: readonly RejectedMessage[], ends: Ends | null): Change & { readonly ended: number } {
    if (messages.length === 0 && (ends === null || ends.ends.size === 0)) return NOTHING;
    const shares = new Map<string, number>();
    const shareOf = (client: string): number => {
      const share = shares.get(client) ?? this.#shareOf(client);
      shares.set(client, share);
      return share;
    };
    const added = messages.map((message): Written => {
      const value = encodeRejected(message);
      const { firstId: id, own } = message;
      const share = shareOf(message.shared.client);
      return { share, id, bytes: bytesOf(value), readings: own.length, resolved: 0, value };
    });
    const addedBytes = added.reduce((sum, { bytes }) => sum + bytes, 0);
    const removals = this.#makeRoom(added, addedBytes);
    const ended = ends === null ? nothingEnded() : this.#end(ends, shareOf);
    return { ...this.#plan(added, removals, ended), ended: ended.count };
  }

  /** Plans to remove what was rejected before `beforeMs`; null when nothing was. */
  expire(beforeMs: number): Change | null {
    const removals: Entry[] = [];
    for (const { key, value } of this.#reading.entries('rejected', { limit: MAX_EXPIRED })) {
      const id = Number(key);
      const held = decodeRejected(value, id).filter((each) => each !== null);
      const [first] = held;
      if (first === undefined || first.atMs >= beforeMs) break;
      const resolved = held.filter((each) => each.resolved !== null).length;
      const share = this.#shareOf(first.client);
      const bytes = this.#bytesAt(share, id) ?? bytesOf(value);
      removals.push({ share, id, bytes, readings: held.length, resolved });
    }
    return removals.length === 0 ? null : this.#plan([], removals, nothingEnded());
  }

  #shareOf(client: string): number {
    return createHash('sha256').update(this.#salt).update(client).digest().readUInt16LE(0);
  }

  /** A record is written once, however many of its readings end. */
  #end({ ends, atMs, sink }: Ends, shareOf: (client: string) => number): Ended {
    const touched: Touched[] = [];
    let current: Touched | null = null;
    for (const id of [...ends.keys()].sort((a, b) => a - b)) {
      if (current === null || id >= current.firstId + current.readings.length) {
        current = this.#touch(id);
        if (current !== null) touched.push(current);
      }
      const end = ends.get(id);
      const reading = current?.readings[id - current.firstId] ?? null;
      if (current === null || end === undefined || reading === null) continue;
      if (sink !== undefined && (reading.code !== 'sink-rejected' || reading.sink !== sink)) continue;
      if (end === 'discarded' || reading.resolved === null) current.changes.set(id - current.firstId, end);
    }
    const ended = nothingEnded();
    for (const each of touched) {
      const first = each.readings.find((reading) => reading !== null);
      if (each.changes.size === 0 || first === undefined || first === null) continue;
      const share = shareOf(first.client);
      endIn(each, atMs, share, this.#bytesAt(share, each.firstId) ?? bytesOf(each.value), ended);
    }
    return ended;
  }

  #touch(id: number): Touched | null {
    const record = this.queries.recordFor(id);
    if (record === null) return null;
    return { ...record, readings: decodeRejected(record.value, record.firstId), changes: new Map() };
  }

  /** What was counted for the record when it was written. */
  #bytesAt(share: number, id: number): number | null {
    return this.#reading.get('rejected-index', share * IDS + id)?.readDoubleLE(0) ?? null;
  }

  /**
   * Lowers a common level until everything under it fits, and takes from each share what stands above it, oldest first.
   * A little more than needed goes, so that this is paid for seldom.
   */
  #makeRoom(added: readonly Entry[], addedBytes: number): Entry[] {
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
    const removals: Entry[] = [];
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

  #takeStored(share: number, over: number, removals: Entry[]): number {
    let left = over;
    const from = share * IDS;
    for (const { key, value } of this.#reading.entries('rejected-index', { from, through: from + IDS - 1 })) {
      if (left <= 0) break;
      const bytes = value.readDoubleLE(0);
      // Twelve bytes from before readings could be replayed.
      const resolved = value.length < INDEX_BYTES ? 0 : value.readUInt32LE(12);
      removals.push({ share, id: Number(key) - from, bytes, readings: value.readUInt32LE(8), resolved });
      left -= bytes;
    }
    return left;
  }

  #plan(added: readonly Written[], removals: readonly Entry[], ended: Ended): Change {
    const gone = new Set(removals.map(({ id }) => id));
    const neverStored = new Set(added.map(({ id }) => id));
    const written = ended.written.filter(({ before }) => !gone.has(before.id));
    const deleted = ended.deleted.filter(({ id }) => !gone.has(id));
    const stored = added.filter(({ id }) => !gone.has(id));
    const removed = [...removals.filter(({ id }) => !neverStored.has(id)), ...deleted];
    const sums = new Sums();
    for (const each of stored) sums.add(each, 1);
    for (const each of removed) sums.add(each, -1);
    for (const { before, after } of written) {
      sums.add(before, -1);
      sums.add(after, 1);
    }
    const state = {
      'rejected-evicted': this.evicted + openIn(removals, ended),
      'rejected-replayed': this.replayed + ended.replayed,
      'rejected-discarded': this.discarded + ended.discarded,
      'rejected-resolved': this.#resolved + sums.resolved,
    };
    return {
      write: (writes) => {
        for (const each of stored) writeEntry(writes, each);
        for (const { after } of written) writeEntry(writes, after);
        for (const { share, id } of removed) {
          writes.remove('rejected', id);
          writes.remove('rejected-index', share * IDS + id);
        }
        for (const [share, { bytes, readings }] of sums.byShare) {
          const value = Buffer.alloc(16);
          value.writeDoubleLE((this.#bytesByShare[share] ?? 0) + bytes, 0);
          value.writeDoubleLE((this.#readingsByShare[share] ?? 0) + readings, 8);
          if (value.readDoubleLE(8) === 0) writes.remove('rejected-shares', share);
          else writes.put('rejected-shares', share, value);
        }
        if (removals.length === 0 && ended.count === 0) return;
        for (const [key, n] of Object.entries(state)) writes.put('state', key, Buffer.from(String(n)));
      },
      done: () => {
        for (const [share, { bytes, readings }] of sums.byShare) {
          this.#bytesByShare[share] = (this.#bytesByShare[share] ?? 0) + bytes;
          this.#readingsByShare[share] = (this.#readingsByShare[share] ?? 0) + readings;
          this.bytes += bytes;
          this.count += readings;
        }
        this.evicted = state['rejected-evicted'];
        this.replayed = state['rejected-replayed'];
        this.discarded = state['rejected-discarded'];
        this.#resolved = state['rejected-resolved'];
      },
    };
  }
}

const NOTHING: Change & { readonly ended: number } = {
  write: () => undefined,
  done: () => undefined,
  ended: 0,
};

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
