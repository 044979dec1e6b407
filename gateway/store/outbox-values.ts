import { doneMarks, moveTo, type OutboxEntry } from './outbox-entry.ts';
import { decodeParcelHeader, type OutboxMarks, outboxKey, seqOf } from './outbox-parcel.ts';
import { costOf, type Reading } from './storage.ts';

/** Values that one transaction deletes at most: what they may cost must fit into the reserve of a full disk. */
const MOST_REMOVED = 200;
const MOST_REMOVED_BYTES = 8 * 1024 * 1024;

/** The values of an outbox from a group on. */
export function rangeOf(
  number: number,
  fromSeq: number,
): { readonly from: number; readonly through: number } {
  return { from: outboxKey(number, fromSeq), through: outboxKey(number, Number.MAX_SAFE_INTEGER) };
}

/** The totals with the newest group of an outbox, and what lay before its oldest. @throws GatewayError `store-damaged`. */
export function extentOf(
  reading: Reading,
  entry: OutboxEntry,
): { readonly last: OutboxMarks; readonly deletedBytes: number } {
  const { from, through } = rangeOf(entry.number, 0);
  const newest = { from: through, through: from, reverse: true, limit: 1 };
  for (const { key, value } of reading.entries('outbox', newest)) {
    const last = decodeParcelHeader(value, Number(key)).marks;
    for (const oldest of reading.entries('outbox', { from, through, limit: 1 })) {
      const { marks } = decodeParcelHeader(oldest.value, Number(oldest.key));
      return { last, deletedBytes: marks.bytes - costOf(oldest.value.length) };
    }
  }
  const done = doneMarks(entry);
  return { last: done, deletedBytes: done.bytes };
}

/** The ledger behind so many whole groups that at most `allowedBytes` wait, or as many as one transaction deletes. */
export function dropTo(
  reading: Reading,
  entry: OutboxEntry,
  last: OutboxMarks,
  allowedBytes: number,
): OutboxEntry {
  let moved = entry;
  const range = { ...rangeOf(entry.number, entry.doneThrough + 1), limit: MOST_REMOVED };
  for (const { key, value } of reading.entries('outbox', range)) {
    if (last.bytes - moved.doneBytes <= allowedBytes) break;
    const header = decodeParcelHeader(value, Number(key));
    const place = { seq: seqOf(Number(key)), count: header.count };
    moved = moveTo(moved, place, header, costOf(value.length), Number.MAX_SAFE_INTEGER);
  }
  return moved;
}

/** Of the values that are done with, as many as one transaction deletes; and what all that were deleted took up then. */
export function doneValues(
  reading: Reading,
  { number, doneThrough, doneBytes }: OutboxEntry,
  deletedBytes: number,
): { readonly keys: readonly number[]; readonly deletedBytes: number } {
  const keys: number[] = [];
  if (deletedBytes >= doneBytes) return { keys, deletedBytes };
  const range = { from: outboxKey(number, 0), through: outboxKey(number, doneThrough), limit: MOST_REMOVED };
  let bytes = 0;
  let through = deletedBytes;
  for (const { key, value } of reading.entries('outbox', range)) {
    keys.push(Number(key));
    through = decodeParcelHeader(value, Number(key)).marks.bytes;
    bytes += value.length;
    if (bytes >= MOST_REMOVED_BYTES) break;
  }
  // Where nothing is left of it, whatever the marks said.
  return { keys, deletedBytes: keys.length === 0 ? doneBytes : through };
}

/** The first values of an outbox, as many as one transaction deletes. */
export function valuesOf(reading: Reading, number: number): readonly number[] {
  const keys: number[] = [];
  let bytes = 0;
  for (const { key, value } of reading.entries('outbox', { ...rangeOf(number, 0), limit: MOST_REMOVED })) {
    keys.push(Number(key));
    bytes += value.length;
    if (bytes >= MOST_REMOVED_BYTES) break;
  }
  return keys;
}
