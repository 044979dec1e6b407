/** What can be asked about rejected readings, and done with them. A leaf. */

import type { RejectionCode, Violation } from './contracts.ts';
import type { Resolution } from './store-contract.ts';

/** Which rejected readings: all that is given must fit. */
export interface RejectedQuery {
  readonly code?: RejectionCode;
  readonly device?: string;
  readonly client?: string;
  /** A topic, or an MQTT topic filter. */
  readonly topic?: string;
  /** `$id`. */
  readonly schema?: string;
  readonly sink?: string;
  /** At or after, and before: ISO 8601 (`2026-03-01T12:00:00Z`), or how long ago (`2h`, `7d`). */
  readonly since?: string;
  readonly until?: string;
  /** `open` unless given. */
  readonly state?: 'open' | 'resolved' | 'all';
  readonly limit?: number;
}

/** Rejected readings to do something with. To take all of them has to be said. */
export interface RejectedSelection {
  /** At most 10,000. */
  readonly ids?: readonly string[];
  readonly filter?: RejectedQuery;
  readonly all?: boolean;
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
  /** Null while it is open. */
  readonly resolved: Resolution | null;
  readonly payloadBytes: number;
  /** The payload made safe to show: what does not print is escaped. In lists and exports only its beginning. */
  readonly payloadText: string;
}

/** One with its payload whole. */
export interface RejectionRecord extends RejectionSummary {
  readonly username: string | null;
  readonly format: string | null;
  /** Of what came from another broker. */
  readonly relay?: {
    readonly contentType: string | null;
    readonly userProperties: readonly (readonly [name: string, value: string])[];
    /** Names of others, whose texts are not kept. */
    readonly unread?: readonly string[];
  };
  readonly payloadBase64: string;
}

/** Rejections for one cause. What differs from reading to reading (numbers, quoted text, places in lists) is left out. */
export interface RejectionCause {
  readonly code: RejectionCode;
  readonly schema: string | null;
  readonly sink: string | null;
  readonly pointer: string;
  readonly message: string;
  readonly count: number;
  /** At most 100. */
  readonly devices: readonly string[];
  /** There are more. */
  readonly moreDevices: boolean;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly example: {
    readonly id: string;
    /** Whole, as it was said. */
    readonly message: string;
    /** The beginning of the payload, made safe to show. */
    readonly payload: string;
  };
}

/** A part of the causes; parts are put together by `mergeCauses`. */
export interface CausesPage {
  /** Most frequent first, at most 1,000. */
  readonly causes: readonly RejectionCause[];
  /** Rejections that were looked at and fit. */
  readonly looked: number;
  /** Of these, how many have a cause beyond the 1,000. */
  readonly others: number;
  /** Where to go on; null: that was all. */
  readonly next: string | null;
}

export interface RejectionRecordPage {
  readonly rejections: readonly RejectionRecord[];
  readonly next: string | null;
}

export interface RejectionPageRequest {
  readonly selection: RejectedSelection;
  /** A page's `next`; null begins. */
  readonly after: string | null;
  /** Rejections to look at, at most 1,000. */
  readonly limit: number;
}

export interface ReplayRequest extends RejectionPageRequest {
  /** Only says what would happen. */
  readonly dryRun: boolean;
  /**
   * Any text of the caller's own, the same for all pages of one replay: meanwhile nobody else's is let in. By it a dry run
   * knows on its later pages what it has seen on the earlier ones.
   */
  readonly run: string | null;
}

/** What became of the rejections of a page; in a dry run: what would. */
export interface ReplayReport {
  readonly looked: number;
  /** Readings stored with their first times. */
  readonly stored: number;
  /** Readings that had been stored already (their identity says so). */
  readonly duplicate: number;
  /** Points that the sink which once refused them has taken. In a dry run: that it would be given. */
  readonly written: number;
  /** Rejections that stay as they are; `causes` says why. */
  readonly still: number;
  /** Readings of a list that was kept whole, now kept as rejections of their own: they are still bad. */
  readonly anew: number;
  /** Asked for by id, but no longer kept, or settled before. */
  readonly gone: number;
  /** In a dry run: not all repeats among the readings could be told apart, so `stored` may be too high. */
  readonly atMost: boolean;
  /** Why some stay. */
  readonly causes: readonly RejectionCause[];
  readonly next: string | null;
}

export interface DiscardReport {
  readonly discarded: number;
  readonly next: string | null;
}

export interface RejectedOperations {
  /** Newest first; 100 unless `limit` says otherwise, at most 1,000. @throws GatewayError `usage`. */
  rejected(query: RejectedQuery): Promise<readonly RejectionSummary[]>;
  /** Looks at a bounded number of rejections, oldest first. @throws GatewayError `usage`. */
  rejectedCauses(query: RejectedQuery, after: string | null): Promise<CausesPage>;
  /** Oldest first, at most 100. @throws GatewayError `usage`. */
  rejectedRecords(query: RejectedQuery, after: string | null, limit: number): Promise<RejectionRecordPage>;
  /** @throws GatewayError `usage`, `replay-busy`, and where the store takes nothing `store-full`, `store-unavailable`. */
  replay(request: ReplayRequest): Promise<ReplayReport>;
  /** Deletes them. @throws GatewayError `usage`. */
  discardRejected(request: RejectionPageRequest): Promise<DiscardReport>;
}
