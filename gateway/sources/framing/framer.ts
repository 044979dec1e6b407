/** What every framer promises. Framers are pure and synchronous: no timers, no I/O, nothing thrown for what bytes hold. */

/** Why bytes are no part of a frame. A contract with users: counted by it, shown, documented. */
export type DiscardReason =
  /** What came between opening and the first delimiter: most likely the rest of a frame that had begun before. */
  | 'before-first'
  /** Longer than `maxFrameBytes`, or a size field that says so. */
  | 'too-long'
  | 'bad-checksum'
  /** An escape or code that the framing does not know, or a byte that cannot be in a sentence. */
  | 'bad-encoding'
  /** A sentence without the checksum that is asked for. */
  | 'no-checksum'
  /** Bytes where no frame begins. */
  | 'noise'
  /** It began, and another began before it was complete; or the line went silent, or the connection ended. */
  | 'cut-short';

/** A stretch of bytes that are no part of any frame, without a frame in between. */
export interface Discarded {
  readonly reason: DiscardReason;
  readonly bytes: number;
  /** The last of them, at most 64, as a copy. */
  readonly last: Buffer;
}

/** What a framer calls, during `push`, `idle` and `end` alone, in the order of the bytes. Must not call the framer. */
export interface FramerOutput {
  /** At least one byte. A copy of its own: valid for as long as it is kept. */
  frame(bytes: Buffer): void;
  /**
   * A stretch is told of when it has ended, when its reason changes, and every `MAX_DISCARDED_RUN` bytes, so that
   * endless noise is counted as it comes.
   */
  discarded(run: Discarded): void;
}

/**
 * Cuts a stream of bytes into frames. Which frames come out, and which bytes are discarded why, depends on the bytes
 * alone and not on how they were cut into chunks. Memory is bounded by the longest frame, time is linear in the bytes,
 * whatever they are. After damage it finds the next intact frame. One framer for one connection: a half frame must
 * never be glued to the next connection's bytes.
 */
export interface Framer {
  /** Takes bytes in; does not keep the chunk. */
  push(chunk: Uint8Array): void;
  /**
   * No byte came for a while (a second, say): tells of discarded bytes that are still held back. `length` and `fixed`
   * give up on a frame that has not been completed, so that intact ones behind a false beginning come out; lines,
   * packets and sentences go on where they were. Calling it never changes a stream that only paused between frames.
   */
  idle(): void;
  /** The connection is gone: what is incomplete is discarded. Nothing may be pushed after it. */
  end(): void;
}

/** The longest stretch of discarded bytes that is told of in one. */
export const MAX_DISCARDED_RUN = 4096;
export const MAX_LAST_BYTES = 64;
