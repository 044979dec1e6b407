import { GatewayError, isGatewayError } from '../errors.ts';
import type { OutboxLedger, OutboxMessage, OutboxPlace, OutboxSlice } from '../store-contract.ts';
import {
  decodeOutboxEntry,
  doneMarks,
  encodeOutboxEntry,
  isBehind,
  moveTo,
  newOutboxEntry,
  type OutboxEntry,
} from './outbox-entry.ts';
import {
  decodeParcelHeader,
  MAX_OUTBOX_NUMBER,
  messagesOf,
  type OutboxMarks,
  type OutboxParcel,
  outboxKey,
  outboxNumberOf,
  seqOf,
} from './outbox-parcel.ts';
import { doneValues, dropTo, extentOf, rangeOf, valuesOf } from './outbox-values.ts';
import { costOf, type Reading, type Writes } from './storage.ts';
import type { Change } from './transaction.ts';

/** What is dropped makes room for a while. */
const DROP_TO = 15 / 16;
const NOTHING: Change = { write: () => undefined, done: () => undefined };

export interface OutboxOptions {
  readonly maxBacklogBytes: number;
  readonly whenFull: 'block' | 'drop-oldest' | 'refuse';
}

interface Known {
  readonly name: string;
  entry: OutboxEntry;
  /** Null when it is not in today's configuration. */
  options: OutboxOptions | null;
  /** The totals with its newest group. */
  last: OutboxMarks;
  /** What everything that was deleted took up. */
  deletedBytes: number;
  oldest: { readonly cursor: OutboxPlace; readonly arrivedMs: number } | null;
  readonly listeners: (() => void)[];
}

/** The messages that wait to be forwarded, and how far each outbox is. Apart from the log: neither holds up the other. */
export class OutboxesTable {
  /** What all of them take up, with what is done with and not yet deleted. */
  bytes = 0;
  readonly #reading: Reading;
  /** What all of them together may take up. */
  readonly #maxBytes: number;
  readonly #known = new Map<string, Known>();
  /** Numbers of outboxes that were forgotten, while there are values of theirs. */
  readonly #forgotten = new Set<number>();
  /** Values of a group that could not be committed after all. */
  readonly #stale = new Set<number>();

  constructor(reading: Reading, maxBytes: number) {
    this.#reading = reading;
    this.#maxBytes = maxBytes;
  }

  load(): void {
    const numbers = new Set<number>();
    for (const { key, value } of this.#reading.entries('outboxes')) {
      const name = String(key);
      const entry = decodeOutboxEntry(name, value);
      numbers.add(entry.number);
      const { last, deletedBytes } = extentOf(this.#reading, entry);
      this.#known.set(name, { name, entry, options: null, last, deletedBytes, oldest: null, listeners: [] });
    }
    this.#count();
    let from = 0;
    for (;;) {
      const [first] = this.#reading.entries('outbox', { from: outboxKey(from, 0), limit: 1 });
      if (first === undefined) return;
      const number = outboxNumberOf(Number(first.key));
      if (!numbers.has(number)) this.#forgotten.add(number);
      from = number + 1;
    }
  }

  /** Marks it configured. True when it is new. @throws GatewayError `usage` when there are too many. */
  open(name: string, options: OutboxOptions): boolean {
    const known = this.#known.get(name);
    if (known !== undefined) {
      known.options = options;
      return false;
    }
    const entry = newOutboxEntry(this.#freeNumber());
    const last = doneMarks(entry);
    this.#known.set(name, { name, entry, options, last, deletedBytes: 0, oldest: null, listeners: [] });
    return true;
  }

  #freeNumber(): number {
    const used = new Set([...this.#known.values()].map(({ entry }) => entry.number));
    for (let number = 0; number < MAX_OUTBOX_NUMBER; number += 1) {
      if (!used.has(number) && !this.#forgotten.has(number)) return number;
    }
    throw new GatewayError('usage', 'there are too many forwards');
  }

  write(name: string, writes: Writes): void {
    const known = this.#known.get(name);
    if (known !== undefined) writes.put('outboxes', name, encodeOutboxEntry(known.entry));
  }

  onMessages(name: string, listener: () => void): void {
    this.#get(name).listeners.push(listener);
  }

  #count(): void {
    let sum = 0;
    for (const { last, deletedBytes } of this.#known.values()) sum += last.bytes - deletedBytes;
    this.bytes = sum;
  }

  /** The part of the log's room that is theirs at the moment. */
  get shareBytes(): number {
    return Math.min(this.bytes, this.#maxBytes);
  }

  /** What a group has put into outboxes. What is for none that is known is left out. */
  commit(parcels: ReadonlyMap<string, OutboxParcel> | null, seq: number, arrivedMs: number): Change {
    if (parcels === null && this.#stale.size === 0) return NOTHING;
    const puts: { known: Known; key: number; value: Buffer; marks: OutboxMarks }[] = [];
    for (const [name, parcel] of parcels ?? []) {
      const known = this.#known.get(name);
      if (known === undefined) continue;
      puts.push({ known, key: outboxKey(known.entry.number, seq), ...parcel.encode(known.last, arrivedMs) });
    }
    return {
      write: (writes) => {
        for (const key of this.#stale) writes.remove('outbox', key);
        for (const { key, value } of puts) writes.put('outbox', key, value);
      },
      done: () => {
        this.#stale.clear();
        for (const { known, marks } of puts) known.last = marks;
        this.#count();
        for (const { known } of puts) for (const listener of known.listeners) listener();
      },
      failed: () => {
        for (const { key } of puts) this.#stale.add(key);
      },
    };
  }

  /**
   * What lies behind `after` in groups up to `throughSeq`.
   * @throws GatewayError `sink-unknown`, `store-damaged`.
   */
  read(
    name: string,
    after: OutboxPlace | null,
    throughSeq: number,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): OutboxSlice | null {
    const { entry } = this.#get(name);
    const from = after !== null && isBehind(after, entry.cursor) ? after : entry.cursor;
    const messages: OutboxMessage[] = [];
    const through: OutboxPlace[] = [];
    let bytes = 0;
    const range = { from: outboxKey(entry.number, from.seq), through: outboxKey(entry.number, throughSeq) };
    for (const { key, value } of this.#reading.entries('outbox', range)) {
      const seq = seqOf(Number(key));
      let count = seq === from.seq ? from.count : 0;
      for (const message of messagesOf(value, Number(key), count)) {
        bytes += message.topic.length + message.payload.length;
        if (messages.length > 0 && (messages.length >= limits.maxMessages || bytes > limits.maxBytes))
          return { messages, through };
        count += 1;
        messages.push(message);
        through.push({ seq, count });
      }
    }
    return messages.length === 0 ? null : { messages, through };
  }

  /**
   * Everything before `place` is done with; of it, `refused` were not taken by the other side.
   * @throws GatewayError `sink-unknown`, or `usage` when there is no such place.
   */
  settle(name: string, place: OutboxPlace, refused: number): Change {
    const known = this.#get(name);
    if (!isBehind(place, known.entry.cursor)) return NOTHING;
    const key = outboxKey(known.entry.number, place.seq);
    const value = this.#reading.get('outbox', key);
    const header = value === null ? null : decodeParcelHeader(value, key);
    if (value === null || header === null || place.count > header.count)
      throw new GatewayError('usage', `forward ${name} has no message ${place.count} in group ${place.seq}`);
    const entry = moveTo(known.entry, place, header, costOf(value.length), refused);
    return this.#moving(known, entry);
  }

  /**
   * One transaction of what keeps them within their limits: drops the oldest messages of one that is over its own, deletes
   * what is done with. Null when there is nothing to do.
   */
  tidy():
    | (Change & { readonly dropped: { readonly name: string; readonly messages: number } | null })
    | null {
    for (const known of this.#known.values()) {
      const maxBytes = this.#limitOf(known);
      if (known.options?.whenFull !== 'drop-oldest' || pendingBytes(known) <= maxBytes) continue;
      const entry = dropTo(this.#reading, known.entry, known.last, maxBytes * DROP_TO);
      const messages = entry.dropped - known.entry.dropped;
      return { ...this.#moving(known, entry), dropped: { name: known.name, messages } };
    }
    for (const known of this.#known.values()) {
      if (known.deletedBytes < known.entry.doneBytes)
        return { ...this.#moving(known, known.entry), dropped: null };
    }
    for (const number of this.#forgotten) return { ...this.#sweep(number), dropped: null };
    return null;
  }

  /** Whether `tidy` would find something. Reads nothing. */
  get isUntidy(): boolean {
    if (this.#forgotten.size > 0) return true;
    for (const known of this.#known.values()) {
      if (known.deletedBytes < known.entry.doneBytes) return true;
      if (known.options?.whenFull === 'drop-oldest' && pendingBytes(known) > this.#limitOf(known))
        return true;
    }
    return false;
  }

  /** The first that is at its limit and keeps readings from being taken. */
  blocking(): { readonly name: string; readonly maxBytes: number } | null {
    for (const known of this.#known.values()) {
      if (known.options?.whenFull !== 'block') continue;
      const maxBytes = this.#limitOf(known);
      if (pendingBytes(known) > maxBytes) return { name: known.name, maxBytes };
    }
    return null;
  }

  isFull(name: string): boolean {
    const known = this.#known.get(name);
    return known?.options?.whenFull === 'refuse' && pendingBytes(known) > this.#limitOf(known);
  }

  /** All together have `#maxBytes`, of which those no longer configured keep what they hold. */
  #limitOf({ options }: Known): number {
    let configured = 0;
    let unclaimedBytes = 0;
    for (const other of this.#known.values()) {
      if (other.options === null) unclaimedBytes += other.last.bytes - other.deletedBytes;
      else configured += 1;
    }
    const part = Math.max(0, this.#maxBytes - unclaimedBytes) / Math.max(1, configured);
    return Math.trunc(Math.min(options?.maxBacklogBytes ?? Number.MAX_SAFE_INTEGER, part));
  }

  /** The ledger becomes `entry`, and of what is done with then as much is deleted as one transaction takes. */
  #moving(known: Known, entry: OutboxEntry): Change {
    const { keys, deletedBytes } = doneValues(this.#reading, entry, known.deletedBytes);
    return {
      write: (writes) => {
        for (const key of keys) writes.remove('outbox', key);
        if (entry !== known.entry) writes.put('outboxes', known.name, encodeOutboxEntry(entry));
      },
      done: () => {
        known.entry = entry;
        known.deletedBytes = deletedBytes;
        this.#count();
      },
    };
  }

  #sweep(number: number): Change {
    const keys = valuesOf(this.#reading, number);
    return {
      write: (writes) => {
        for (const key of keys) writes.remove('outbox', key);
      },
      done: () => {
        if (keys.length === 0) this.#forgotten.delete(number);
      },
    };
  }

  /** @throws GatewayError `sink-unknown`, `sink-configured`. */
  forget(name: string): Change {
    const { entry, options } = this.#get(name);
    if (options !== null) {
      const words = `forward ${name} is in the configuration; remove it there first`;
      throw new GatewayError('sink-configured', words);
    }
    return {
      write: (writes) => writes.remove('outboxes', name),
      done: () => {
        this.#known.delete(name);
        this.#forgotten.add(entry.number);
        this.#count();
      },
    };
  }

  ledger(name: string): OutboxLedger {
    const known = this.#get(name);
    const { entry, last, options } = known;
    const { sent, dropped } = entry;
    const pending = last.messages - sent - dropped;
    return {
      name,
      taken: last.messages,
      sent,
      dropped,
      pending,
      pendingBytes: pending === 0 ? 0 : pendingBytes(known),
      oldestPendingMs: pending === 0 ? null : this.#oldestPendingMs(known),
      configured: options !== null,
    };
  }

  ledgers(): OutboxLedger[] {
    return [...this.#known.keys()].map((name) => this.ledger(name));
  }

  /** Null also where it cannot be read: a ledger must be had all the same. */
  #oldestPendingMs(known: Known): number | null {
    const { number, cursor, doneThrough } = known.entry;
    if (known.oldest?.cursor !== cursor) {
      const range = { ...rangeOf(number, doneThrough + 1), limit: 1 };
      try {
        for (const { key, value } of this.#reading.entries('outbox', range))
          known.oldest = { cursor, arrivedMs: decodeParcelHeader(value, Number(key)).arrivedMs };
      } catch (error) {
        if (!isGatewayError(error)) throw error;
        return null;
      }
    }
    return known.oldest?.cursor === cursor ? known.oldest.arrivedMs : null;
  }

  #get(name: string): Known {
    const known = this.#known.get(name);
    if (known === undefined) throw new GatewayError('sink-unknown', `no forward is called ${name}`);
    return known;
  }
}

function pendingBytes({ last, entry }: Known): number {
  return last.bytes - entry.doneBytes;
}
