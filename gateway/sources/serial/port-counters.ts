/** What a port has brought since the gateway started, over all its connections. */

/** Of the bytes that were no frame, the last so many are kept. */
export const RAW_LOG_BYTES = 4096;

export class PortCounters {
  bytes = 0;
  frames = 0;
  /** Frames that were not taken: the store was full, or too much of this port was not on disk yet. */
  refused = 0;
  opened = 0;
  /** Answers to firmware that were not sent, because it does not read them. */
  unanswered = 0;
  /** Why bytes were last discarded. */
  lastReason = '';
  #discardedBytes = 0;
  /** The framers' own few reasons, and `settling`. */
  readonly #byReason = new Map<string, number>();
  #raw: Buffer | null = null;
  /** Where the next byte goes; the log is full once it has gone round. */
  #rawAt = 0;
  #rawLength = 0;

  get discardedBytes(): number {
    return this.#discardedBytes;
  }

  get discardedByReason(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#byReason);
  }

  /** `last` are the last of these bytes. */
  discard(reason: string, bytes: number, last: Buffer): void {
    this.#discardedBytes += bytes;
    this.lastReason = reason;
    this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + bytes);
    this.#raw ??= Buffer.alloc(RAW_LOG_BYTES);
    for (const byte of last.subarray(Math.max(0, last.length - RAW_LOG_BYTES))) {
      this.#raw[this.#rawAt] = byte;
      this.#rawAt = (this.#rawAt + 1) % RAW_LOG_BYTES;
    }
    this.#rawLength = Math.min(RAW_LOG_BYTES, this.#rawLength + last.length);
  }

  /** The last discarded bytes, the oldest first. */
  rawLog(): Buffer {
    if (this.#raw === null) return Buffer.alloc(0);
    if (this.#rawLength < RAW_LOG_BYTES) return Buffer.from(this.#raw.subarray(0, this.#rawLength));
    return Buffer.concat([this.#raw.subarray(this.#rawAt), this.#raw.subarray(0, this.#rawAt)]);
  }
}
