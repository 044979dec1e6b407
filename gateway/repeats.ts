import type { Clock, Message, Transfer } from './contracts.ts';
import type { Group, TransferKey } from './store-contract.ts';
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
 * Bounded: per client at most `maxPerClient` transfers, kept at least `keepMs` until then; over all clients `maxSlots`.
 * When that is full, the client that sent nothing for longest is forgotten: its resend would be stored a second time.
 */
export interface Repeats {
  /** Null when the message is new. */
  find(message: Message, transfer: Transfer): Repeat | null;
  /** Remembers the message given to `find` last, as part of `group`. */
  remember(message: Message, transfer: Transfer, readings: number, group: Group): void;
  /** PUBREL: returns the key to store, or null where nothing is open under this id. */
  release(client: string, packetId: number): TransferKey | null;
  sessionCleared(client: string): void;
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

export const DEFAULT_REPEAT_LIMITS: RepeatLimits = { maxPerClient: 1024, maxSlots: 2 ** 21, keepMs: 60_000 };

export function createRepeats(clock: Clock, limits: RepeatLimits = DEFAULT_REPEAT_LIMITS): Repeats {
  const windows = new Map<string, TransferWindow>();
  const hash: TransferHash = { high: 0, low: 0 };
  const underWay = new Map<number, Promise<void>>();
  let currentGroup: Promise<void> | null = null;
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

  function numberOf(group: Group): number {
    if (group.committed !== currentGroup) {
      currentGroup = group.committed;
      groupNumber += 1;
      const number = groupNumber;
      underWay.set(number, group.committed);
      group.committed.then(
        () => underWay.delete(number),
        () => {
          underWay.delete(number);
          for (const window of windows.values()) window.voidGroup(number);
        },
      );
    }
    return groupNumber;
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
    find(message, transfer) {
      hashTransfer(message.topic, message.payload, hash);
      const window = windows.get(message.client);
      if (window === undefined) return null;
      if (window.connection !== transfer.connection) window.beginConnection(transfer.connection);
      if (!transfer.dup && !window.holdsEarlier && transfer.qos === 1) return null;
      const slot = window.find(transfer.packetId, hash.high, hash.low);
      if (slot === -1) return null;
      const state = window.state(slot);
      const readings = window.readings(slot);
      const original = underWay.get(window.group(slot)) ?? null;
      if (state === SLOT.open && transfer.qos === 2) return { certainty: 'sure', readings, original };
      // After its PUBREL, or as QoS 2 without DUP on the same connection, the id names a new message.
      if (state === SLOT.released) return null;
      if (transfer.dup) return { certainty: 'sure', readings, original };
      return window.isEarlier(slot) ? { certainty: 'if-recognisable', readings, original } : null;
    },

    remember(message, transfer, readings, group) {
      const window = add(message.client, {
        packetId: transfer.packetId,
        high: hash.high,
        low: hash.low,
        state: transfer.qos === 2 ? SLOT.open : SLOT.once,
        readings,
        group: numberOf(group),
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

    release(client, packetId) {
      const window = windows.get(client);
      const slot = window?.findOpen(packetId) ?? -1;
      if (window === undefined || slot === -1) return null;
      window.setState(slot, SLOT.released);
      return { client, packetId, hashHigh: 0, hashLow: 0, readings: 0, state: 0 };
    },

    sessionCleared(client) {
      windows.get(client)?.closeOpen();
    },

    restore(transfers) {
      for (const key of transfers) {
        if (key.state === 0) {
          const window = windows.get(key.client);
          const slot = window?.findOpen(key.packetId) ?? -1;
          if (slot !== -1) window?.setState(slot, SLOT.released);
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
