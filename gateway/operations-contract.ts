/** What can be asked of a gateway from outside. A leaf. */

import type { RejectionCode, Violation } from './contracts.ts';
import type { SinkState } from './sink-contract.ts';
import type { RejectionFilter, SinkLedger, StoreStatus, Tally } from './store-contract.ts';

/** How the gateway is, as `/health/ready` says it. */
export interface Health {
  /** `ok`; `degraded`: it commits, but a sink is down; `unavailable`: it cannot commit, so it acknowledges nothing. */
  readonly status: 'ok' | 'degraded' | 'unavailable';
  /** Each cause, in words. Empty when all is well. */
  readonly reasons: readonly string[];
}

export interface GatewayStatus {
  readonly version: string;
  readonly pid: number;
  /** False where a command opened the files because no gateway runs. */
  readonly running: boolean;
  readonly startedMs: number;
  readonly store: StoreStatus;
  readonly sources: readonly { readonly name: string; readonly connections: number }[];
  readonly schemas: readonly string[];
  /** Schema files that could not be used; their last good version stays in force. */
  readonly schemaErrors: number;
}

export interface DeviceAccount extends Tally {
  readonly device: string;
}

export interface AccountReport {
  readonly total: Tally;
  readonly sources: Readonly<Record<string, Tally>>;
  readonly codes: Readonly<Record<RejectionCode, number>>;
  readonly rejectedEvicted: number;
  /** How many devices are known. */
  readonly deviceCount: number;
  /** The busiest of them, at most 1,000. */
  readonly devices: readonly DeviceAccount[];
  readonly sinks: readonly SinkLedger[];
}

/** A sink with its place in the log; `state` is null where it does not run. */
export interface SinkReport extends SinkLedger {
  readonly state: SinkState | null;
  readonly reason: string | null;
  readonly lastWriteMs: number | null;
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

/** A rejected reading in a list. */
export interface RejectionSummary {
  readonly id: string;
  readonly atMs: number;
  readonly code: RejectionCode;
  readonly source: string;
  readonly topic: string;
  readonly client: string;
  readonly device: string | null;
  readonly schema: string | null;
  readonly index: number | null;
  readonly sink: string | null;
  readonly violations: readonly Violation[];
  readonly payloadBytes: number;
  /** The payload made safe to show: what does not print is escaped. In a list only its beginning. */
  readonly payloadText: string;
}

/** The whole of it. */
export interface RejectionReport extends RejectionSummary {
  readonly payloadBase64: string;
}

export interface ExplainRequest {
  readonly topic: string;
  /** Null: only where the topic leads. */
  readonly payloadBase64: string | null;
  readonly client: string;
}

/** What would happen to a message. */
export interface Explanation {
  readonly topic: string;
  /** `route`: no payload was given, and a schema claims the topic. */
  readonly outcome: 'stored' | 'rejected' | 'forwarded' | 'route';
  readonly schemas: readonly string[];
  readonly format: string | null;
  /** Where no schema claims it: the one that comes nearest, and what differs. */
  readonly nearest: string | null;
  readonly readings: readonly ExplainedReading[];
}

export type ExplainedReading =
  | { readonly kind: 'point'; readonly device: string; readonly schema: string; readonly line: string }
  | {
      readonly kind: 'bad';
      readonly device: string | null;
      readonly schema: string | null;
      readonly code: RejectionCode;
      readonly violations: readonly Violation[];
    };

/**
 * What can be asked of a gateway from outside: the HTTP API and the control socket are two thin doors to this. Every
 * answer is plain data that survives JSON. Each rejects with a GatewayError whose code both doors pass on.
 */
export interface Operations {
  status(): Promise<GatewayStatus>;
  health(): Promise<Health>;
  account(): Promise<AccountReport>;
  /** @throws GatewayError `not-found`. */
  deviceAccount(device: string): Promise<DeviceAccount>;
  /** Busiest first, at most 1,000. @throws GatewayError `not-running`: only a running gateway has seen topics. */
  topics(): Promise<readonly TopicReport[]>;
  sinks(): Promise<readonly SinkReport[]>;
  /** @throws GatewayError `sink-unknown`, `sink-configured`. */
  forgetSink(name: string): Promise<void>;
  /** Newest first; 100 unless `limit` says otherwise, at most 1,000. */
  rejected(filter: RejectionFilter): Promise<readonly RejectionSummary[]>;
  /** @throws GatewayError `not-found`. */
  rejection(id: string): Promise<RejectionReport>;
  explain(request: ExplainRequest): Promise<Explanation>;
}
