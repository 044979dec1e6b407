/** What a sink promises to delivery, and what it may answer. A leaf. */

/** A field that the database already holds with another type. */
export interface FieldConflict {
  readonly measurement: string;
  readonly field: string;
  /** The type it was sent with. */
  readonly type: 'float' | 'integer' | 'string' | 'boolean';
}

/** What to do about a write; the only place where retrying is decided. */
export type Decision =
  | { readonly kind: 'written' }
  /** Passing trouble: again after `afterMs`, or by back-off where it is null. */
  | { readonly kind: 'retry'; readonly afterMs: number | null; readonly reason: string }
  /** Too large: again in halves. */
  | { readonly kind: 'halve'; readonly reason: string }
  /** Some lines are bad: find them. `badLines` are 0-based where the server lists them. */
  | {
      readonly kind: 'isolate';
      readonly reason: string;
      readonly badLines: readonly { readonly line: number; readonly words: string }[] | null;
      /** Where the server names one conflict instead of lines: only lines with this field of this type are suspect. */
      readonly conflict: FieldConflict | null;
    }
  /** Somebody must act: keep everything, say so loudly, try again slowly. */
  | { readonly kind: 'pause'; readonly reason: string };

/**
 * Where points go. `write` is never called before `open` resolved, nor twice at once, nor after `close`.
 * Writing the same lines again must leave one copy (their timestamps are fixed).
 */
export interface Sink {
  /**
   * Gets ready. Resolves with the cursor the sink itself keeps in its own transactions, or null where the store's
   * cursor counts. Rejects with a GatewayError when it cannot; it is tried again. Called again after trouble with a
   * write, because that write may have been done all the same. `lastSeq` is the last group of the store: a cursor
   * beyond it is of a store that went back (an older copy of it), and becomes `lastSeq`.
   */
  open(storeId: string, lastSeq: number, signal: AbortSignal): Promise<number | null>;
  /** Writes the lines. Never rejects: whatever happens is a decision. `throughSeq` is null for a part of a slice. */
  write(lines: Buffer, throughSeq: number | null, signal: AbortSignal): Promise<Decision>;
  close(): Promise<void>;
}

export type SinkState = 'starting' | 'idle' | 'writing' | 'retrying' | 'paused' | 'stopped';

export interface SinkHealth {
  readonly name: string;
  readonly state: SinkState;
  /** Why, in words; null when all is well. */
  readonly reason: string | null;
  /** Since when in this state, ms since the epoch. */
  readonly sinceMs: number;
  readonly lastWriteMs: number | null;
}
