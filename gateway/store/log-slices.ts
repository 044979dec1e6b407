import type { LogReader, LogSlice } from '../store-contract.ts';
import { decodeLines } from './record.ts';
import type { Reading } from './storage.ts';

/**
 * Reads runs of groups out of a log. Groups without points (only forwarded or duplicate messages) are passed over, and
 * not looked at again by the next read from the same place.
 */
export class LogSlices implements LogReader {
  readonly #reading: Reading;
  readonly #afterRead: () => void;
  readonly #close: () => Promise<void>;
  /** Nothing but groups without points lies behind `after`, up to `through`. */
  #empty = { after: -1, through: -1 };

  constructor(reading: Reading, afterRead: () => void, close: () => Promise<void>) {
    this.#reading = reading;
    this.#afterRead = afterRead;
    this.#close = close;
  }

  read(
    afterSeq: number,
    throughSeq: number,
    limits: { readonly maxPoints: number; readonly maxBytes: number },
  ): LogSlice | null {
    const from = (this.#empty.after === afterSeq ? this.#empty.through : afterSeq) + 1;
    if (from > throughSeq) return null;
    try {
      return this.#slice(afterSeq, from, throughSeq, limits);
    } finally {
      this.#afterRead();
    }
  }

  async close(): Promise<void> {
    await this.#close();
  }

  #slice(
    afterSeq: number,
    from: number,
    through: number,
    limits: { readonly maxPoints: number; readonly maxBytes: number },
  ): LogSlice | null {
    const parts: Buffer[] = [];
    let points = 0;
    let bytes = 0;
    let firstSeq = 0;
    let lastSeq = 0;
    let oldestMs = 0;
    for (const { key, value } of this.#reading.entries('log', { from, through })) {
      const seq = Number(key);
      const { header, lines } = decodeLines(value, seq);
      if (header.points === 0) {
        if (parts.length === 0) this.#empty = { after: afterSeq, through: seq };
        continue;
      }
      const isTooMuch = points + header.points > limits.maxPoints || bytes + lines.length > limits.maxBytes;
      if (parts.length > 0 && isTooMuch) break;
      if (parts.length === 0) {
        firstSeq = seq;
        oldestMs = header.arrivedMs;
      }
      lastSeq = seq;
      points += header.points;
      bytes += lines.length;
      parts.push(lines);
      if (points >= limits.maxPoints || bytes >= limits.maxBytes) break;
    }
    if (parts.length === 0) return null;
    return { firstSeq, lastSeq, points, lines: Buffer.concat(parts, bytes), oldestMs };
  }
}
