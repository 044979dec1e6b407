import type { LogReader, LogSlice } from '../store-contract.ts';
import { arrivedMsOf, baseOf, readBases, withBase } from './arrival-bases.ts';
import { decodeLines } from './record.ts';
import type { Reading } from './storage.ts';

/**
 * Reads runs of groups out of a log. Groups without points (only forwarded or duplicate messages) are passed over, and
 * not looked at again by the next read from the same place. Groups whose arrival times are provisional get their real ones
 * on the way out; at the first that cannot yet, the log ends for now.
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
      const { header, lines: stored } = decodeLines(value, seq);
      if (header.points === 0) {
        if (parts.length === 0) this.#empty = { after: afterSeq, through: seq };
        continue;
      }
      const base = header.provisionalNs === null ? null : baseOf(readBases(this.#reading), seq);
      if (header.provisionalNs !== null && base === null) break;
      const lines = base === null ? stored : withBase(stored, base);
      const isTooMuch = points + header.points > limits.maxPoints || bytes + lines.length > limits.maxBytes;
      if (parts.length > 0 && isTooMuch) break;
      if (parts.length === 0) {
        firstSeq = seq;
        oldestMs = arrivedMsOf(header, base);
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
