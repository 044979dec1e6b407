import { type DiscardReason, type FramerOutput, MAX_DISCARDED_RUN, MAX_LAST_BYTES } from './framer.ts';

/** Joins discarded bytes into stretches, and keeps the last few of each. */
export class DiscardLog {
  private readonly output: FramerOutput;
  private readonly last = Buffer.alloc(MAX_LAST_BYTES);
  private lastLength = 0;
  private bytes = 0;
  private reason: DiscardReason = 'noise';

  constructor(output: FramerOutput) {
    this.output = output;
  }

  add(reason: DiscardReason, source: Uint8Array, from: number, to: number): void {
    if (reason !== this.reason) this.flush();
    this.reason = reason;
    // Cut at the same bytes however they arrived.
    for (let at = from; at < to; ) {
      const until = Math.min(to, at + MAX_DISCARDED_RUN - this.bytes);
      this.keep(source, at, until);
      this.bytes += until - at;
      at = until;
      if (this.bytes === MAX_DISCARDED_RUN) this.flush();
    }
  }

  /** The stretch has ended. */
  flush(): void {
    if (this.bytes === 0) return;
    const run = {
      reason: this.reason,
      bytes: this.bytes,
      last: Buffer.from(this.last.subarray(0, this.lastLength)),
    };
    this.bytes = 0;
    this.lastLength = 0;
    this.output.discarded(run);
  }

  private keep(source: Uint8Array, from: number, to: number): void {
    const start = Math.max(from, to - MAX_LAST_BYTES);
    const added = to - start;
    const stay = Math.min(this.lastLength, MAX_LAST_BYTES - added);
    this.last.copyWithin(0, this.lastLength - stay, this.lastLength);
    this.last.set(source.subarray(start, to), stay);
    this.lastLength = stay + added;
  }
}
