import type { OutboxPlace } from '../store-contract.ts';
import { damaged } from './bytes.ts';
import type { OutboxMarks, ParcelHeader } from './outbox-parcel.ts';

/**
 * What is kept of one outbox; with its name as the key, as JSON, in the table `outboxes`. What was taken is in the marks of
 * its newest group, so
 *
 *   taken = sent + dropped + pending
 *
 * as long as `sent + dropped` is how many messages lie before the cursor, which every function here keeps true.
 */
export interface OutboxEntry {
  /** Its values lie under this number. */
  readonly number: number;
  readonly cursor: OutboxPlace;
  /** The last group of which everything is done with. */
  readonly doneThrough: number;
  /** What it and all before it took up. */
  readonly doneBytes: number;
  readonly sent: number;
  readonly dropped: number;
}

export function newOutboxEntry(number: number): OutboxEntry {
  return { number, cursor: { seq: 0, count: 0 }, doneThrough: 0, doneBytes: 0, sent: 0, dropped: 0 };
}

/** The totals before anything that waits. */
export function doneMarks({ sent, dropped, doneBytes }: OutboxEntry): OutboxMarks {
  return { messages: sent + dropped, bytes: doneBytes };
}

export function isBehind(place: OutboxPlace, other: OutboxPlace): boolean {
  return place.seq > other.seq || (place.seq === other.seq && place.count > other.count);
}

/**
 * Moves the cursor to `place` in the group of which this is the header, and which takes up `cost`. Of the messages in
 * between at most `dropped` were not sent.
 */
export function moveTo(
  entry: OutboxEntry,
  place: OutboxPlace,
  { marks, count }: ParcelHeader,
  cost: number,
  dropped: number,
): OutboxEntry {
  const isWhole = place.count === count;
  const moved = marks.messages - count + place.count - entry.sent - entry.dropped;
  const lost = Math.min(dropped, moved);
  return {
    number: entry.number,
    cursor: place,
    doneThrough: isWhole ? place.seq : place.seq - 1,
    doneBytes: isWhole ? marks.bytes : marks.bytes - cost,
    sent: entry.sent + moved - lost,
    dropped: entry.dropped + lost,
  };
}

export function encodeOutboxEntry(entry: OutboxEntry): Buffer {
  return Buffer.from(JSON.stringify(entry));
}

/** @throws GatewayError `store-damaged`. */
export function decodeOutboxEntry(name: string, value: Buffer): OutboxEntry {
  const what = `the ledger of forward ${name}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString());
  } catch (error) {
    throw damaged(what, String(error));
  }
  const number = (of: unknown, key: string): number => {
    const found: unknown = typeof of === 'object' && of !== null ? Reflect.get(of, key) : undefined;
    if (typeof found !== 'number') throw damaged(what, `it has no ${key}`);
    return found;
  };
  const cursor: unknown =
    typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'cursor') : undefined;
  return {
    number: number(parsed, 'number'),
    cursor: { seq: number(cursor, 'seq'), count: number(cursor, 'count') },
    doneThrough: number(parsed, 'doneThrough'),
    doneBytes: number(parsed, 'doneBytes'),
    sent: number(parsed, 'sent'),
    dropped: number(parsed, 'dropped'),
  };
}
