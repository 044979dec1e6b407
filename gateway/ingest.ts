import type {
  ArrivalClock,
  Clock,
  Format,
  Ingest,
  Ingested,
  Message,
  Outcome,
  Reading,
  Readings,
  Route,
} from './contracts.ts';
import { isRefusal } from './errors.ts';
import type { Interpret } from './interpret.ts';
import type { Repeat, Repeats } from './repeats.ts';
import type { Group, Store } from './store-contract.ts';
import type { TopicsSeen } from './topics-seen.ts';

export interface IngestDeps {
  readonly readings: Readings;
  readonly interpret: Interpret;
  readonly formats: ReadonlyMap<string, Format>;
  readonly store: Store;
  readonly repeats: Repeats;
  readonly arrival: ArrivalClock;
  readonly topics: TopicsSeen;
  readonly clock: Clock;
  /** What becomes of a topic that no schema claims. */
  readonly unrouted: 'forward' | 'reject';
  readonly maxPayloadBytes: number;
}

type Bad = Extract<Reading, { kind: 'bad' }>;

const STORED: readonly Outcome[] = Object.freeze([Object.freeze({ kind: 'stored' as const })]);
const FORWARDED: readonly Outcome[] = Object.freeze([Object.freeze({ kind: 'forwarded' as const })]);
const DUPLICATE = Object.freeze({ kind: 'duplicate' as const });
const NO_SCHEMAS: readonly string[] = Object.freeze([]);
const OPENING_BRACKET = 0x5b;
const AT_ONCE: Promise<void> = Promise.resolve();

/**
 * The whole path of a message, from arrival to the open group of the store:
 *
 *   route ▸ seen before? ▸ decode ▸ validate and map ▸ keep
 *
 * It is synchronous, so what arrives in order is stored in order, and every way out of it counts each reading under
 * exactly one outcome. The promise it returns belongs to the group, not to the message.
 */
export function createIngest(deps: IngestDeps): Ingest {
  const { readings, interpret, formats, store, repeats, arrival, topics, clock, unrouted, maxPayloadBytes } =
    deps;

  function ingest(message: Message): Ingested {
    const nowMs = clock.nowMs();
    const route = readings.route(message.topic);
    topics.saw(message.topic, message.payload, route?.schemas ?? NO_SCHEMAS, nowMs);
    const clearsRetained = message.retain && message.payload.length === 0;
    if (clearsRetained || (route === null && unrouted === 'forward')) return forward(message);

    const group = openGroup(message, route);
    const { transfer } = message;
    const repeat = transfer === null ? null : repeats.find(message, transfer);
    if (repeat?.certainty === 'sure') return duplicate(message, route, group, repeat);

    const interpreted = interpret(message, route, arrival, nowMs);
    if (repeat !== null && interpreted.every(isRecognisable)) return duplicate(message, route, group, repeat);
    if (transfer !== null) repeats.remember(message, transfer, interpreted.length, group);
    group.arrivedAt(arrival.highWaterMs);
    return { outcomes: keep(message, route, interpreted, group, nowMs), committed: group.committed };
  }

  function openGroup(message: Message, route: Route | null): Group {
    try {
      return store.group();
    } catch (error) {
      const { transfer } = message;
      if (transfer !== null) repeats.refused(message, transfer);
      if (isRefusal(error))
        store.countLater(message.source, deviceOf(message, route), 'refused', readingsIn(message.payload));
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

  /** Ordinary MQTT goes on while the store takes no readings: it needs no room there. */
  function forward(message: Message): Ingested {
    const device = deviceOf(message, null);
    try {
      const group = store.group();
      group.count(message.source, device, 'forwarded', 1);
      return { outcomes: FORWARDED, committed: group.committed };
    } catch (error) {
      if (!isRefusal(error) || error.code === 'stopping') throw error;
      store.countLater(message.source, device, 'forwarded', 1);
      return { outcomes: FORWARDED, committed: AT_ONCE };
    }
  }

  function duplicate(message: Message, route: Route | null, group: Group, repeat: Repeat): Ingested {
    group.count(message.source, deviceOf(message, route), 'duplicate', repeat.readings);
    const committed =
      repeat.original === null
        ? group.committed
        : Promise.all([repeat.original, group.committed]).then(() => undefined);
    return { outcomes: Array.from({ length: repeat.readings }, () => DUPLICATE), committed };
  }

  function keep(
    message: Message,
    route: Route | null,
    interpreted: readonly Reading[],
    group: Group,
    nowMs: number,
  ): readonly Outcome[] {
    const [first] = interpreted;
    if (first?.kind === 'point' && interpreted.length === 1) {
      group.point(first.line);
      group.count(message.source, first.device, 'stored', 1);
      return STORED;
    }
    // A list of bad readings must not be kept once for each of them: an element is kept alone.
    const elements =
      interpreted.length > 1 ? formats.get(route?.format ?? '')?.elements(message.payload) : null;
    return interpreted.map((reading, i): Outcome => {
      if (reading.kind === 'bad') {
        const element = elements?.[i];
        const index = element === undefined ? null : i;
        return reject(message, route, reading, element ?? message.payload, index, group, nowMs);
      }
      group.point(reading.line);
      group.count(message.source, reading.device, 'stored', 1);
      return { kind: 'stored' };
    });
  }

  function reject(
    message: Message,
    route: Route | null,
    reading: Bad,
    payload: Buffer,
    index: number | null,
    group: Group,
    atMs: number,
  ): Outcome {
    const { code, violations, schema, seq } = reading;
    const device = reading.device ?? deviceOf(message, route);
    const { source, topic, client } = message;
    const id = group.reject({
      code,
      source,
      topic,
      client,
      device,
      schema,
      index,
      atMs,
      payload,
      violations,
      sink: null,
    });
    group.count(source, device, 'rejected', 1);
    return { kind: 'rejected', id, code, violations, atMs, seq };
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
  };
}

function isRecognisable(reading: Reading): boolean {
  return reading.kind === 'point' && reading.recognisable;
}

/** The account is kept per device; what cannot be laid to a device is laid to the client that sent it. */
function deviceOf(message: Message, route: Route | null): string {
  return route?.deviceOf(message) ?? message.device ?? `client:${message.client}`;
}
