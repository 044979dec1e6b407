import { systemClock } from '../../gateway/clocks/clock.ts';
import type { ArrivalClock, Clock, Ingest, Ingested, Message, Transfer } from '../../gateway/contracts.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { createForwards } from '../../gateway/ingest/forwards.ts';
import { createHomes } from '../../gateway/ingest/homes.ts';
import { createInterpret } from '../../gateway/ingest/interpret.ts';
import { createKeep } from '../../gateway/ingest/keep.ts';
import { createRepeats } from '../../gateway/ingest/repeats.ts';
import { createRetainedReplays } from '../../gateway/ingest/retained-replays.ts';
import { createIngest } from '../../gateway/ingest.ts';
import { GroupsUnderWay } from '../../gateway/ledgers/groups-under-way.ts';
import { Identities } from '../../gateway/ledgers/identities.ts';
import { createTopicsSeen, type TopicsSeen } from '../../gateway/operations/topics-seen.ts';
import { unpackParcel } from '../../gateway/peer-parcel.ts';
import type { ReplayReport } from '../../gateway/rejected-contract.ts';
import { createReplay } from '../../gateway/replay.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { Outbox, OutboxSlice, Store } from '../../gateway/store-contract.ts';
import { pendingLines, RecordedEvents } from '../contracts/store-harness.ts';
import { readingsOf } from '../readings/under-test.ts';
import { messageOn } from '../support/message.ts';
import { ledgersWith } from '../support/no-ledgers.ts';

export interface PeerOptions {
  readonly name: string;
  readonly others: readonly string[];
  readonly schema: object;
  readonly nowMs: number;
  /** Its clock is not set: it counts from its start. */
  readonly isProvisional?: boolean;
  /** Of each outbox. */
  readonly maxBacklogBytes?: number;
  /** It also forwards all messages as they came. */
  readonly forwardsRaw?: boolean;
  /** What lies on its disk. */
  readonly storage?: MemoryStorage;
  /** Awaited by each commit. */
  readonly synced?: () => Promise<void>;
}

/** A gateway among peers, from ingest to the disk. */
export interface PeerGateway {
  readonly ingest: Ingest;
  readonly store: Store;
  readonly storage: MemoryStorage;
  readonly topics: TopicsSeen;
  /** What waits for the peer of this name. */
  waitingFor(peer: string): readonly Message[];
  /** The peer has acknowledged all that waits for it. */
  sent(peer: string): Promise<void>;
  /** All lines that it has stored. */
  lines(): readonly string[];
  take(message: Message): Ingested;
  /** All that it has rejected, under its schema of today. */
  replay(): Promise<ReplayReport>;
}

const SINK = 'sink';
const FORWARD = 'up';

export function peerGateway(options: PeerOptions): PeerGateway {
  const { name, others, schema, nowMs, isProvisional = false, maxBacklogBytes = 2 ** 20 } = options;
  const { storage = new MemoryStorage(), forwardsRaw = false, synced } = options;
  const clock: Clock = { ...systemClock, nowMs: () => nowMs, monotonicMs: () => nowMs };
  const store = createMemoryStore(
    { storage },
    { clock, events: new RecordedEvents(), ...(synced === undefined ? {} : { synced }) },
  );
  // Without a sink that waits for them, points are let go.
  store.openSink(SINK, { maxBacklogBytes: null, whenFull: 'block' });
  const outboxes = new Map<string, Outbox>();
  for (const other of others)
    outboxes.set(other, store.openOutbox(`peer/${other}`, { maxBacklogBytes, whenFull: 'refuse' }));
  if (forwardsRaw) outboxes.set(FORWARD, store.openOutbox(FORWARD, { maxBacklogBytes, whenFull: 'block' }));
  const identities = new Identities(
    new GroupsUnderWay((error) => {
      throw error;
    }),
  );
  identities.restore(store.identities);
  const repeats = createRepeats(clock);
  repeats.restore(store.transfers);
  const retained = createRetainedReplays();
  retained.restore(store.lastPayloads);
  const formats = createFormats();
  const ledgers = ledgersWith({
    judge: ({ device, identity }) => (identity === null ? null : identities.judge(device, identity)),
    keep: ({ device, identity }, group) => {
      if (identity !== null) identities.keep(device, identity, group);
    },
  });
  const readings = readingsOf(schema);
  const interpret = createInterpret({ formats, maxPayloadBytes: 10_000 });
  const topics = createTopicsSeen();
  const ingest = createIngest({
    readings,
    interpret,
    keep: createKeep({ formats, ledgers, versionOf: () => null }),
    store,
    repeats,
    retained,
    forwards: forwardsRaw
      ? createForwards([{ name: FORWARD, topics: ['#'], send: 'raw', prefix: '' }])
      : null,
    homes: createHomes(
      { name, others: others.map((each) => ({ name: each, link: { name: `peer/${each}` } })) },
      (outbox) => store.outboxIsFull(outbox),
    ),
    arrival: isProvisional ? provisionalArrival() : trueArrival(clock),
    topics,
    clock,
    unrouted: 'forward',
    maxPayloadBytes: 10_000,
  });
  const slice = (peer: string): OutboxSlice | null =>
    outboxes.get(peer)?.read(null, { maxMessages: 10_000, maxBytes: 2 ** 24 }) ?? null;
  return {
    ingest,
    store,
    storage,
    topics,
    take: (message) => ingest.ingest(message),
    waitingFor: (peer) =>
      (slice(peer)?.messages ?? []).map(({ topic, payload }) => messageOn(topic, payload)),
    async sent(peer) {
      const place = slice(peer)?.through.at(-1);
      if (place !== undefined) await outboxes.get(peer)?.sent(place);
    },
    lines: () => pendingLines(store, SINK),
    replay: () =>
      createReplay({
        ...{ store, readings, interpret, formats, ledgers, clock, forwards: null },
        versionOf: () => null,
        sinks: () => ({ why: 'there are none' }),
        trueMs: () => null,
      }).page({ kind: 'filter', filter: {} }, { dryRun: false, after: null, limit: 1_000, run: null }),
  };
}

let packetId = 0;

/** A message of a shared subscription, at QoS 1. */
export function shared(topic: string, payload: string, transfer: Partial<Transfer> = {}): Message {
  packetId += 1;
  return messageOn(topic, payload, {
    source: 'house',
    client: 'broker/house',
    transfer: { packetId, qos: 1, dup: false, connection: 1, ...transfer },
    relay: { contentType: null, userProperties: new Map(), isShared: true },
  });
}

/** What the broker of the home makes of what waits for it. */
export function delivered(parcel: Message, from: string): Message {
  const unpacked = unpackParcel(parcel.payload);
  if (unpacked === null) throw new Error('it is no parcel');
  packetId += 1;
  const { topic, payload, relay } = unpacked;
  return messageOn(topic, payload, {
    source: 'peer',
    client: `gateway-peer-${from}`,
    transfer: { packetId, qos: 1, dup: false, connection: 1 },
    relay,
  });
}

function trueArrival(clock: Clock): ArrivalClock {
  let last = 0n;
  return {
    nextNs() {
      const now = BigInt(Math.trunc(clock.nowMs())) * 1_000_000n;
      last = now > last ? now : last + 1n;
      return String(last);
    },
    get highWaterMs() {
      return Number(last / 1_000_000n);
    },
    isProvisional: false,
  };
}

function provisionalArrival(): ArrivalClock {
  let ns = 10n ** 15n;
  return {
    nextNs() {
      ns += 1n;
      return String(ns);
    },
    highWaterMs: 0,
    isProvisional: true,
  };
}
