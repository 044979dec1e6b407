import { DiscardLog } from './discard-log.ts';
import type { DiscardReason, Framer, FramerOutput } from './framer.ts';

export interface Delimiting {
  readonly delimiter: Buffer;
  /** Between two delimiters. More is discarded up to the next delimiter. */
  readonly maxRawBytes: number;
  /** What comes before the first delimiter is taken too. */
  readonly first: boolean;
  /** What stands between two delimiters as a frame of its own memory; why it is none; or null where it is nothing. */
  decode(raw: Buffer): Buffer | DiscardReason | null;
}

const FIRST_CAPACITY = 256;

/** Frames between delimiters: lines, SLIP, COBS. */
export class DelimitedFramer implements Framer {
  private readonly output: FramerOutput;
  private readonly delimiter: Buffer;
  /** The delimiter is looked for by its last byte. */
  private readonly lastByte: number;
  private readonly decode: Delimiting['decode'];
  /** With the delimiter. */
  private readonly capacity: number;
  private readonly log: DiscardLog;
  /** What came since the last delimiter; while skipping only as much as a delimiter may have of it. */
  private held: Buffer;
  private length = 0;
  private skipping: boolean;
  private started: boolean;

  constructor({ delimiter, maxRawBytes, first, decode }: Delimiting, output: FramerOutput) {
    this.output = output;
    this.delimiter = delimiter;
    this.lastByte = delimiter[delimiter.length - 1] ?? 0;
    this.decode = decode;
    this.capacity = maxRawBytes + delimiter.length;
    this.held = Buffer.allocUnsafe(Math.min(FIRST_CAPACITY, this.capacity));
    this.started = first;
    this.skipping = false;
    this.log = new DiscardLog(output);
  }

  push(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; ) {
      const at = chunk.indexOf(this.lastByte, from);
      const to = at === -1 ? chunk.length : at + 1;
      this.take(chunk, from, to);
      if (at !== -1 && this.isAtDelimiter()) this.close();
      from = to;
    }
  }

  idle(): void {
    this.log.flush();
  }

  end(): void {
    if (!this.skipping) this.log.add(this.started ? 'cut-short' : 'before-first', this.held, 0, this.length);
    this.length = 0;
    this.log.flush();
  }

  private take(chunk: Uint8Array, from: number, to: number): void {
    const length = this.length + to - from;
    if (!this.skipping && length <= this.capacity) {
      if (length > this.held.length) this.grow(length);
      this.held.set(chunk.subarray(from, to), this.length);
      this.length = length;
      return;
    }
    const reason = this.started ? 'too-long' : 'before-first';
    if (!this.skipping) {
      this.log.add(reason, this.held, 0, this.length);
      this.skipping = true;
    }
    this.log.add(reason, chunk, from, to);
    this.keepEnd(chunk, from, to);
  }

  private grow(length: number): void {
    const grown = Buffer.allocUnsafe(Math.min(this.capacity, Math.max(length, this.held.length * 2)));
    this.held.copy(grown, 0, 0, this.length);
    this.held = grown;
  }

  /** Of what is skipped, the last bytes stay: a delimiter may have begun in them. */
  private keepEnd(chunk: Uint8Array, from: number, to: number): void {
    const size = this.delimiter.length;
    const start = Math.max(from, to - size);
    const stay = Math.min(this.length, size - (to - start));
    this.held.copyWithin(0, this.length - stay, this.length);
    this.held.set(chunk.subarray(start, to), stay);
    this.length = stay + to - start;
  }

  private isAtDelimiter(): boolean {
    const start = this.length - this.delimiter.length;
    if (start < 0) return false;
    for (let i = 0; i < this.delimiter.length; i += 1)
      if (this.held[start + i] !== this.delimiter[i]) return false;
    return true;
  }

  private close(): void {
    const length = this.length - this.delimiter.length;
    const { skipping, started } = this;
    this.length = 0;
    this.skipping = false;
    this.started = true;
    if (skipping || length === 0) return;
    if (!started) {
      this.log.add('before-first', this.held, 0, length);
      return;
    }
    const frame = this.decode(this.held.subarray(0, length));
    if (frame === null) return;
    if (typeof frame === 'string') {
      this.log.add(frame, this.held, 0, length);
      return;
    }
    this.log.flush();
    this.output.frame(frame);
  }
}
