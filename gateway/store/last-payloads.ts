import { crc32 } from 'node:zlib';
import type { Hash } from '../store-contract.ts';
import { ByteReader, damaged } from './bytes.ts';
import type { Reading } from './storage.ts';
import type { Change } from './transaction.ts';

/** What was remembered longest ago goes beyond this. */
const MAX_TOPICS = 200_000;
/** Entries on disk that are out of date are put up with to this number, and to that of the topics. */
const SPARE_ENTRIES = 4096;
/** Entries that one group looks through to make room, for each that it brings, and at least. */
const LOOKED_AT_EACH = 4;
const LOOKED_AT_LEAST = 256;
/** Values that one transaction deletes at most. */
const MOST_REMOVED = 32;

const VERSION = 1;
const HEADER_BYTES = 8;
const ENTRY_BYTES = 24;
const NOTHING: Change = { write: () => undefined, done: () => undefined };

interface Remembered {
  readonly topicHigh: number;
  readonly topicLow: number;
  readonly payloadHigh: number;
  readonly payloadLow: number;
  /** Rises with each that is remembered. */
  readonly age: number;
}

/** What a group remembers, by `topicKey`. */
export type LastNotes = Map<number, Omit<Remembered, 'age'>>;

/** 53 of the 64 bits: where two topics share them, one of them is not remembered. */
export function topicKey({ high, low }: Hash): number {
  return (high & 0x1f_ffff) * 2 ** 32 + low;
}

/**
 * The last payload of each topic, by hashes. Each group that remembers some writes them as one value of the table `last`,
 * under its number:
 *
 * ```
 *  0  u32  version of this layout: 1
 *  4  u32  CRC-32 of what follows
 *  8  [u32 u32 topic, u32 u32 payload, f64 age]…
 * ```
 *
 * A topic's newest entry counts. When more than half of the entries are out of date, groups carry what still counts of the
 * oldest values along and delete these: so every write is at the end of the table, however many topics there are. In
 * memory is only where each topic's entry lies.
 */
export class LastPayloads {
  readonly #reading: Reading;
  readonly #maxTopics: number;
  /** By `topicKey`, which value has its entry; in the order in which they were remembered. */
  readonly #seqs = new Map<number, number>();
  #entries = 0;
  #nextAge = 1;
  /** The value of a group that could not be committed after all. */
  #stale: number | null = null;

  constructor(reading: Reading, maxTopics = MAX_TOPICS) {
    this.#reading = reading;
    this.#maxTopics = maxTopics;
  }

  load(): void {
    const keys: number[] = [];
    const seqs: number[] = [];
    const ages: number[] = [];
    for (const { key, value } of this.#reading.entries('last')) {
      for (const entry of entriesOf(value, Number(key))) {
        keys.push(topicKey({ high: entry.topicHigh, low: entry.topicLow }));
        seqs.push(Number(key));
        ages.push(entry.age);
      }
    }
    const byAge = Uint32Array.from(keys.keys()).sort((a, b) => (ages[a] ?? 0) - (ages[b] ?? 0));
    for (const i of byAge) this.#remember(keys[i] ?? 0, seqs[i] ?? 0);
    this.#entries = keys.length;
    this.#nextAge = (ages[byAge.at(-1) ?? 0] ?? 0) + 1;
  }

  *[Symbol.iterator](): Generator<readonly [topic: Hash, payload: Hash]> {
    if (this.#seqs.size === 0) return;
    for (const { key, value } of this.#reading.entries('last')) {
      const seq = Number(key);
      for (const { topicHigh, topicLow, payloadHigh, payloadLow } of entriesOf(value, seq)) {
        const topic = { high: topicHigh, low: topicLow };
        if (this.#seqs.get(topicKey(topic)) === seq) yield [topic, { high: payloadHigh, low: payloadLow }];
      }
    }
  }

  /** What group `seq` remembers. */
  commit(notes: LastNotes | null, seq: number): Change {
    const stale = this.#stale;
    if (notes === null) {
      if (stale === null) return NOTHING;
      return { write: (writes) => writes.remove('last', stale), done: () => this.#forgetStale() };
    }
    const { carried, removed, lookedAt } = this.#clean(notes, seq);
    const value = encode(carried, notes, this.#nextAge);
    return {
      write: (writes) => {
        if (stale !== null && stale !== seq) writes.remove('last', stale);
        for (const old of removed) writes.remove('last', old);
        writes.put('last', seq, value);
      },
      done: () => {
        this.#forgetStale();
        this.#nextAge += notes.size;
        this.#entries += carried.length + notes.size - lookedAt;
        for (const { topicHigh: high, topicLow: low } of carried)
          this.#seqs.set(topicKey({ high, low }), seq);
        for (const key of notes.keys()) this.#remember(key, seq);
      },
      failed: () => {
        this.#stale = seq;
      },
    };
  }

  #forgetStale(): void {
    this.#stale = null;
  }

  #remember(key: number, seq: number): void {
    this.#seqs.delete(key);
    this.#seqs.set(key, seq);
    if (this.#seqs.size <= this.#maxTopics) return;
    for (const oldest of this.#seqs.keys()) {
      this.#seqs.delete(oldest);
      return;
    }
  }

  /** Which of the oldest values to delete, and what of them still counts. */
  #clean(
    notes: LastNotes,
    seq: number,
  ): { carried: readonly Remembered[]; removed: readonly number[]; lookedAt: number } {
    const carried: Remembered[] = [];
    const removed: number[] = [];
    let lookedAt = 0;
    const most = Math.max(LOOKED_AT_LEAST, LOOKED_AT_EACH * notes.size);
    const allowed = 2 * this.#seqs.size + SPARE_ENTRIES;
    if (this.#entries + notes.size <= allowed) return { carried, removed, lookedAt };
    for (const { key, value } of this.#reading.entries('last', { limit: MOST_REMOVED })) {
      const old = Number(key);
      if (lookedAt >= most || old >= seq) break;
      for (const entry of entriesOf(value, old)) {
        lookedAt += 1;
        const topic = topicKey({ high: entry.topicHigh, low: entry.topicLow });
        if (this.#seqs.get(topic) === old && !notes.has(topic)) carried.push(entry);
      }
      removed.push(old);
    }
    return { carried, removed, lookedAt };
  }
}

function encode(carried: readonly Remembered[], notes: LastNotes, firstAge: number): Buffer {
  const value = Buffer.allocUnsafe(HEADER_BYTES + ENTRY_BYTES * (carried.length + notes.size));
  value.writeUInt32LE(VERSION, 0);
  let at = HEADER_BYTES;
  const write = (entry: Omit<Remembered, 'age'>, age: number): void => {
    at = value.writeUInt32LE(entry.topicHigh, at);
    at = value.writeUInt32LE(entry.topicLow, at);
    at = value.writeUInt32LE(entry.payloadHigh, at);
    at = value.writeUInt32LE(entry.payloadLow, at);
    at = value.writeDoubleLE(age, at);
  };
  for (const entry of carried) write(entry, entry.age);
  let age = firstAge;
  for (const entry of notes.values()) {
    write(entry, age);
    age += 1;
  }
  value.writeUInt32LE(crc32(value.subarray(HEADER_BYTES)), 4);
  return value;
}

/** @throws GatewayError `store-damaged`. */
function* entriesOf(value: Buffer, seq: number): Generator<Remembered> {
  const what = `group ${seq} of the last payloads`;
  const reader = new ByteReader(value, what);
  const version = reader.u32();
  if (version !== VERSION) throw damaged(what, `its layout is ${version}, not ${VERSION}`);
  if (reader.u32() !== crc32(value.subarray(HEADER_BYTES)))
    throw damaged(what, 'its checksum does not match');
  while (reader.left > 0) {
    yield {
      topicHigh: reader.u32(),
      topicLow: reader.u32(),
      payloadHigh: reader.u32(),
      payloadLow: reader.u32(),
      age: reader.f64(),
    };
  }
}
