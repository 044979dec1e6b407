import { IDS } from './rejected-queries.ts';
import { costOf, type Writes } from './storage.ts';

export const INDEX_BYTES = 16;
/** What is counted for an entry of the index, the same for all: it is taken off again when the record goes. */
const INDEX_COST = costOf(12);

/** What the index says of the rejected readings of one message. */
export interface Entry {
  readonly share: number;
  readonly id: number;
  readonly bytes: number;
  /** Held: not deleted one by one. */
  readonly readings: number;
  /** Of those, replayed. */
  readonly resolved: number;
}

export interface Written extends Entry {
  readonly value: Buffer;
}

/** What changes by share. */
export class Sums {
  readonly byShare = new Map<number, { bytes: number; readings: number }>();
  resolved = 0;

  add({ share, bytes, readings, resolved }: Entry, sign: 1 | -1): void {
    const sum = this.byShare.get(share) ?? { bytes: 0, readings: 0 };
    sum.bytes += sign * bytes;
    sum.readings += sign * readings;
    this.byShare.set(share, sum);
    this.resolved += sign * resolved;
  }
}

export function bytesOf(value: Buffer): number {
  return costOf(value.length) + INDEX_COST;
}

export function writeEntry(writes: Writes, { share, id, bytes, readings, resolved, value }: Written): void {
  writes.put('rejected', id, value);
  const index = Buffer.alloc(INDEX_BYTES);
  index.writeDoubleLE(bytes, 0);
  index.writeUInt32LE(readings, 8);
  index.writeUInt32LE(resolved, 12);
  writes.put('rejected-index', share * IDS + id, index);
}
