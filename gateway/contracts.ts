/**
 * What the stages promise one another. This file imports nothing; every stage may import it, and no stage
 * imports another stage: `gateway.ts` wires them together.
 *
 *   source ──Message──▶ Ingest ──▶ Readings (route, validate, map) ──▶ Group of the Store
 *                                                                        │ committed = acknowledged
 *   Sink ◀──batch of lines── delivery ◀──LogSlice── LogReader ◀──────────┘
 */

// ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────

/** The only way a stage learns the time or waits, so that tests can hold it. */
export interface Clock {
  /** Wall clock, ms since 1970-01-01 UTC. May jump. */
  nowMs(): number;
  /** Never goes back; for durations only. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/**
 * The arrival clock: strictly increasing nanoseconds since 1970-01-01 UTC, as decimal digits, also across
 * restarts (its high-water mark is committed with the data) and when the wall clock steps back.
 */
export interface ArrivalClock {
  /** 19 digits; while `isProvisional`, at most 17. */
  nextNs(): string;
  /** The highest millisecond handed out so far; committed with each group. */
  readonly highWaterMs: number;
  /**
   * The gateway's own clock is not set yet (no RTC, no network). Times of arrival are then provisional: nanoseconds of
   * uptime, told by their few digits from any real time, and the store gives them their time when the clock is set.
   * Nothing may be rejected for its time meanwhile.
   */
  readonly isProvisional: boolean;
}

// ── Arrivals ────────────────────────────────────────────────────────────────────────────────────────────────

/** How the transport names one transfer, so that a repeat of it can be recognised. */
export interface Transfer {
  readonly packetId: number;
  readonly qos: 1 | 2;
  /** The sender says this is a resend. Not every client says so (mqtt.js does not). */
  readonly dup: boolean;
  /** Differs between two connections of one client; never 0. */
  readonly connection: number;
}

export const MAX_USER_PROPERTIES = 32;

/** Why the text of a user property is not known; `not-kept`: a rejected reading keeps only some of its own. */
export const UNREAD_REASONS = ['too-long', 'too-many', 'not-kept'] as const;
export type UnreadReason = (typeof UNREAD_REASONS)[number];

/** User properties that a message had, and whose texts are not known: a reading must not be stored as if it had none. */
export interface UnreadProperties {
  /** By name, at most `2 * MAX_USER_PROPERTIES`. */
  readonly names: ReadonlyMap<string, UnreadReason>;
  /** There were more of them than names are kept; null: there were not. */
  readonly others: UnreadReason | null;
}

/** What another broker says of a message that it passed on. It does not say who sent it. */
export interface Relay {
  /** MQTT 5, 3.3.2.3.9; null where there is none. */
  readonly contentType: string | null;
  /** MQTT 5, 3.3.2.3.7, at most `MAX_USER_PROPERTIES`: of a name that comes twice, the last one. */
  readonly userProperties: ReadonlyMap<string, string>;
  /** Left out where all of them are in `userProperties`. */
  readonly unread?: UnreadProperties;
  /**
   * It came over a shared subscription: another gateway may get the same message as well, and both must store it as the same
   * point.
   */
  readonly isShared?: boolean;
  /**
   * Only where a peer has passed it on to us: when it came to that one, ms since the epoch, and it counts as having arrived
   * then; null: the peer's clock was not set.
   */
  readonly arrivedMs?: number | null;
  /** With `arrivedMs`: the broker that the peer has read it from, by its name in `brokers:` there. An older peer does not say. */
  readonly broker?: string;
}

/** One arrival as its source hands it over. The payload is only read, and not kept after `ingest` returns. */
export interface Message {
  /** `mqtt`, `serial`, `http`, a broker's name, or `replay`. */
  readonly source: string;
  readonly topic: string;
  readonly payload: Buffer;
  /** Who sent it: the MQTT client id, the port, `broker/` and a broker's name, … Never empty. */
  readonly client: string;
  readonly username: string | null;
  /** The device a source knows by configuration (a serial port's `device`). */
  readonly device: string | null;
  /** Null where the transport cannot repeat (QoS 0). */
  readonly transfer: Transfer | null;
  /** The sender asked its broker to keep it for later subscribers. With an empty payload it only clears that. */
  readonly retain: boolean;
  /** Where it came from, for people: an IP address, the path of a port. Null where there is none to tell. */
  readonly address: string | null;
  /** The format spec by which the source has this payload read (a serial port's); null: as the schema says. */
  readonly format: string | null;
  /** Somebody waits for a receipt of each of its readings, also of stored ones. */
  readonly receipts: boolean;
  /**
   * Where it was read from another broker: then `client` is that broker (or the bridge to us), not the sender, and `retain` says that the
   * broker repeats what it keeps for new subscribers. Null where the client is the sender.
   */
  readonly relay: Relay | null;
}

// ── Outcomes ────────────────────────────────────────────────────────────────────────────────────────────────

/** Where a reading ends. `received` = the sum of these five. */
export const OUTCOMES = ['stored', 'duplicate', 'rejected', 'forwarded', 'refused'] as const;
export type OutcomeKind = (typeof OUTCOMES)[number];

export const REJECTION_CODES = [
  'undecodable',
  'no-route',
  'invalid',
  'time-out-of-range',
  'type-conflict',
  'cardinality',
  'too-large',
  'sink-rejected',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];

/** One thing wrong with a payload. */
export interface Violation {
  /** JSON Pointer (RFC 6901) into the reading; empty for the whole of it. */
  readonly pointer: string;
  /** What is wrong and what would be right, in words. */
  readonly message: string;
}

/** For the receipt of a reading that was taken. */
export interface TakenReceipt {
  /** ms since the epoch. */
  readonly atMs: number;
  /** The reading's own `seq` property, where it has an integer one. */
  readonly seq: number | null;
  /** False: only `Message.receipts` asks for it, not its schema. */
  readonly bySchema: boolean;
}

/** What became of one reading. `refused` is no outcome here: then `committed` rejects, or `ingest` throws. */
export type Outcome =
  | {
      readonly kind: 'stored' | 'duplicate' | 'forwarded';
      /** Where its schema, or `Message.receipts`, asks for one. */
      readonly receipt: TakenReceipt | null;
    }
  | {
      readonly kind: 'rejected';
      readonly id: string;
      readonly code: RejectionCode;
      readonly violations: readonly Violation[];
      /** ms since the epoch. */
      readonly atMs: number;
      /** The reading's own `seq` property, where it has an integer one: lets firmware match the receipt. */
      readonly seq: number | null;
    };

/** The answer of `ingest`: what became of each reading, and the promise that **is** the acknowledgement. */
export interface Ingested {
  /** One per reading: an array of n elements has n. Shared and frozen where possible: never change it. */
  readonly outcomes: readonly Outcome[];
  /**
   * Resolves when the group that holds this message is on disk: only then may the sender be acknowledged.
   * One promise for all messages of a group. Rejects with a GatewayError when it could not be committed:
   * nothing of the group may be acknowledged.
   */
  readonly committed: Promise<void>;
}

/** The one door into the gateway. Synchronous: arrivals of one client keep their order. */
export interface Ingest {
  /**
   * Takes one message. Never throws on what a sender controls.
   * @throws GatewayError `store-full`, `store-unavailable`, `stopping`: nothing was taken, do not acknowledge.
   */
  ingest(message: Message): Ingested;
  /** The sender has completed this QoS 2 transfer (PUBREL): its packet id names a new message from now on. */
  released(client: string, packetId: number): Promise<void>;
  /** The client began a clean session: transfers it left half done are no longer open. */
  sessionCleared(client: string): void;
  /**
   * Another broker has lost the session that `client` had with it: nothing taken before can come again, and it gives its
   * packet ids anew. Forgotten at once, and on disk when this resolves; messages of the new session may come only then.
   * @throws GatewayError as `ingest` does. Rejects where it could not be committed: to be said again.
   */
  sessionLost(client: string): Promise<void>;
}

// ── Readings ────────────────────────────────────────────────────────────────────────────────────────────────

export type FieldType = 'float' | 'integer' | 'string' | 'boolean';

/** A field that a schema may write. */
export interface SchemaField {
  readonly name: string;
  readonly type: FieldType;
}

/**
 * Where a point is stored: measurement and tags. One object for all readings of a topic whose series does not depend on
 * the payload.
 */
export interface Series {
  /** The line protocol before the fields: measurement and tags, sorted and escaped. */
  readonly key: string;
  readonly measurement: string;
  readonly device: string;
  /** Every field that its schema may write, one shared array for each schema. */
  readonly fields: readonly SchemaField[];
  /** For the ledgers alone: what they know of this series, so that they need not look it up for each reading. */
  known: object | null;
}

/** Names a reading within its device: 64 bits of the properties that its schema declares as `identity`. */
export interface Identity {
  readonly high: number;
  readonly low: number;
}

/** A reading to store. */
export interface Point {
  readonly kind: 'point';
  readonly device: string;
  /** `$id` of the schema. */
  readonly schema: string;
  /** Line protocol with a nanosecond timestamp, ending in "\n". */
  readonly line: string;
  /** The timestamp came from the payload (or an identity did): a resend of it can be told from a new reading. */
  readonly recognisable: boolean;
  /**
   * Whichever gateway takes it, it comes out as the same point, and what is a repeat of it does too: the timestamp is the
   * reading's own, and no declared identity says that another reading is the same.
   */
  readonly isSameAnywhere: boolean;
  readonly series: Series;
  /**
   * Null where the schema declares none, or the reading does not have all of it. Ingest gives one made of its bytes to a
   * reading that has none, but a time of its own.
   */
  identity: Identity | null;
  /** The device's own time as it was sent, µs since 1970 (an age counts as none); null where there is none. */
  readonly sentUs: number | null;
  readonly seq: number | null;
  /** Its schema asks for a receipt of each reading. */
  readonly receipt: boolean;
}

/** A reading that cannot be stored, and the reasons why not. */
export interface BadReading {
  readonly kind: 'bad';
  /** Null where the device could not be told. */
  readonly device: string | null;
  /** `$id`; null where no single schema applied. */
  readonly schema: string | null;
  readonly code: Exclude<RejectionCode, 'sink-rejected'>;
  readonly violations: readonly Violation[];
  /** As in `Point`. */
  readonly sentUs: number | null;
  readonly seq: number | null;
}

/** One reading, interpreted under its schema. */
export type Reading = Point | BadReading;

/**
 * What tells a repeat of a reading from a new one. `identity`, and `judged-time`, which depends on what is known of the
 * device's clock: only the gateway that has the first can tell. `own-time`: both come out as the same point anywhere.
 */
export type RepeatsToldBy = 'identity' | 'judged-time' | 'own-time' | 'nothing';

/** What a topic leads to. */
export interface Route {
  /** `$id` of each schema that shares this topic (several only with `select`). */
  readonly schemas: readonly string[];
  /** For each of them. */
  readonly repeatsToldBy: readonly RepeatsToldBy[];
  /** The format spec of the payload: `json`, `scalar`, or as `Formats` describes. */
  readonly format: string;
  /** A schema names the format; else a content type (`Relay`) may say another. */
  readonly namesFormat: boolean;
  /** Where a blank payload is a bare value that the schema declares as missing, the text that it stands for; else null. */
  readonly blank: string | null;
  /** The device where the topic, client or port tells it without the payload; else null. */
  deviceOf(message: Message): string | null;
  /** Validates and maps a decoded payload. One entry per reading, in order. Pure but for the clocks. Never throws. */
  interpret(value: unknown, message: Message, arrival: ArrivalClock, nowMs: number): readonly Reading[];
}

/** The reading schemas in force. */
export interface Readings {
  /** Null where no schema claims the topic. */
  route(topic: string): Route | null;
}

// ── Sources ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Where messages come from. Started last, stopped first. */
export interface Source {
  readonly name: string;
  /** Resolves when it takes messages. Rejects with a GatewayError (`address-in-use`, …). */
  start(): Promise<void>;
  /** Takes nothing new, lets what is in flight be acknowledged within `deadlineMs`, then lets go of every client. */
  stop(deadlineMs: number): Promise<void>;
  /** Open connections or ports. */
  connections(): number;
}

/**
 * Formats by their spec: a name (`json`, `scalar`, `nmea`, …), or for those with options the compact JSON of
 * `{"<name>": {options}}` with sorted keys, as `telemetry.format` and a serial port's `format` have it.
 */
export interface Formats {
  /** Null where there is no such format, or its options make no sense. The same object for the same spec. */
  get(spec: string): Format | null;
}

/** Turns payload bytes into a plain value. Bounded in depth and keys. */
export interface Format {
  readonly name: string;
  /** @throws GatewayError `undecodable` with a position. */
  decode(payload: Buffer): unknown;
  /** Of a payload that was decoded into a list: the bytes of each element, in order. Null where it is no list. */
  elements(payload: Buffer): readonly Buffer[] | null;
}
