import type {
  ArrivalClock,
  Clock,
  Ingest,
  Ingested,
  Message,
  Outcome,
  Reading,
  Readings,
  Route,
} from './contracts.ts';
import { GatewayError, isRefusal } from './errors.ts';
import type { Forwards } from './ingest/forwards.ts';
import type { Homes } from './ingest/homes.ts';
import type { Interpret } from './ingest/interpret.ts';
import { accountedDevice, type Keep } from './ingest/keep.ts';
import type { Repeat, Repeats } from './ingest/repeats.ts';
import type { RetainedReplays } from './ingest/retained-replays.ts';
import type { TopicsSeen } from './operations/topics-seen.ts';
import { withBelievableArrival } from './peer-parcel.ts';
import type { Group, Store } from './store-contract.ts';

export interface IngestDeps {
  readonly readings: Readings;
  readonly interpret: Interpret;
  readonly keep: Keep;
  readonly store: Pick<Store, 'group' | 'countLater'>;
  readonly repeats: Repeats;
  readonly retained: RetainedReplays;
  /** Null where nothing is forwarded to other brokers. */
  readonly forwards: Forwards | null;
  /** Null where this gateway has no peers. */
  readonly homes: Homes | null;
  readonly arrival: ArrivalClock;
  readonly topics: TopicsSeen;
  readonly clock: Clock;
  /** What becomes of a topic that no schema claims. Readings of serial ports are rejected there in any case. */
  readonly unrouted: 'forward' | 'reject';
  readonly maxPayloadBytes: number;
}

const FORWARDED: Outcome = Object.freeze({ kind: 'forwarded', receipt: null });
const ONE_FORWARDED: readonly Outcome[] = Object.freeze([FORWARDED]);
const DUPLICATE: Outcome = Object.freeze({ kind: 'duplicate', receipt: null });
const NO_SCHEMAS: readonly string[] = Object.freeze([]);
const OPENING_BRACKET = 0x5b;
const HALF_MS_NS = 500_000;
const AT_ONCE: Promise<void> = Promise.resolve();

/**
 * The whole path of a message, from arrival to the open group of the store:
 *
 *   route ▸ seen before? ▸ interpret: decode, validate, map ▸ keep: judge, count, store
 *
 * It is synchronous, so what arrives in order is stored in order, and every way out of it counts each reading under
 * exactly one outcome. The promise it returns belongs to the group, not to the message.
 */
export function createIngest(deps: IngestDeps): Ingest {
  const { readings, interpret, keep, store, repeats, retained, forwards, homes, arrival, topics, clock } =
    deps;
  const { unrouted, maxPayloadBytes } = deps;

  let peerMs = 0;
  let parcelDigits = Math.trunc(Math.random() * HALF_MS_NS);
  /**
   * When a parcel arrived is known, whether or not our clock is set. Its digits below the millisecond are from the upper
   * half, where our own arrivals never come, and go on from reading to reading: no two of a millisecond meet.
   */
  const arrivalAtPeer: ArrivalClock = {
    isProvisional: false,
    get highWaterMs() {
      return arrival.highWaterMs;
    },
    nextNs() {
      parcelDigits = (parcelDigits + 1) % HALF_MS_NS;
      return `${peerMs}${HALF_MS_NS + parcelDigits}`;
    },
  };

  function ingest(given: Message): Ingested {
    const hereMs = clock.nowMs();
    const message = arrival.isProvisional ? given : withBelievableArrival(given, hereMs);
    const { relay, transfer } = message;
    /** When it arrived, at the peer that passes it on if there is one. */
    const nowMs = relay?.arrivedMs ?? hereMs;
    const route = readings.route(message.topic);
    topics.saw(message.topic, message.payload, route?.schemas ?? NO_SCHEMAS, hereMs);
    // Another broker does not say that somebody cleared a retained message: it sends what has no payload.
    const clearsRetained = message.payload.length === 0 && (message.retain || relay !== null);
    const isParcel = relay !== null && relay.arrivedMs !== undefined;
    // What a serial port or a peer sends is never ordinary MQTT: it would be acknowledged, and be nowhere.
    const passes = route === null && unrouted === 'forward' && message.source !== 'serial' && !isParcel;
    if (clearsRetained || passes) return pass(message);

    const group = openGroup(message, route);
    const repeat = transfer === null ? null : repeats.find(message, transfer);
    if (repeat?.certainty === 'sure') return duplicate(message, route, group, repeat);
    if (relay !== null && message.retain) {
      const known = retained.find(message);
      if (known !== null) return repeated(message, route, group, known.original, nowMs);
    }

    const wasProvisional = arrival.isProvisional;
    const hash = transfer === null ? undefined : repeats.hash;
    const isDated = typeof relay?.arrivedMs === 'number';
    if (isDated) peerMs = nowMs;
    const arrivalThen = isDated ? arrivalAtPeer : arrival;
    const interpreted = interpret(message, route, arrivalThen, nowMs, hash);
    if (repeat !== null && interpreted.every(isRecognisable)) return duplicate(message, route, group, repeat);
    group.arrivedAt(arrival.highWaterMs);
    // The clock may have been set in between.
    if (wasProvisional || arrival.isProvisional) group.markProvisional();
    const home = homes?.homeOf(message, interpreted) ?? null;
    if (home !== null) return sendHome(home, message, route, interpreted, group, nowMs);
    const { outcomes, originals } = keep(message, route, interpreted, group, nowMs);
    // Not before it is kept: a resend of what was not must never be taken for a repeat.
    if (transfer !== null) repeats.remember(message, transfer, interpreted.length, group);
    if (relay !== null && !isParcel) {
      // With an original under way, this group's commit does not say that all of it is stored.
      if (originals === null) retained.remember(message, group);
      else retained.forget(message, group);
    }
    if (forwards !== null) forwards.took(message, interpreted, outcomes, group);
    return { outcomes, committed: withOriginals(group, originals) };
  }

  function openGroup(message: Message, route: Route | null): Group {
    try {
      return store.group();
    } catch (error) {
      const { transfer } = message;
      if (transfer !== null) repeats.refused(message, transfer);
      if (isRefusal(error))
        store.countLater(
          message.source,
          accountedDevice(message, route),
          'refused',
          readingsIn(message.payload),
        );
      throw error;
    }
  }

  /** How many readings a refused payload held: one, unless it is a list that would have been taken. */
  function readingsIn(payload: Buffer): number {
    if (payload[0] !== OPENING_BRACKET || payload.length > maxPayloadBytes) return 1;
    try {
      const value: unknown = JSON.parse(payload.toString('utf8'));
      return Array.isArray(value) ? Math.max(1, value.length) : 1;
    } catch {
      return 1;
    }
  }

  /**
   * Ordinary MQTT goes on while the store takes no readings: it needs no room there, unless it is to go on to another broker
   * from there, or changes what is known of another broker's topic.
   */
  function pass(message: Message): Ingested {
    const { source, topic, transfer, relay } = message;
    const device = accountedDevice(message, null);
    const clears = relay !== null && message.payload.length === 0;
    const isAwaited = forwards?.wants(topic) === true;
    try {
      const group = store.group();
      group.receive(source, device, 1);
      group.count(source, device, 'forwarded', 1);
      if (transfer !== null) repeats.passed(message, transfer, group);
      if (clears) retained.forget(message, group);
      if (isAwaited) forwards?.passed(message, group);
      return { outcomes: ONE_FORWARDED, committed: group.committed };
    } catch (error) {
      if (transfer !== null) repeats.refused(message, transfer);
      if (!isRefusal(error)) throw error;
      const isRefused = isAwaited || clears;
      if (error.code !== 'stopping') store.countLater(source, device, isRefused ? 'refused' : 'forwarded', 1);
      if (isRefused || error.code === 'stopping') throw error;
      return { outcomes: ONE_FORWARDED, committed: AT_ONCE };
    }
  }

  /** A peer keeps it: here it only passes, as durably. */
  function sendHome(
    home: string,
    message: Message,
    route: Route | null,
    held: readonly Reading[],
    group: Group,
    nowMs: number,
  ): Ingested {
    const { transfer, source } = message;
    const fallback = accountedDevice(message, route);
    if (homes?.isFull(home) === true) {
      if (transfer !== null) repeats.refused(message, transfer);
      for (const { device } of held) store.countLater(source, device ?? fallback, 'refused', 1);
      throw new GatewayError('store-full', `what waits for peer ${home} is at its limit (maxBacklog)`);
    }
    for (const { device } of held) {
      group.receive(source, device ?? fallback, 1);
      group.count(source, device ?? fallback, 'forwarded', 1);
    }
    homes?.send(home, message, arrival.isProvisional ? null : nowMs, group);
    if (transfer !== null) repeats.remember(message, transfer, held.length, group);
    retained.remember(message, group);
    return {
      outcomes: held.length === 1 ? ONE_FORWARDED : held.map(() => FORWARDED),
      committed: group.committed,
    };
  }

  /** What another broker keeps, and sends once more: nothing of it is stored. */
  function repeated(
    message: Message,
    route: Route | null,
    group: Group,
    original: Promise<void> | null,
    nowMs: number,
  ): Ingested {
    const { transfer, source } = message;
    const fallback = accountedDevice(message, route);
    const held = interpret(message, route, arrival, nowMs);
    for (const { device } of held) {
      group.receive(source, device ?? fallback, 1);
      group.count(source, device ?? fallback, 'duplicate', 1);
    }
    group.arrivedAt(arrival.highWaterMs);
    if (transfer !== null) repeats.passed(message, transfer, group);
    return { outcomes: held.map(() => DUPLICATE), committed: withOriginals(group, original) };
  }

  function duplicate(message: Message, route: Route | null, group: Group, repeat: Repeat): Ingested {
    for (const { device, n } of devicesOf(message, route, repeat.readings)) {
      group.receive(message.source, device, n);
      group.count(message.source, device, 'duplicate', n);
    }
    return {
      outcomes: Array.from({ length: repeat.readings }, () => DUPLICATE),
      committed: withOriginals(group, repeat.original),
    };
  }

  /** Whose readings a repeat holds: it is interpreted only where nothing but its payload names the device. */
  function devicesOf(
    message: Message,
    route: Route | null,
    readingsHeld: number,
  ): readonly { readonly device: string; readonly n: number }[] {
    const fallback = accountedDevice(message, route);
    if (route === null || route.deviceOf(message) !== null) return [{ device: fallback, n: readingsHeld }];
    const interpreted = interpret(message, route, arrival, clock.nowMs());
    // Under another schema than then, it may hold another number of readings.
    if (interpreted.length !== readingsHeld) return [{ device: fallback, n: readingsHeld }];
    return interpreted.map(({ device }) => ({ device: device ?? fallback, n: 1 }));
  }

  return {
    ingest,
    released(client, packetId) {
      if (!repeats.isOpen(client, packetId)) return AT_ONCE;
      const group = store.group();
      repeats.release(client, packetId, group);
      return group.committed;
    },
    sessionCleared(client) {
      repeats.sessionCleared(client);
    },
    sessionLost(client) {
      const group = store.group();
      repeats.sessionLost(client, group);
      return group.committed;
    },
  };
}

function isRecognisable(reading: Reading): boolean {
  return reading.kind === 'point' && reading.recognisable;
}

function withOriginals(group: Group, originals: Promise<void> | null): Promise<void> {
  if (originals === null || originals === group.committed) return group.committed;
  return Promise.all([originals, group.committed]).then(() => undefined);
}
