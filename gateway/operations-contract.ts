/** What can be asked of a gateway from outside. A leaf. */

import type { FieldType, RejectionCode, Violation } from './contracts.ts';
import type { ClockDiagnosis } from './ledger-contract.ts';
import type { RejectedOperations, RejectionCause, RejectionRecord } from './rejected-contract.ts';
import type { SinkState } from './sink-contract.ts';
import type { OutboxLedger, SinkLedger, StoreStatus, Tally } from './store-contract.ts';

/** How the gateway is, as `/health/ready` says it. */
export interface Health {
  /** `ok`; `degraded`: it commits, but a sink is down, or something else wants somebody; `unavailable`: it cannot commit, so it acknowledges nothing. */
  readonly status: 'ok' | 'degraded' | 'unavailable';
  /** Each cause, in words. Empty when all is well. */
  readonly reasons: readonly string[];
}

/** A serial port, and what it has brought since the gateway started. */
export interface SerialPortStatus {
  /** The entry of the configuration. */
  readonly port: string;
  readonly device: string;
  /** Where it is open, or was last tried; null while it is not there. */
  readonly path: string | null;
  /** `waiting`: there is no such port, or several. `retrying`: it was lost, or cannot be opened. */
  readonly state: 'waiting' | 'opening' | 'open' | 'retrying' | 'stopped';
  /** Why, in words; null when all is well. */
  readonly reason: string | null;
  /** Since when in this state, ms since the epoch. */
  readonly sinceMs: number;
  readonly bytes: number;
  readonly frames: number;
  /** Frames that were not taken. */
  readonly refused: number;
  /** Acknowledgements left out because the device does not read them. */
  readonly unanswered: number;
  /** How often it was opened again. */
  readonly reopened: number;
  /** Bytes that were no frame, in all and by reason. */
  readonly discardedBytes: number;
  readonly discarded: Readonly<Record<string, number>>;
  /** The last of them, at most 4 KiB (of each long stretch its end), in hexadecimal. */
  readonly lastDiscardedHex: string;
}

/** Another broker that is read from, and what it has brought since the gateway started. */
export interface BrokerStatus {
  readonly name: string;
  /** Without secrets. */
  readonly url: string;
  /** `refused`: the broker said no, and somebody must act; it is tried again, slowly. */
  readonly state: 'connecting' | 'connected' | 'retrying' | 'refused' | 'stopped';
  /** Why, in words; null when all is well. */
  readonly reason: string | null;
  /** Since when in this state, ms since the epoch. */
  readonly sinceMs: number;
  readonly messages: number;
  /** Of these, acknowledged and not taken: `gateway/…`, impossible topics, retained ones where none are wanted. */
  readonly dropped: number;
  /** Taken, and not yet acknowledged to it. */
  readonly inFlight: number;
  /** How often it was connected again. */
  readonly reconnected: number;
  /** Did it still know our session when we came back? Null while that is not known. */
  readonly sessionPresent: boolean | null;
  /** How often it had forgotten a session that it was to keep, since the start. */
  readonly sessionsLost: number;
  /** Topic filters that it refused, or took at a lower QoS than it was asked for, each with the words for it. */
  readonly refusedFilters: readonly {
    readonly filter: string;
    readonly words: string;
    /** Null: refused. */
    readonly grantedQos: 0 | 1 | 2 | null;
  }[];
}

/** A forward to another broker, with its outbox. */
export interface ForwardStatus extends OutboxLedger {
  readonly url: string;
  readonly state: BrokerStatus['state'];
  readonly reason: string | null;
  readonly sinceMs: number;
  readonly lastSentMs: number | null;
}

/** An outbox; `state` and `url` are null where its forward does not run. */
export interface ForwardReport extends OutboxLedger {
  readonly url: string | null;
  readonly state: BrokerStatus['state'] | null;
  readonly reason: string | null;
  readonly lastSentMs: number | null;
}

export interface SourceStatus {
  readonly name: string;
  /** Of a source that reads from another broker. */
  readonly broker?: BrokerStatus;
  /** Open connections or ports. */
  readonly connections: number;
  /** Of the serial source. */
  readonly ports?: readonly SerialPortStatus[];
}

export interface GatewayStatus {
  readonly version: string;
  readonly pid: number;
  /** False where a command opened the files because no gateway runs. */
  readonly running: boolean;
  readonly startedMs: number;
  readonly store: StoreStatus;
  readonly sources: readonly SourceStatus[];
  /** Empty where nothing is forwarded to other brokers. */
  readonly forwards: readonly ForwardStatus[];
  readonly schemas: readonly string[];
  /** Schema files that could not be used; their last good version stays in force. */
  readonly schemaErrors: number;
}

export interface DeviceAccount extends Tally {
  readonly device: string;
}

/** What the registry knows of a device. */
export interface DeviceReport {
  /** Its own name. */
  readonly device: string;
  /** The name it is stored under (`devices.yaml`); null: its own. */
  readonly alias: string | null;
  /** ms since the epoch. */
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly source: string;
  readonly address: string | null;
  readonly client: string;
  /** `$id` of each schema its readings came under, at most 8. */
  readonly schemas: readonly string[];
  readonly ratePerMinute: number;
  readonly readings: number;
  readonly rejected: number;
  /** Of its latest rejection. */
  readonly lastCode: RejectionCode | null;
  /** How often its `seq` left numbers out, and how many. */
  readonly seqGaps: number;
  readonly missing: number;
  readonly clock: {
    readonly diagnosis: ClockDiagnosis;
    /** For people: "3 h 0 min ahead". Null where there is nothing to say. */
    readonly words: string | null;
    /** Ahead of arrival by so much (negative: behind); null while it is not known. */
    readonly offsetMs: number | null;
    readonly driftPpm: number | null;
    readonly jumps: number;
  };
  /** Null where nobody said how often it should be heard. */
  readonly state: 'online' | 'silent' | null;
  readonly expectEveryMs: number | null;
}

export interface DeviceFilter {
  /** Silent ones only. */
  readonly silent?: boolean;
}

/** The series budget, and who takes how much of it. What is estimated is named so. */
export interface SeriesReport {
  readonly total: number;
  readonly budget: number;
  /** Readings that would have begun a series beyond the budget. */
  readonly refusedReadings: number;
  readonly estimatedRefusedSeries: number;
  readonly measurements: readonly {
    readonly measurement: string;
    readonly series: number;
    /** Its own, besides the one for all; null where it has none. */
    readonly budget: number | null;
    readonly refusedEstimate: number;
    readonly tags: readonly { readonly key: string; readonly valuesEstimate: number }[];
  }[];
  /** Those with most series, at most 1,000. */
  readonly devices: readonly { readonly device: string; readonly series: number }[];
}

/** A field as the database is known to hold it. */
export interface FieldReport {
  readonly measurement: string;
  readonly field: string;
  readonly type: FieldType;
  readonly firstSeenMs: number;
  /** Who wrote it first; null where that is not known (it came from a database). */
  readonly device: string | null;
  readonly schema: string | null;
  /** `schema`, or `database:<sink>`. */
  readonly origin: string;
}

/** Readings or points that came in, but ended nowhere or twice: a bug of the gateway. */
export interface Imbalance {
  readonly scope: 'total' | 'source' | 'device' | 'sink';
  /** Of the source, device or sink; empty for the total. */
  readonly name: string;
  readonly received: number;
  readonly accounted: number;
  /** received - accounted. */
  readonly difference: number;
}

export interface AccountReport {
  readonly total: Tally;
  readonly sources: Readonly<Record<string, Tally>>;
  readonly codes: Readonly<Record<RejectionCode, number>>;
  /** Rejected readings: still to be looked at; stored after all; deleted by somebody; gone for want of room, or too old. */
  readonly rejections: {
    readonly open: number;
    readonly replayed: number;
    readonly discarded: number;
    readonly evicted: number;
  };
  /** Where it does not close, at most 1,000 rows. Empty unless the gateway has a bug. */
  readonly imbalances: readonly Imbalance[];
  /** How many devices are known. */
  readonly deviceCount: number;
  /** The busiest of them, at most 1,000. */
  readonly devices: readonly DeviceAccount[];
  readonly sinks: readonly SinkLedger[];
}

/** All that is known of a device. */
export interface DeviceDetail extends DeviceAccount {
  /** Null where the registry does not (or no longer) know it. */
  readonly known: DeviceReport | null;
  /** How many it has begun. */
  readonly series: number;
  /** Why its readings were rejected, of those still open. */
  readonly causes: readonly RejectionCause[];
}

/** A sink with its place in the log; `state` is null where it does not run. */
export interface SinkReport extends SinkLedger {
  readonly state: SinkState | null;
  readonly reason: string | null;
  readonly lastWriteMs: number | null;
}

/** A sink or forward that was forgotten. */
export interface Forgotten {
  readonly name: string;
  readonly kind: 'sink' | 'forward';
  /** What waited for it and is thrown away, as `sinks` and `forwards` counted it: points of a sink, messages of a forward. */
  readonly pending: number;
  readonly pendingBytes: number;
}

export interface TopicReport {
  readonly topic: string;
  readonly count: number;
  /** Empty where no schema claims it. */
  readonly schemas: readonly string[];
  readonly lastMs: number;
  /** The beginning of a recent payload, made safe to show. */
  readonly sample: string;
  /** Where no schema claims it: the one that comes nearest, and what differs. */
  readonly nearest: string | null;
}

export interface ExplainRequest {
  readonly topic: string;
  /** Null: only where the topic leads. */
  readonly payloadBase64: string | null;
  readonly client: string;
  /** A format spec, as a serial port has one; null: as the schema says. */
  readonly format: string | null;
  /** Given: as if it came from another broker. */
  readonly relay?: {
    readonly contentType: string | null;
    readonly userProperties: readonly (readonly [name: string, value: string])[];
  };
}

/** What would happen to a message. */
export interface Explanation {
  readonly topic: string;
  /** `route`: no payload was given, and a schema claims the topic. `duplicate`: every reading is one. */
  readonly outcome: 'stored' | 'duplicate' | 'rejected' | 'forwarded' | 'route';
  readonly schemas: readonly string[];
  readonly format: string | null;
  /** Where no schema claims it: the one that comes nearest, and what differs. */
  readonly nearest: string | null;
  readonly readings: readonly ExplainedReading[];
  /** Only where the gateway has peers. */
  readonly home?: ExplainedHome;
}

/** Where a topic is at home among gateways that are peers, and what that means for this message. */
export interface ExplainedHome {
  /** The gateway that is its home, by the name it has in `peers:`. */
  readonly gateway: string;
  /** That is this one. */
  readonly isHere: boolean;
  /**
   * Whether it would be passed on to its home if it came to this gateway over a shared subscription; else it stays here.
   * Null: that depends on the payload, and none was given.
   */
  readonly passedOn: boolean | null;
  /** Why so, in words. */
  readonly why: string;
}

export type ExplainedReading =
  | {
      readonly kind: 'point';
      readonly device: string;
      readonly schema: string;
      readonly line: string;
      /** Its identity has been stored before. */
      readonly duplicate: boolean;
      /** What the clock of its device is like, in words; null where there is nothing to say. */
      readonly clock: string | null;
    }
  | {
      readonly kind: 'bad';
      readonly device: string | null;
      readonly schema: string | null;
      readonly code: RejectionCode;
      readonly violations: readonly Violation[];
      readonly clock: string | null;
    };

/** The text of a schema. */
export interface SchemaText {
  /** Names the text. */
  readonly version: string;
  /** Null where it is no longer kept, and of the one that was where it still is. */
  readonly text: string | null;
}

/** All that is known of one. */
export interface RejectionReport extends RejectionRecord {
  /** The schema by which it was rejected; null where none was, or that is not known. */
  readonly schemaThen: SchemaText | null;
  /** The one of that name today; null where there is none. */
  readonly schemaNow: SchemaText | null;
  /** What would become of it today, one entry a reading. Empty for points that a sink refused. */
  readonly today: readonly ExplainedReading[];
}

/**
 * What can be asked of a gateway from outside: the HTTP API and the control socket are two thin doors to this. Every
 * answer is plain data that survives JSON. Each rejects with a GatewayError whose code both doors pass on.
 */
export interface Operations extends RejectedOperations {
  status(): Promise<GatewayStatus>;
  health(): Promise<Health>;
  account(): Promise<AccountReport>;
  /** @throws GatewayError `not-found`. */
  deviceAccount(device: string): Promise<DeviceAccount>;
  /** Busiest first, at most 1,000. @throws GatewayError `not-running`: only a running gateway has seen topics. */
  topics(): Promise<readonly TopicReport[]>;
  sinks(): Promise<readonly SinkReport[]>;
  /** Outboxes, also of forwards that are no longer configured. */
  forwards(): Promise<readonly ForwardReport[]>;
  /** Of a sink, or of a forward. @throws GatewayError `sink-unknown`, `sink-configured`. */
  forgetSink(name: string): Promise<Forgotten>;
  /** @throws GatewayError `not-found`. */
  rejection(id: string): Promise<RejectionReport>;
  /** Latest heard first, at most 1,000. */
  devices(filter: DeviceFilter): Promise<readonly DeviceReport[]>;
  /** @throws GatewayError `not-found`. */
  device(device: string): Promise<DeviceDetail>;
  series(): Promise<SeriesReport>;
  fields(): Promise<readonly FieldReport[]>;
  /** The next reading says anew what type the field has. @throws GatewayError `not-found`. */
  forgetField(measurement: string, field: string): Promise<void>;
  explain(request: ExplainRequest): Promise<Explanation>;
}
