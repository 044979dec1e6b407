/** Where a number outlives the program. */
export interface KeptNumber {
  /** Null where none was written. */
  get(): string | null;
  set(text: string): Promise<void>;
}

/** What a message takes up at the other broker, as far as messages differ: its topic and its payload. */
export function sizeOf({ topic, bytes }: { readonly topic: string; readonly bytes: number }): number {
  return Buffer.byteLength(topic) + bytes;
}

/**
 * The largest message that the other broker ever acknowledged over this forward: its limit cannot be below that, whatever
 * it cuts the connection at now.
 */
export class LargestTaken {
  readonly #kept: KeptNumber | null;
  /** Everything that it ever acknowledged is known; else perhaps more than `bytes` was, by an earlier process. */
  readonly isKnown: boolean;
  #bytes: number;
  #written: number;

  /** `isFirst`: nothing was acknowledged before. */
  constructor(kept: KeptNumber | null, isFirst: boolean) {
    const text = kept?.get() ?? null;
    const number = text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
    this.#kept = kept;
    this.isKnown = isFirst || number !== null;
    this.#bytes = number ?? 0;
    this.#written = this.#bytes;
  }

  /** By `sizeOf`. */
  get bytes(): number {
    return this.#bytes;
  }

  note(size: number): void {
    if (size > this.#bytes) this.#bytes = size;
  }

  /** Writes it down if it has grown. Rejects when that could not be: call it again. */
  async keep(): Promise<void> {
    const bytes = this.#bytes;
    if (this.#kept === null || bytes <= this.#written) return;
    await this.#kept.set(String(bytes));
    this.#written = bytes;
  }
}
