import type { Clock } from '../contracts.ts';
import type { Events } from '../monitoring/events.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 86_400_000;

/** What a store may hold, and what it does at each limit. Sizes in bytes, times in ms. */
export interface StoreOptions {
  /** Live data of log and rejected readings together. Null: 2 GiB, or a quarter of the free disk if that is less. */
  readonly maxBytes: number | null;
  /** The file is not made longer when that would leave less than this; what it already holds is used all the same. */
  readonly minFreeDiskBytes: number;
  /** At `maxBytes`: take nothing (senders keep it), or delete the oldest groups, counted for each sink that lacks them. */
  readonly whenFull: 'refuse' | 'drop-oldest';
  /** How long a group waits for company before it is committed. 0: not at all. */
  readonly commitDelayMs: number;
  readonly rejected: {
    /** Or a part of `maxBytes`; never over half of it. When full, the client that uses most loses its oldest first. */
    readonly maxBytes: number | { readonly percent: number };
    readonly maxAgeMs: number;
  };
  /** Devices with an account of their own; further ones are counted under `(other)`. At most 65,000. */
  readonly maxDevices: number;
  /** Remembered transfers of one client; the oldest goes. Fewer where very many clients are known. */
  readonly maxTransfersPerClient: number;
  /** Remembered transfers of all clients together (13 bytes each, in memory and on disk). */
  readonly maxTransfers: number;
  /** Clients whose transfers are remembered; the one that sent nothing for longest goes. */
  readonly maxClients: number;
  /** Remembered identities of one device; the oldest goes. Fewer where very many devices have some. */
  readonly maxIdentitiesPerDevice: number;
  /** Remembered identities of all devices together (8 bytes each, in memory and on disk). */
  readonly maxIdentities: number;
  /** Devices whose identities are remembered; the eighth of them that sent nothing for longest goes. */
  readonly maxIdentityDevices: number;
  /** Documents that groups note, and their bytes; beyond either, only those already there are changed. */
  readonly maxDocuments: number;
  readonly maxNoteBytes: number;
  /** A group takes no further message from here on. */
  readonly maxGroupPoints: number;
  readonly maxGroupBytes: number;
  /**
   * Groups that wait for their commit. What bounds them in practice is that senders wait for acknowledgements;
   * this bound is for senders that do not (QoS 0): beyond it `group()` throws `store-unavailable`.
   */
  readonly maxQueuedBytes: number;
  /** Counters and windows are folded when this much log lies behind the last fold: what a start may have to replay. */
  readonly foldBytes: number;
  readonly foldGroups: number;
  readonly foldAfterMs: number;
  /** How often limits, ages and the disk are looked at. Null: only when something is committed (for tests). */
  readonly upkeepEveryMs: number | null;
}

export const DEFAULT_STORE_OPTIONS: StoreOptions = {
  maxBytes: null,
  minFreeDiskBytes: 256 * MIB,
  whenFull: 'refuse',
  commitDelayMs: 0,
  rejected: { maxBytes: { percent: 10 }, maxAgeMs: 30 * DAY_MS },
  maxDevices: 10_000,
  maxTransfersPerClient: 4096,
  maxTransfers: 1_048_576,
  maxClients: 50_000,
  maxIdentitiesPerDevice: 65_535,
  maxIdentities: 1_000_000,
  maxIdentityDevices: 50_000,
  maxDocuments: 250_000,
  maxNoteBytes: 256 * MIB,
  maxGroupPoints: 4000,
  maxGroupBytes: MIB,
  maxQueuedBytes: 64 * MIB,
  foldBytes: 64 * MIB,
  foldGroups: 2000,
  foldAfterMs: 30_000,
  upkeepEveryMs: 1000,
};

export interface StoreDeps {
  readonly clock: Clock;
  readonly events: Events;
  /** Awaited after a commit has been synced and before `committed` resolves; tests withhold a sync with it. */
  readonly synced?: () => Promise<void>;
  /** Called with how long the commit of a group took, its sync included. */
  readonly committed?: (ms: number) => void;
}

/** The options with every `null` decided. */
export interface StoreLimits extends StoreOptions {
  readonly maxBytes: number;
  readonly maxRejectedBytes: number;
  /** What is left of `maxBytes` for the log and the outboxes. */
  readonly maxLogBytes: number;
  /** Of that, what all outboxes together may take; the log has what they leave. */
  readonly maxOutboxBytes: number;
}

export function resolveLimits(options: StoreOptions, maxBytes: number): StoreLimits {
  const { maxBytes: quota } = options.rejected;
  const wanted = typeof quota === 'number' ? quota : (maxBytes * quota.percent) / 100;
  const maxRejectedBytes = Math.min(wanted, maxBytes / 2);
  const maxLogBytes = maxBytes - maxRejectedBytes;
  return {
    ...options,
    maxBytes,
    maxRejectedBytes: Math.trunc(maxRejectedBytes),
    maxLogBytes: Math.trunc(maxLogBytes),
    maxOutboxBytes: Math.trunc(maxLogBytes / 2),
    maxDevices: Math.min(options.maxDevices, 65_000),
    // A small store must be able to trim long before it is full, and only what is folded can be trimmed.
    foldBytes: Math.min(options.foldBytes, maxLogBytes / 8),
  };
}
