import { GatewayError } from '../errors.ts';
import type { Rejection, RejectionFilter, RejectionPage } from '../store-contract.ts';
import { rejectionMatcher } from './rejection-filter.ts';
import { decodeRejected, parseRejectionId, rejectionId } from './rejection-record.ts';
import type { Reading } from './storage.ts';

/** An index key is share and id in one number that a double holds exactly. */
export const IDS = 2 ** 37;

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** Messages that one listing looks at, at most, and bytes of them: it holds up the event loop. */
const MAX_SCANNED = 10_000;
const MAX_SCANNED_BYTES = 16 * 1024 * 1024;
/** The same for a page; whoever wants all takes the next. */
const MAX_PAGE_SCANNED = 1000;
const MAX_PAGE_BYTES = 2 * 1024 * 1024;

/** The rejected readings of one message as they lie there. */
export interface RejectedRecord {
  readonly firstId: number;
  readonly value: Buffer;
}

/** Finds rejected readings: by id, from the newest on, from the oldest on. */
export class RejectedQueries {
  readonly #reading: Reading;
  readonly #shareOf: (client: string) => number;

  constructor(reading: Reading, shareOf: (client: string) => number) {
    this.#reading = reading;
    this.#shareOf = shareOf;
  }

  /** The record that would hold this id: whether it does is in the record. */
  recordFor(id: number): RejectedRecord | null {
    for (const { key, value } of this.#reading.entries('rejected', { from: id, reverse: true, limit: 1 })) {
      return { firstId: Number(key), value };
    }
    return null;
  }

  byId(text: string): Rejection | null {
    const id = parseRejectionId(text);
    const record = id === null ? null : this.recordFor(id);
    if (id === null || record === null) return null;
    return decodeRejected(record.value, record.firstId)[id - record.firstId] ?? null;
  }

  /** Newest first. Looks at the newest 10,000 messages, or 16 MiB of them (of the client, where one is asked for). */
  list(filter: RejectionFilter): Rejection[] {
    const limit = Math.min(filter.limit ?? DEFAULT_LIMIT, MAX_LIMIT);
    const matches = rejectionMatcher(filter);
    const found: Rejection[] = [];
    let scannedBytes = 0;
    for (const { firstId, value } of this.#newestFirst(filter.client)) {
      if (found.length >= limit || scannedBytes > MAX_SCANNED_BYTES) break;
      scannedBytes += value.length;
      for (const rejection of decodeRejected(value, firstId).reverse()) {
        if (found.length < limit && rejection !== null && matches(rejection)) found.push(rejection);
      }
    }
    return found;
  }

  /**
   * Oldest first, behind `after`. Looks at 1,000 messages or 2 MiB of them, at least at one.
   * @throws GatewayError `usage` when `after` is not a `next` of an earlier page.
   */
  page(filter: RejectionFilter, after: string | null, limit: number): RejectionPage {
    const last = after === null ? 0 : parseRejectionId(after);
    if (last === null) throw new GatewayError('usage', `${after} is no place to go on from`);
    const matches = rejectionMatcher(filter);
    const most = Math.max(1, Math.min(limit, MAX_LIMIT));
    const found: Rejection[] = [];
    let scanned = 0;
    let bytes = 0;
    let at = last;
    for (const { firstId, value } of this.#oldestFirst(filter.client, last + 1)) {
      if (scanned >= MAX_PAGE_SCANNED || bytes >= MAX_PAGE_BYTES) {
        return { rejections: found, next: rejectionId(at) };
      }
      scanned += 1;
      bytes += value.length;
      for (const [position, rejection] of decodeRejected(value, firstId).entries()) {
        if (firstId + position <= last) continue;
        if (found.length >= most) return { rejections: found, next: rejectionId(at) };
        at = firstId + position;
        if (rejection !== null && matches(rejection)) found.push(rejection);
      }
    }
    return { rejections: found, next: null };
  }

  *#newestFirst(client: string | undefined): Generator<RejectedRecord> {
    if (client === undefined) {
      for (const { key, value } of this.#reading.entries('rejected', { reverse: true, limit: MAX_SCANNED })) {
        yield { firstId: Number(key), value };
      }
      return;
    }
    const from = this.#shareOf(client) * IDS;
    const range = { from: from + IDS - 1, through: from, reverse: true, limit: MAX_SCANNED };
    for (const { key } of this.#reading.entries('rejected-index', range)) {
      yield* this.#recordAt(Number(key) - from);
    }
  }

  /** From the record on that would hold `id`. */
  *#oldestFirst(client: string | undefined, id: number): Generator<RejectedRecord> {
    if (client === undefined) {
      const from = this.recordFor(id)?.firstId ?? id;
      for (const { key, value } of this.#reading.entries('rejected', { from })) {
        yield { firstId: Number(key), value };
      }
      return;
    }
    const share = this.#shareOf(client) * IDS;
    let from = share + id;
    const before = { from, through: share, reverse: true, limit: 1 };
    for (const { key } of this.#reading.entries('rejected-index', before)) from = Number(key);
    for (const { key } of this.#reading.entries('rejected-index', { from, through: share + IDS - 1 })) {
      yield* this.#recordAt(Number(key) - share);
    }
  }

  *#recordAt(firstId: number): Generator<RejectedRecord> {
    const value = this.#reading.get('rejected', firstId);
    if (value !== null) yield { firstId, value };
  }
}
