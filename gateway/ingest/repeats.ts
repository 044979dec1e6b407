import type { Clock, Message, Transfer } from '../contracts.ts';
import type { Group, TransferKey } from '../store-contract.ts';
import { hashTransfer, type TransferHash } from './transfer-hash.ts';
import { SLOT, type SlotState, TransferWindow } from './transfer-window.ts';

/**
 * Recognises transfers that were taken before (MQTT 3.1.1, 4.3 and 4.4).
 *
 * - QoS 2: the same client and packet id, until its PUBREL, whether or not DUP is set. Another payload under an open
 *   id is a client that lost its state: a new message, because a double can be seen and a loss cannot.
 * - QoS 1: the same client, packet id, topic and payload, where DUP is set; or where it comes over another connection
 *   than the first one and the reading carries its own time or identity (mqtt.js resends without DUP).
 *
 * Only the newest transfer under an id can be repeated: a client may use an id again only when it has been acknowledged
 * (2.3.1), so what came before under this id is over. Clients that always take the lowest free id send the same id and,
 * where nothing changes, the same payload again and again; what was acknowledged earlier must not swallow these.
 *
 * Bounded: per client at most `maxPerClient` transfers, kept at least `keepMs` until then; over all clients `maxSlots`.
 * When that is full, the client that sent nothing for longest is forgotten: its resend would be stored a second time.
 */
export interface Repeats {
  /** Of topic and payload of the message given to `find` last. */
  readonly hash: Readonly<TransferHash>;
  /** Null when the message is new. */
  find(message: Message, transfer: Transfer): Repeat | null;
  /** Remembers the message given to `find` last, as part of `group`. */
  remember(message: Message, transfer: Transfer, readings: number, group: Group): void;
  /** The message was taken and is not remembered: neither it nor anything older under its id may answer for a resend. */
  passed(message: Message, transfer: Transfer, group: Group): void;
  /** The message could not be taken: nothing older under its id may answer for its resend. */
  refused(message: Message, transfer: Transfer): void;
  /** A QoS 2 transfer awaits its PUBREL under this id. */
  isOpen(client: string, packetId: number): boolean;
  /** The PUBREL came: from the commit of `group` on, the id names a new message. */
  release(client: string, packetId: number, group: Group): void;
  /** The client asked for a clean session. It may send again what it sent in the former one (mqtt.js does). */
  sessionCleared(client: string): void;
  /** What it answers to is gone: nothing taken before can be repeated, from now on, and from the commit of `group` on disk. */
  sessionLost(client: string, group: Group): void;
  /** Takes up what the store remembered. */
  restore(transfers: Iterable<TransferKey>): void;
}

export interface Repeat {
  /** `if-recognisable`: a repeat only if its readings carry their own time or identity. */
  readonly certainty: 'sure' | 'if-recognisable';
  readonly readings: number;
  /** The original's commit where it is still under way: acknowledging a repeat sooner would be a lie. */
  readonly original: Promise<void> | null;
}

export interface RepeatLimits {
  readonly maxPerClient: number;
  readonly maxSlots: number;
  readonly keepMs: number;
}

/** As many slots as the store remembers across a restart. A client takes at least 16, some 800 bytes in all. */
export const DEFAULT_REPEAT_LIMITS: RepeatLimits = { maxPerClient: 4096, maxSlots: 2 ** 20, keepMs: 60_000 };

interface UnderWay {
  readonly committed: Promise<void>;
  /** The PUBRELs it carries. */
  readonly releases: { readonly client: string; readonly packetId: number }[];
}

/** Carried by no message, as good as. */
const NO_HASH: TransferHash = Object.freeze({ high: 0, low: 0 });
/** Group numbers have 32 bits; 0 is for what an earlier run has committed. */
const MAX_GROUP_NUMBER = 0xffff_ffff;

export function createRepeats(clock: Clock, limits: RepeatLimits = DEFAULT_REPEAT_LIMITS): Repeats {
  const windows = new Map<string, TransferWindow>();
  const hash: TransferHash = { high: 0, low: 0 };
  const underWay = new Map<number, UnderWay>();
  let current: UnderWay | null = null;
  let groupNumber = 0;
  let slots = 0;

  function windowOf(client: string): TransferWindow {
    let window = windows.get(client);
    if (window === undefined) {
      window = new TransferWindow();
      windows.set(client, window);
      slots += window.slots;
    }
    return window;
  }

  /** An eighth at a time, so that the search is paid for seldom. */
  function forgetIdlest(): void {
    const byUse = [...windows].sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    for (const [client, window] of byUse) {
      if (slots <= (limits.maxSlots * 7) / 8) break;
      windows.delete(client);
      slots -= window.slots;
    }
  }

  /** The group as it is known here: given its number when it is first seen. */
  function enter(group: Group): UnderWay {
    if (current?.committed === group.committed) return current;
    const entered: UnderWay = { committed: group.committed, releases: [] };
    current = entered;
    groupNumber = groupNumber === MAX_GROUP_NUMBER ? 1 : groupNumber + 1;
    const number = groupNumber;
    underWay.set(number, entered);
    group.committed.then(
      () => {
        underWay.delete(number);
        for (const { client, packetId } of entered.releases) windows.get(client)?.release(packetId);
      },
      () => {
        underWay.delete(number);
        for (const window of windows.values()) window.voidGroup(number);
      },
    );
    return entered;
  }

  function add(
    client: string,
    slot: { packetId: number; high: number; low: number; state: SlotState; readings: number; group: number },
  ): TransferWindow {
    const window = windowOf(client);
    const nowMs = clock.nowMs();
    window.usedAtMs = nowMs;
    slots += window.add(slot, nowMs, limits.keepMs, limits.maxPerClient);
    if (slots > limits.maxSlots) forgetIdlest();
    return window;
  }

  return {
    hash,
    find(message, transfer) {
      hashTransfer(message.topic, message.payload, hash);
      const window = windows.get(message.client);
      if (window === undefined) return null;
      if (window.connection !== transfer.connection) window.beginConnection(transfer.connection);
      if (!transfer.dup && !window.holdsEarlier && transfer.qos === 1) return null;
      const slot = window.newest(transfer.packetId);
      if (slot === -1 || !window.carries(slot, hash.high, hash.low)) return null;
      const state = window.state(slot);
      // After its PUBREL the id names a new message.
      if (state === SLOT.void || state === SLOT.released) return null;
      const readings = window.readings(slot);
      const original = underWay.get(window.group(slot))?.committed ?? null;
      if (state === SLOT.open && transfer.qos === 2) return { certainty: 'sure', readings, original };
      if (transfer.dup) return { certainty: 'sure', readings, original };
      return window.isEarlier(slot) ? { certainty: 'if-recognisable', readings, original } : null;
    },

    remember(message, transfer, readings, group) {
      enter(group);
      const window = add(message.client, {
        packetId: transfer.packetId,
        high: hash.high,
        low: hash.low,
        state: transfer.qos === 2 ? SLOT.open : SLOT.once,
        readings,
        group: groupNumber,
      });
      window.connection = transfer.connection;
      group.remember({
        client: message.client,
        packetId: transfer.packetId,
        hashHigh: hash.high,
        hashLow: hash.low,
        readings,
        state: transfer.qos,
      });
    },

    passed({ client }, { packetId, connection }, group) {
      const window = windows.get(client);
      if (window === undefined) return;
      if (window.connection !== connection) window.beginConnection(connection);
      const slot = window.newest(packetId);
      // What is void or released answers for nothing, and neither does what is gone.
      if (slot === -1 || window.state(slot) === SLOT.void || window.state(slot) === SLOT.released) return;
      enter(group);
      add(client, { packetId, ...NO_HASH, state: SLOT.once, readings: 0, group: groupNumber });
      group.remember({
        client,
        packetId,
        hashHigh: NO_HASH.high,
        hashLow: NO_HASH.low,
        readings: 0,
        state: 1,
      });
    },

    refused(message, transfer) {
      const window = windows.get(message.client);
      if (transfer.dup || window?.connection !== transfer.connection) return;
      const slot = window.newest(transfer.packetId);
      // One of an earlier connection may be what is sent again here.
      if (slot === -1 || window.state(slot) !== SLOT.once || window.isEarlier(slot)) return;
      window.void(slot);
    },

    isOpen(client, packetId) {
      return windows.get(client)?.isOpen(packetId) ?? false;
    },

    release(client, packetId, group) {
      enter(group).releases.push({ client, packetId });
      group.remember({ client, packetId, hashHigh: 0, hashLow: 0, readings: 0, state: 0 });
    },

    sessionCleared(client) {
      windows.get(client)?.closeOpen();
    },

    sessionLost(client, group) {
      windows.get(client)?.voidAll();
      // Also where nothing is known here: what is on disk is forgotten at other times.
      group.remember({ client, packetId: 0, hashHigh: 0, hashLow: 0, readings: 0, state: 0 });
    },

    restore(transfers) {
      for (const key of transfers) {
        if (key.state === 0) {
          const window = windows.get(key.client);
          if (key.packetId === 0) window?.voidAll();
          else window?.release(key.packetId);
          continue;
        }
        add(key.client, {
          packetId: key.packetId,
          high: key.hashHigh,
          low: key.hashLow,
          state: key.state === 2 ? SLOT.open : SLOT.once,
          readings: key.readings,
          group: 0,
        });
      }
    },
  };
}
