/** What the store promises: to ingest (groups), to delivery (the log), and to whoever asks (the account). A leaf. */

import type { Identity, OutcomeKind, RejectionCode, Relay, Violation } from './contracts.ts';

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
  /** `Message.username`, `Message.format` and `Message.relay`: a replay needs them. */
  readonly username: string | null;
  readonly format: string | null;
  /** Kept to 1 KiB: of the user properties those that fit. */
  readonly relay: Relay | null;
  /** Names the text of the schema that was in force (see `SchemaHistory`); null where no single schema applied. */
  readonly schemaVersion: string | null;
}

export interface Rejection extends NewRejection {
  readonly id: string;
  /** Null while it is open. `stored` and `duplicate`: what its replay came to. */
  readonly resolved: Resolution | null;
}

/** How a rejection ended. */
export interface Resolution {
  readonly kind: 'stored' | 'duplicate' | 'split' | 'written';
  /** ms since the epoch. */
  readonly atMs: number;
}

/** 64 bits, in two unsigned halves. */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

/** What the store knows of one outbox. Messages since it was added: taken = sent + dropped + pending. */
export interface OutboxLedger {
  readonly name: string;
  readonly taken: number;
  readonly sent: number;
  readonly dropped: number;
  readonly pending: number;
  readonly pendingBytes: number;
  /** Arrival of the oldest message that waits, ms since the epoch; null when none waits. */
  readonly oldestPendingMs: number | null;
  /** In today's configuration. One that is not keeps what it holds until it is forgotten. */
  readonly configured: boolean;
}

export interface OutboxMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

/** A run of messages of one outbox, oldest first. */
export interface OutboxSlice {
  readonly messages: readonly OutboxMessage[];
  /** To be given to `sent`: the place behind each message, by its position in `messages`. */
  readonly through: readonly OutboxPlace[];
}

/** A place in an outbox: messages before it are done with. */
export interface OutboxPlace {
  readonly seq: number;
  /** Of the group `seq`, how many of this outbox. */
  readonly count: number;
}

/** Messages that wait to be forwarded, durably, in the order in which they were taken. */
export interface Outbox {
  readonly name: string;
  ledger(): OutboxLedger;
  /** What lies behind `after` (null: behind what was sent) and is synced; null when there is none. */
  read(
    after: OutboxPlace | null,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): OutboxSlice | null;
  /**
   * Everything before `place` is done with, and makes room: acknowledged by the other side, but for `refused` (0 unless
   * given) that it will never take, which count as dropped. A place that was passed by already changes nothing.
   * Rejects when it could not be committed: call it again.
   */
  sent(place: OutboxPlace, refused?: number): Promise<void>;
  /** Calls back when a group that put something into this outbox has been synced. */
  onMessages(listener: () => void): void;
}

/** An identity as the store keeps it, so that a resend is recognised after a restart. */
export interface IdentityKey extends Identity {
  readonly device: string;
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
  /**
   * `1`: QoS 1. `2`: QoS 2, awaiting its PUBREL. `0`: the PUBREL came (QoS 2 only); with packet id 0, which no message has,
   * everything of this client is over.
   */
  readonly state: 0 | 1 | 2;
}

/**
 * The group that is open for additions. It is committed whole or not at all. All additions for one message are
 * made without awaiting in between, so that no message is spread over two groups.
 */
export interface Group {
  /** The same promise for everything in the group; see `Ingested.committed`. */
  readonly committed: Promise<void>;
  /** Counts `n` readings at the door, under the source and under the device. */
  receive(source: string, device: string, n: number): void;
  /** Counts what became of `n` readings. Whatever was received and is not counted here is an imbalance. */
  count(source: string, device: string, outcome: OutcomeKind, n: number): void;
  /** Appends one line of line protocol (with its "\n"). Order is kept. */
  point(line: string): void;
  /** Keeps a rejected reading; returns the id it will have. The payload is copied. */
  reject(rejection: NewRejection): string;
  /** Remembers a transfer. */
  remember(key: TransferKey): void;
  /** Remembers an identity, within a bounded window for each device. */
  identify(device: string, identity: Identity): void;
  /** Ends a rejection in this same transaction. One that is no longer kept, or has ended, stays as it is. */
  resolve(rejectionId: string, kind: Resolution['kind']): void;
  /**
   * Keeps a small document (see `Store.document`), at most 16 KiB, in this same transaction. What does not fit is not
   * kept: a larger text, a name of no or of more than 512 bytes, more than 512 names in one group, or a new name when
   * there are `maxDocuments`. So it must be something that can be found out again.
   */
  note(name: string, text: string): void;
  /**
   * Remembers the last payload of a topic, so that a broker's repetition of it is recognised also after a restart. Both by
   * their hashes. What was remembered longest ago goes where there are too many.
   */
  rememberLast(topic: Hash, payload: Hash): void;
  /** Puts a message into the outbox of a forward, in this same transaction. The payload is copied. */
  forward(outbox: string, topic: string, payload: Buffer): void;
  /** Arrival times in this group are provisional (`ArrivalClock.isProvisional`). */
  markProvisional(): void;
  /** The arrival clock's mark, so that it never goes back. */
  arrivedAt(highWaterMs: number): void;
}

/** Readings by outcome, and how many came in. Where `received` is not their sum, the gateway has a bug. */
export type Tally = Record<OutcomeKind | 'received', number>;

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
  /**
   * Rejected readings that made room for newer ones, or grew too old, while they were open. The sum of all `codes` =
   * `rejectedOpenCount` of the status + evicted + replayed + discarded.
   */
  readonly rejectedEvicted: number;
  /** Rejected readings that were resolved (replayed), and open ones that somebody deleted. */
  readonly rejectedReplayed: number;
  readonly rejectedDiscarded: number;
}

export type StoreState = 'open' | 'full' | 'unavailable' | 'closed';

export interface StoreStatus {
  readonly state: StoreState;
  /** Why it takes nothing, in words; null when it does. */
  readonly reason: string | null;
  readonly lastSeq: number;
  /** What log and outboxes take up, and may: what is configured, less the part of rejected readings. */
  readonly liveBytes: number;
  readonly maxBytes: number;
  readonly rejectedBytes: number;
  readonly rejectedMaxBytes: number;
  /** Rejected readings held, and how many of them are open: neither replayed nor written after all. */
  readonly rejectedCount: number;
  readonly rejectedOpenCount: number;
  readonly diskFreeBytes: number;
}

/** All that is given must fit. */
export interface RejectionFilter {
  readonly code?: RejectionCode;
  readonly device?: string;
  readonly client?: string;
  /** A topic, or an MQTT topic filter. */
  readonly topic?: string;
  /** `$id`. */
  readonly schema?: string;
  readonly sink?: string;
  /** Rejected at or after, and before; ms since the epoch. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** `open` unless given. */
  readonly state?: 'open' | 'resolved' | 'all';
  readonly limit?: number;
}

/** A part of all that fit a filter. */
export interface RejectionPage {
  readonly rejections: readonly Rejection[];
  /** Where the next page begins; null: there is no more. */
  readonly next: string | null;
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
  /** Identities remembered, of each device the oldest first. The same goes for them. */
  readonly identities: Iterable<IdentityKey>;
  /** The highest provisional arrival time handed out so far, ns as digits; '0' when there are none without a base. */
  readonly provisionalNs: string;
  /**
   * The open group. A new one opens when it is taken for commit.
   * @throws GatewayError `store-full`, `store-unavailable`, `stopping`: nothing may be taken now.
   */
  group(): Group;
  /** Counts what went past a store that takes nothing (`group()` threw). Joins the account with the next commit. */
  countLater(source: string, device: string, outcome: 'refused' | 'forwarded', n: number): void;
  account(): Account;
  status(): StoreStatus;

  /** Newest first; 100 unless `limit` says otherwise. */
  rejections(filter: RejectionFilter): readonly Rejection[];
  /**
   * Oldest first, behind `after` (a `next`, or null for the beginning). One call looks at a bounded number of bytes, so
   * a page may be short, or empty, and still have a `next`.
   */
  rejectionPage(filter: RejectionFilter, after: string | null, limit: number): RejectionPage;
  rejection(id: string): Rejection | null;
  /** Deletes rejected readings; returns how many there were. Counted as discarded where they were open. */
  discardRejections(ids: readonly string[]): Promise<number>;
  /**
   * Lines that a sink once refused have been written to it: their rejections end (`written`), and its ledger says so, in
   * one transaction. Returns how many; repeated, it does nothing. @throws GatewayError `sink-unknown`.
   */
  settleReplayed(sink: string, rejectionIds: readonly string[]): Promise<number>;

  /** Makes the sink's ledger if it is new (at the oldest record held) and marks it configured. */
  openSink(
    name: string,
    options: { readonly maxBacklogBytes: number | null; readonly whenFull: 'block' | 'drop-oldest' },
  ): SinkLedger;
  sinks(): readonly SinkLedger[];
  /** Moves the cursor and keeps the refused points as rejections, in one transaction. */
  settle(name: string, settlement: Settlement): Promise<void>;
  /** Resolves with what it was, and what waited for it. @throws GatewayError `sink-unknown`, `sink-configured`. */
  forgetSink(name: string): Promise<SinkLedger>;
  /** Calls back when a group with points has been synced, with its seq. At most once per commit. */
  onCommit(listener: (seq: number) => void): void;
  reader(): LogReader;

  /** The last payloads that are remembered, by topic, in no particular order. Read once, at the start. */
  readonly lastPayloads: Iterable<readonly [topic: Hash, payload: Hash]>;

  /**
   * Makes the outbox if it is new, and marks it configured. At its limit, `block` keeps the store from taking anything,
   * `drop-oldest` makes room, and `refuse` is for who fills it to ask for (`outboxIsFull`).
   */
  openOutbox(
    name: string,
    options: { readonly maxBacklogBytes: number; readonly whenFull: 'block' | 'drop-oldest' | 'refuse' },
  ): Outbox;
  /** It is at its limit, and `refuse`: what would go into it is not to be taken. False of one that is not configured. */
  outboxIsFull(name: string): boolean;
  outboxes(): readonly OutboxLedger[];
  /** As `forgetSink`. @throws GatewayError `sink-unknown`, `sink-configured`. */
  forgetOutbox(name: string): Promise<OutboxLedger>;

  /** Small named documents kept beside the data: the last good schemas, … At most 1 MiB each. */
  document(name: string): string | null;
  /** Those whose name begins with `prefix`, in the order of their names. */
  documents(prefix: string): Iterable<readonly [name: string, text: string]>;
  setDocument(name: string, text: string): Promise<void>;
  /**
   * Several in one transaction, all or none; null deletes one. @throws GatewayError `usage` for a name of no or of more
   * than 512 bytes; `too-large` for a text above 1 MiB, or when there are too many.
   */
  setDocuments(changes: ReadonlyMap<string, string | null>): Promise<void>;
  /**
   * The gateway's clock has been set: provisional arrival times of all groups so far are `ns` + `baseNs` from now on
   * (both as in `ArrivalClock`). Readers hold back at the first group whose times are still provisional. All groups: also
   * those that wait for their commit. Where a group has its base already, that stays. Rejects when it could not be
   * committed: call it again. @throws GatewayError `usage` when `baseNs` is not 1 to 19 digits.
   */
  setArrivalBase(baseNs: string): Promise<void>;

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
