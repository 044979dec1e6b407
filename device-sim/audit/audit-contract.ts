/** What the audit asks of a database and of a gateway, and what it finds. A leaf of this folder. */
import type { Digest } from '../contracts.ts';
import type { DigestField } from '../field-digest.ts';

/** From `fromNs` up to, but without, `toNs`; ns since 1970. */
export interface TimeRange {
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

/** A row as a database holds it. */
export interface StoredRow {
  readonly timeNs: bigint;
  readonly tags: ReadonlyMap<string, string>;
  /** Null: this database cannot tell them as they were written. */
  readonly fields: readonly DigestField[] | null;
}

/** A database, read only. */
export interface AuditStore {
  /** For people, without secrets. */
  readonly name: string;
  /** What its times are rounded down to. */
  readonly resolutionNs: bigint;
  /** False: only times and counts can be compared. */
  readonly tellsFields: boolean;
  /** All rows of a measurement in these ranges (which do not overlap), in any order. @throws Error in plain words. */
  rows(measurement: string, ranges: readonly TimeRange[]): AsyncIterable<StoredRow>;
  close(): Promise<void>;
}

/** A reading that the gateway rejected. */
export interface RejectedReading {
  /** Null where the gateway could not tell. */
  readonly device: string | null;
  readonly atMs: number;
  readonly payload: Digest;
  /** Where a database refused it (`sink-rejected`): the point that it was. Its payload is none that was sent. */
  readonly point: { readonly measurement: string; readonly row: StoredRow } | null;
}

/** What the gateway counts, of all its senders. */
export interface GatewayCounts {
  readonly sinks: readonly { readonly name: string; readonly pending: number; readonly dropped: number }[];
  /** Rejected readings that made room, and those that somebody discarded. */
  readonly rejectionsGone: number;
}

/** A gateway, running or not. Its functions throw an Error in plain words where it cannot be asked. */
export interface GatewayView {
  readonly name: string;
  counts(): Promise<GatewayCounts>;
  /** Also those that were resolved since. */
  rejected(sinceMs: number): AsyncIterable<RejectedReading>;
}

/** Each reading of the ledger ends in exactly one of these. */
export const READING_ENDS = [
  'stored',
  'rejected',
  'lost',
  'altered-value',
  'altered-time',
  'stored-though-bad',
  'rejected-though-good',
  'not-arrived',
  'no-promise',
  'not-looked-for',
] as const;
/** What is found besides: rows and rejections without a reading. */
export const SURPLUS_KINDS = [
  'double',
  'unrecognisable-double',
  'allowed-repeat',
  'unexpected',
  'unexpected-rejection',
] as const;

/**
 * `lost`: acknowledged, and nowhere. `altered-value`, `altered-time`: there, but otherwise. `not-arrived`: never acknowledged,
 * and nowhere. `no-promise`: let go by a transport that does not acknowledge (QoS 0), and nowhere. `not-looked-for`: it
 * may have been rejected, and no gateway was given.
 */
export type ReadingEnd = (typeof READING_ENDS)[number];
/**
 * `double`: there more often than it was sent. `unrecognisable-double`: the same of a reading that carries neither a time
 * of its own nor an identity, so that nothing can tell a resend from a new one. `allowed-repeat`: such a one, and it was
 * sent twice on purpose; or a bad one that was sent twice, and rejected twice.
 */
export type SurplusKind = (typeof SURPLUS_KINDS)[number];

/** One of them, named. */
export interface Finding {
  readonly kind: ReadingEnd | SurplusKind;
  readonly device: string;
  /** Of the device, from 0; null where nobody sent it. */
  readonly n: number | null;
  /** When it was said, ISO 8601 with nanoseconds; null where nobody sent it. */
  readonly saidAt: string | null;
  /** The time that the database has, or had to have; null where there is none. */
  readonly storedAt: string | null;
  readonly expectedAt: string | null;
  /** Of a rejection that no reading explains. */
  readonly rejectedAt: string | null;
  readonly measurement: string | null;
  /** What was wrong with it on purpose: with its payload, on its way. */
  readonly faults: readonly string[];
}
