import type { Checksum } from './checksums.ts';
import { DiscardLog } from './discard-log.ts';
import type { DiscardReason, Framer, FramerOutput } from './framer.ts';

/** A kind of frame that is known by its first bytes. Places in a frame count from its first byte. */
export interface FrameShape {
  readonly header: Buffer;
  /** So many bytes tell how long it is; at least the header. */
  readonly headBytes: number;
  readonly maxBytes: number;
  /** How long the frame at `at` is, at least `headBytes` and at most `maxBytes`; or why it is none. */
  sizeAt(window: Buffer, at: number): number | DiscardReason;
  readonly checksum: Checksum | null;
  checksumPlace(size: number): { readonly at: number; readonly from: number; readonly to: number };
  readonly isBigEndian: boolean;
  /** What it ends with, perhaps nothing. */
  readonly tail: Buffer;
  /** The part that is given out. Where it is empty, nothing is. */
  readonly givenFrom: number;
  /** How many bytes at the end are not given out. */
  readonly notGiven: number;
}

const MIN_CAPACITY = 1024;

/**
 * Tries every place where the header stands. What turns out to be no frame is discarded byte by byte, so that a frame
 * which begins inside of a damaged one is found. Running states of the checksum are kept for every byte: a wrong try
 * costs a constant.
 */
export class ScanningFramer implements Framer {
  private readonly shape: FrameShape;
  private readonly output: FramerOutput;
  private readonly log: DiscardLog;
  /** Bytes `from` to `to` are not decided yet: less than a frame, once `scan` has run. */
  private readonly window: Buffer;
  /** The state of the checksum before each byte of the window, and behind the last. */
  private readonly states: Uint32Array;
  private from = 0;
  private to = 0;
  /** Why bytes are discarded that follow. */
  private why: DiscardReason = 'noise';

  constructor(shape: FrameShape, output: FramerOutput) {
    this.shape = shape;
    this.output = output;
    this.log = new DiscardLog(output);
    const capacity = Math.max(shape.maxBytes * 2, MIN_CAPACITY);
    this.window = Buffer.alloc(capacity);
    this.states = new Uint32Array(shape.checksum === null ? 0 : capacity + 1);
  }

  push(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; ) {
      if (this.to === this.window.length) this.compact();
      const to = Math.min(chunk.length, from + this.window.length - this.to);
      this.append(chunk, from, to);
      this.scan(false);
      from = to;
    }
  }

  idle(): void {
    this.scan(true);
    this.log.flush();
  }

  end(): void {
    this.idle();
  }

  private append(chunk: Uint8Array, from: number, to: number): void {
    this.window.set(chunk.subarray(from, to), this.to);
    const { checksum } = this.shape;
    if (checksum !== null) {
      let state = this.states[this.to] ?? 0;
      for (let at = from, i = this.to + 1; at < to; at += 1, i += 1) {
        state = checksum.step(state, chunk[at] ?? 0);
        this.states[i] = state;
      }
    }
    this.to += to - from;
  }

  private compact(): void {
    this.window.copyWithin(0, this.from, this.to);
    this.states.copyWithin(0, this.from, this.to + 1);
    this.to -= this.from;
    this.from = 0;
  }

  /** Decides what can be decided. With `giveUp`, what is incomplete is no frame. */
  private scan(giveUp: boolean): void {
    const { header, headBytes } = this.shape;
    const first = header[0];
    while (this.from < this.to) {
      let next = this.from;
      while (next < this.to && this.window[next] !== first) next += 1;
      this.discard(next);
      if (next === this.to) return;
      if (!this.isHeaderSoFar()) {
        this.discard(this.from + 1);
        continue;
      }
      const there = this.to - this.from;
      const size = there < headBytes ? headBytes : this.shape.sizeAt(this.window, this.from);
      if (typeof size === 'string') this.refuse(size);
      else if (there >= Math.max(size, headBytes)) this.decide(size);
      else if (giveUp) this.refuse('cut-short');
      else return;
    }
  }

  private decide(size: number): void {
    const { givenFrom, notGiven } = this.shape;
    if (!this.isTailThere(size)) {
      this.refuse('noise');
      return;
    }
    if (!this.isChecksumRight(size)) {
      this.refuse('bad-checksum');
      return;
    }
    const from = this.from + givenFrom;
    const to = this.from + size - notGiven;
    this.from += size;
    this.why = 'noise';
    this.log.flush();
    if (to > from) this.output.frame(Buffer.from(this.window.subarray(from, to)));
  }

  private isHeaderSoFar(): boolean {
    const { header } = this.shape;
    const length = Math.min(header.length, this.to - this.from);
    for (let i = 1; i < length; i += 1) if (this.window[this.from + i] !== header[i]) return false;
    return true;
  }

  private isTailThere(size: number): boolean {
    const { tail } = this.shape;
    const from = this.from + size - tail.length;
    for (let i = 0; i < tail.length; i += 1) if (this.window[from + i] !== tail[i]) return false;
    return true;
  }

  private isChecksumRight(size: number): boolean {
    const { checksum, isBigEndian } = this.shape;
    if (checksum === null) return true;
    const { at, from, to } = this.shape.checksumPlace(size);
    const sent = isBigEndian
      ? this.window.readUIntBE(this.from + at, checksum.bytes)
      : this.window.readUIntLE(this.from + at, checksum.bytes);
    const before = this.states[this.from + from] ?? 0;
    const behind = this.states[this.from + to] ?? 0;
    return checksum.between(before, behind, to - from) === sent;
  }

  private refuse(reason: DiscardReason): void {
    this.why = reason;
    this.discard(this.from + 1);
  }

  private discard(until: number): void {
    this.log.add(this.why, this.window, this.from, until);
    this.from = until;
  }
}
