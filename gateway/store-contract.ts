/** What the store promises: to ingest (groups), to delivery (the log), and to whoever asks (the account). A leaf. */

import type { OutcomeKind, RejectionCode, Violation } from './contracts.ts';

/** A rejected reading on its way into the store. */
export interface NewRejection {
  readonly code: RejectionCode;
  readonly source: string;
  readonly topic: string;
  readonly client: string;
  readonly device: string | null;
  readonly schema: string | null;
  /** The element's position where the payload is an array; else null. */
  readonly index: number | null;
  readonly atMs: number;
  /** The message as received; of a list, the bytes of this element alone; for `sink-rejected` the line. */
  readonly payload: Buffer;
  readonly violations: readonly Violation[];
  /** `sink-rejected`: which sink refused it, else null. Its words are the violation's message. */
  readonly sink: string | null;
}

export interface Rejection extends NewRejection {
  readonly id: string;
}

/** A transfer as the store keeps it, so that its repeat is recognised after a restart. */
export interface TransferKey {
  readonly client: string;
  readonly packetId: number;
  /** 64 bits of topic and payload, in two unsigned halves. */
  readonly hashHigh: number;
  readonly hashLow: number;
  /** How many readings the message held. */
  readonly readings: number;
  /** `1`: QoS 1. `2`: QoS 2, awaiting its PUBREL. `0`: the PUBREL came (QoS 2 only). */
  readonly state: 0 | 1 | 2;
}

/**
 * The group that is open for additions. It is committed whole or not at all. All additions for one message are
 * made without awaiting in between, so that no message is spread over two groups.
 */
export interface Group {
  /** The same promise for everything in the group; see `Ingested.committed`. */
  readonly committed: Promise<void>;
  /** Counts `n` readings, under the source and under the device. */
  count(source: string, device: string, outcome: OutcomeKind, n: number): void;
  /** Appends one line of line protocol (with its "\n"). Order is kept. */
  point(line: string): void;
  /** Keeps a rejected reading; returns the id it will have. The payload is copied. */
  reject(rejection: NewRejection): string;
  /** Remembers a transfer. */
  remember(key: TransferKey): void;
  /** The arrival clock's mark, so that it never goes back. */
  arrivedAt(highWaterMs: number): void;
}

/** Readings by outcome. */
export type Tally = Record<OutcomeKind, number>;

/** What the store knows of one sink. Points since it was added: stored = written + rejected + dropped + pending. */
export interface SinkLedger {
  readonly name: string;
  /** Of the groups, the last one settled; the sink goes on behind it. */
  readonly cursor: number;
  readonly stored: number;
  readonly written: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly pending: number;
  readonly pendingBytes: number;
  /** Arrival of the oldest record that waits, ms since the epoch; null when none waits. */
  readonly oldestPendingMs: number | null;
  /** In today's configuration. One that is not keeps its place until it is forgotten. */
  readonly configured: boolean;
}

/** What a sink has done with the groups up to `throughSeq`. */
export interface Settlement {
  readonly throughSeq: number;
  readonly written: number;
  /** Points that the sink refused, each with its words. */
  readonly rejected: readonly {
    readonly line: Buffer;
    readonly words: string;
    readonly device: string | null;
  }[];
}

export interface Account {
  /** Sum over everything since the store was made. */
  readonly total: Tally;
  readonly sources: Readonly<Record<string, Tally>>;
  readonly devices: ReadonlyMap<string, Tally>;
  readonly codes: Readonly<Record<RejectionCode, number>>;
  /** Rejected readings that made room for newer ones, or grew too old. */
  readonly rejectedEvicted: number;
}

export type StoreState = 'open' | 'full' | 'unavailable' | 'closed';

export interface StoreStatus {
  readonly state: StoreState;
  /** Why it takes nothing, in words; null when it does. */
  readonly reason: string | null;
  readonly lastSeq: number;
  /** What the log takes up, and may: what is configured, less the part of rejected readings. */
  readonly liveBytes: number;
  readonly maxBytes: number;
  readonly rejectedBytes: number;
  readonly rejectedMaxBytes: number;
  readonly rejectedCount: number;
  readonly diskFreeBytes: number;
}

export interface RejectionFilter {
  readonly code?: RejectionCode;
  readonly device?: string;
  readonly client?: string;
  readonly limit?: number;
}

/**
 * The durable store. One process owns it; only its main thread writes. Counters, windows and cursors are exact for
 * everything whose `committed` resolved, after any crash.
 */
export interface Store {
  /** Random, made with the store: tells two stores apart. */
  readonly id: string;
  /** Where a LogReader on another thread opens it; null when the store is in memory. */
  readonly path: string | null;
  /** What the arrival clock had reached when the store was opened, ms. */
  readonly highWaterMs: number;
  /** Transfers remembered, of each client the oldest first. To be taken up before the first group: it goes on changing. */
  readonly transfers: Iterable<TransferKey>;
  /**
   * The open group. A new one opens when it is taken for commit.
   * @throws GatewayError `store-full`, `store-unavailable`, `stopping`: nothing may be taken now.
   */
  group(): Group;
  /** Counts what went past a store that takes nothing (`group()` threw). Joins the account with the next commit. */
  countLater(source: string, device: string, outcome: 'refused' | 'forwarded', n: number): void;
  account(): Account;
  status(): StoreStatus;

  rejections(filter: RejectionFilter): readonly Rejection[];
  rejection(id: string): Rejection | null;

  /** Makes the sink's ledger if it is new (at the oldest record held) and marks it configured. */
  openSink(
    name: string,
    options: { readonly maxBacklogBytes: number | null; readonly whenFull: 'block' | 'drop-oldest' },
  ): SinkLedger;
  sinks(): readonly SinkLedger[];
  /** Moves the cursor and keeps the refused points as rejections, in one transaction. */
  settle(name: string, settlement: Settlement): Promise<void>;
  /** @throws GatewayError `sink-unknown`, `sink-configured`. */
  forgetSink(name: string): Promise<void>;
  /** Calls back when a group with points has been synced, with its seq. At most once per commit. */
  onCommit(listener: (seq: number) => void): void;
  reader(): LogReader;

  /** Small named documents kept beside the data: the last good schemas, … At most 1 MiB each. */
  document(name: string): string | null;
  setDocument(name: string, text: string): Promise<void>;

  /** Commits what is open, folds, closes. Afterwards `group()` throws `stopping`. */
  close(): Promise<void>;
}

/** A run of whole groups, copied out of the store. */
export interface LogSlice {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly points: number;
  /** Line protocol, each line ending in "\n". */
  readonly lines: Buffer;
  /** Arrival of its oldest group, ms since the epoch. */
  readonly oldestMs: number;
}

/** Reads the log, also on another thread than the writer's. */
export interface LogReader {
  /**
   * Groups after `afterSeq` and up to `throughSeq` (which must be synced), as many as fit the limits but at least
   * one. Null when there is none. Groups that were trimmed are passed over, and so are those without points.
   * @throws GatewayError `store-damaged`: a broken group is never skipped.
   */
  read(
    afterSeq: number,
    throughSeq: number,
    limits: { readonly maxPoints: number; readonly maxBytes: number },
  ): LogSlice | null;
  close(): Promise<void>;
}
