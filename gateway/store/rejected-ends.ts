import type { Rejection } from '../store-contract.ts';
import { bytesOf, type Entry, type Written } from './rejected-entries.ts';
import type { RejectedRecord } from './rejected-queries.ts';
import { type End, withEnds } from './rejection-record.ts';

/** Readings to be ended, by their ids. */
export interface Ends {
  readonly ends: ReadonlyMap<number, End>;
  readonly atMs: number;
  /** `sink-rejected` ones of this sink, and no others. */
  readonly sink?: string;
}

export interface Ended {
  readonly written: { readonly before: Entry; readonly after: Written }[];
  readonly deleted: Entry[];
  replayed: number;
  /** Of those deleted, how many were open. */
  discarded: number;
  count: number;
}

/** A record of which some readings end. */
export interface Touched extends RejectedRecord {
  readonly readings: readonly (Rejection | null)[];
  /** By position. */
  readonly changes: Map<number, End>;
}

export function nothingEnded(): Ended {
  return { written: [], deleted: [], replayed: 0, discarded: 0, count: 0 };
}

/** Enters into `ended` what becomes of one record, for which `bytes` were counted. */
export function endIn(
  { firstId, value, readings, changes }: Touched,
  atMs: number,
  share: number,
  bytes: number,
  ended: Ended,
): void {
  const held = readings.filter((each) => each !== null);
  const resolved = held.filter((each) => each.resolved !== null).length;
  const before = { share, id: firstId, bytes, readings: held.length, resolved };
  const after = { readings: held.length, resolved };
  for (const [position, end] of changes) {
    const wasOpen = readings[position]?.resolved === null;
    if (end !== 'discarded') {
      after.resolved += 1;
      ended.replayed += 1;
      continue;
    }
    after.readings -= 1;
    if (wasOpen) ended.discarded += 1;
    else after.resolved -= 1;
  }
  ended.count += changes.size;
  if (after.readings === 0) {
    ended.deleted.push(before);
    return;
  }
  const anew = withEnds(value, firstId, changes, atMs);
  ended.written.push({ before, after: { ...before, ...after, bytes: bytesOf(anew), value: anew } });
}

/** How many open readings are evicted: those that end in the same transaction are counted as what they end as. */
export function openIn(removals: readonly Entry[], ended: Ended): number {
  const after = new Map(ended.written.map((each) => [each.after.id, each.after]));
  const deleted = new Set(ended.deleted.map(({ id }) => id));
  let open = 0;
  for (const each of removals) {
    const { readings, resolved } = after.get(each.id) ?? each;
    if (!deleted.has(each.id)) open += readings - resolved;
  }
  return open;
}
