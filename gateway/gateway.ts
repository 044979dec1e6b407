import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { createApi } from './api/create-api.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { namesOf, outgoingOf } from './config/peers.ts';
import type { Clock, Ingest } from './contracts.ts';
import { createDispatch } from './control/dispatch.ts';
import { openDoor } from './control/door.ts';
import { messageOf } from './errors.ts';
import { createForwards } from './ingest/forwards.ts';
import { createHomes } from './ingest/homes.ts';
import { createInterpret } from './ingest/interpret.ts';
import { createKeep } from './ingest/keep.ts';
import { createRepeats } from './ingest/repeats.ts';
import { createRetainedReplays } from './ingest/retained-replays.ts';
import { createIngest } from './ingest.ts';
import type { Events } from './monitoring/events.ts';
import { createMetrics, type Timings } from './monitoring/metrics.ts';
import { balanceOf } from './operations/account-balance.ts';
import { watchAccount } from './operations/account-watch.ts';
import { explain } from './operations/explain.ts';
import { createTopicsSeen } from './operations/topics-seen.ts';
import { watchUnclaimed } from './operations/unclaimed-watch.ts';
import { createOperations } from './operations.ts';
import type { SourceStatus } from './operations-contract.ts';
import { createOwnMeasurements } from './own-measurements.ts';
import type { SchemaDigests } from './peer-hello.ts';
import { createReplay } from './replay.ts';
import { deviceStateTopic } from './sources/mqtt-broker/device-state.ts';
import { createMqttBroker } from './sources/mqtt-broker.ts';
import { type LmdbStoreOptions, openLmdbStore } from './store/lmdb-store.ts';
import { DEFAULT_STORE_OPTIONS } from './store/store-options.ts';
import { announce } from './wiring/announce.ts';
import { createBrokers } from './wiring/brokers-wiring.ts';
import { createHello, digestsOfSchemas } from './wiring/peer-expectations.ts';
import { withPeerReceipts } from './wiring/peer-receipts.ts';
import { createSerial } from './wiring/serial-wiring.ts';
import { startDeliveries } from './wiring/start-deliveries.ts';
import { startForwards } from './wiring/start-forwards.ts';
import { startKnowledge } from './wiring/start-knowledge.ts';

export interface GatewayDeps {
  readonly clock: Clock;
  readonly events: Events;
  readonly registry: Registry;
  readonly version: string;
  readonly nodeVersion: string;
  readonly pid: number;
}

export interface Gateway {
  /**
   * Runs until `signal` aborts; resolves when everything is in order on disk.
   * @throws GatewayError when it cannot start; what was started by then is stopped again.
   */
  run(signal: AbortSignal): Promise<void>;
}

/** Field types, devices, schemas. */
const OTHER_DOCUMENTS = 150_000;
/** With the longest tags that are usual; measured: 450 on disk. */
const SERIES_DOCUMENT_BYTES = 1_024;
/** From the stop signal until the last acknowledgement has left. */
const LAST_ACKNOWLEDGEMENTS_MS = 3_000;

/**
 * The wiring. Up from the disk to the door: data folder, store, sinks, doors, sources; down in reverse, so that nothing is
 * taken which could not be kept.
 *
 *   broker ──▶ ingest ──▶ store ──▶ deliveries
 *                 ▲                     │
 *              readings        api, control: operations
 */
export function createGateway(config: GatewayConfig, deps: GatewayDeps): Gateway {
  return {
    async run(signal) {
      const up: (() => Promise<void>)[] = [];
      try {
        await start(config, deps, up);
        await aborted(signal);
        deps.events.emit('gateway.stopping', { reason: String(signal.reason) });
      } finally {
        for (const down of up.reverse()) {
          await down().catch((error: unknown) =>
            deps.events.emit('hook.failed', { hook: 'stop', error: messageOf(error) }),
          );
        }
      }
      deps.events.emit('gateway.stopped');
    },
  };
}

/** Adds to `up`, as soon as something runs, what stops it. */
async function start(config: GatewayConfig, deps: GatewayDeps, up: (() => Promise<void>)[]): Promise<void> {
  const { clock, events, registry, version, nodeVersion, pid } = deps;
  const { unrouted } = config.mqtt;
  const startedMs = clock.nowMs();
  const onFailure = (hook: string, error: unknown): void =>
    events.emit('hook.failed', { hook, error: messageOf(error) });

  const runUntilStopped = (run: (signal: AbortSignal) => Promise<void>): void => {
    const stopping = new AbortController();
    const ended = run(stopping.signal);
    up.push(async () => {
      stopping.abort();
      await ended;
    });
  };

  const door = await openDoor(config.dataDir, { pid, onFailure });
  up.push(() => door.close());
  let timings: Timings | null = null;
  const store = await openLmdbStore(storeOptions(config), {
    clock,
    events,
    committed: (ms) => timings?.committed(ms),
  });
  up.push(() => store.close());
  const knowledge = await startKnowledge(
    config,
    {
      store,
      clock,
      events,
      onState: (device, state, { lastSeenMs, expectEveryMs }) =>
        broker.publishState(
          deviceStateTopic(device),
          Buffer.from(JSON.stringify({ state, lastSeen: new Date(lastSeenMs).toISOString(), expectEveryMs })),
          true,
        ),
    },
    up,
  );
  const { wall, book, devices, formats, readings, ledgers } = knowledge;
  const deliveries = startDeliveries(
    config,
    { store, ledgers, clock, events, onWrite: (sink, ms) => timings?.wrote(sink, ms) },
    up,
  );
  const schemas = (): SchemaDigests => digestsOfSchemas(schemaIds(readings), readings);
  const forwarding = startForwards(config, { store, events, clock, registry, schemas }, up);

  const repeats = createRepeats(clock);
  repeats.restore(store.transfers);
  const retained = createRetainedReplays();
  retained.restore(store.lastPayloads);
  const forwards = createForwards(config.forward);
  const topics = createTopicsSeen();
  const { payloadBytes } = config.limits;
  const interpret = createInterpret({ formats, maxPayloadBytes: payloadBytes });
  const versionOf = (schema: string): string | null => readings.versionOf(schema);
  const homes = createHomes(config.peers, (outbox) => store.outboxIsFull(outbox));
  const ingest = createIngest({
    readings,
    interpret,
    keep: createKeep({ formats, ledgers, versionOf }),
    store,
    repeats,
    retained,
    forwards,
    homes,
    arrival: wall.arrival,
    topics,
    clock,
    unrouted,
    maxPayloadBytes: payloadBytes,
  });
  const hello = createHello(config, { schemas, status: () => store.status(), clock });
  const measured = timed(ingest, clock, (ms) => timings?.acknowledged(ms));
  const broker = createMqttBroker(
    { listeners: config.mqtt.listeners, limits: config.mqtt.limits, observers: config.mqtt.observers },
    {
      ingest: withPeerReceipts(measured, (message, ingested) => brokers.tookFromPeer(message, ingested)),
      events,
      clock,
      peers: namesOf(config.peers),
      sayHello(asker) {
        forwarding.heardOf(asker);
        return hello();
      },
      takeDownlink: (client, device, payload) => serial?.takeDownlink(client, device, payload) ?? false,
    },
  );
  const serial = createSerial(config.serial, {
    ingest: measured,
    events,
    clock,
    formats,
    store,
    broker,
    registry,
  });
  const brokers = createBrokers(config.brokers, {
    ingest: measured,
    events,
    clock,
    readings,
    store,
    registry,
  });

  const sources = (): SourceStatus[] => [
    { name: broker.name, connections: broker.connections() },
    ...(serial === null
      ? []
      : [{ name: serial.name, connections: serial.connections(), ports: serial.ports() }]),
    ...brokers.status(),
  ];
  const nearest = (topic: string): string | null => readings.nearest(topic);
  const operations = createOperations({
    version,
    pid,
    running: {
      ...{ startedMs, sources, forwards: forwarding.status, sinkHealth: deliveries.health, topics },
      clockTrouble: wall.trouble,
    },
    store,
    configuredSinks: new Set(config.sinks.map(({ name }) => name)),
    configuredForwards: new Set(outgoingOf(config).map(({ name }) => name)),
    schemas: () => schemaIds(readings),
    schemaErrors: () => readings.problems().length,
    nearest,
    explain: (request) =>
      explain(request, {
        readings,
        interpret,
        nearest,
        ledgers,
        clocks: devices.clocks,
        isProvisional: wall.arrival.isProvisional,
        clock,
        unrouted,
        homes,
      }),
    replay: createReplay({
      store,
      readings,
      interpret,
      formats,
      ledgers,
      versionOf,
      forwards,
      clock,
      sinks: deliveries.replays,
      trueMs: (atMs) => wall.trueMs(atMs),
    }),
    history: {
      schemaText: (version) => readings.schemaText(version),
      currentText: (id) => readings.currentText(id),
      versionOf,
    },
    ledgers,
    devices,
    clock,
  });
  timings = createMetrics({
    registry,
    version,
    nodeVersion,
    nowMs: () => clock.nowMs(),
    snapshot: () => {
      const account = store.account();
      const sinks = store.sinks();
      const { series, seriesBudget } = ledgers.figures();
      const figures = devices.figures();
      return {
        account,
        store: store.status(),
        sinks,
        sinkHealth: deliveries.health(),
        sources: sources(),
        schemaErrors: readings.problems().length,
        imbalance: balanceOf(account, sinks).sum,
        devices: { known: figures.devices, silent: figures.silentDevices },
        series: { known: series, budget: seriesBudget },
      };
    },
  });
  let httpPort: number | null = null;
  if (config.http !== null) {
    const { host, port } = config.http;
    const api = createApi({ host, port, operations, registry, onFailure });
    up.push(() => api.stop());
    httpPort = await api.start();
  }
  up.push(() => broker.stop(LAST_ACKNOWLEDGEMENTS_MS));
  await broker.start();
  if (serial !== null) {
    up.push(() => serial.stop(LAST_ACKNOWLEDGEMENTS_MS));
    await serial.start();
  }
  up.push(() => brokers.stop(LAST_ACKNOWLEDGEMENTS_MS));
  await brokers.start();
  devices.start();
  up.push(async () => devices.rest());
  if (config.measurementsEveryMs !== null) {
    const own = createOwnMeasurements({
      everyMs: config.measurementsEveryMs,
      store,
      devices,
      book,
      arrival: wall.arrival,
      events,
      clock,
    });
    runUntilStopped((signal) => own.run(signal));
  }
  runUntilStopped((signal) => watchAccount({ store, events, clock }, signal));
  // Where messages go on as they are, or to another gateway, it may be meant so.
  const passesOn = config.peers !== null || config.forward.some(({ send }) => send === 'raw');
  const read = passesOn ? [] : config.brokers.map(({ name }) => name);
  runUntilStopped((signal) => watchUnclaimed({ store, brokers: read, events, clock }, signal));
  door.serve(createDispatch(operations));
  announce(events, config, {
    version,
    mqttPorts: broker.addresses().map(({ port }) => port),
    httpPort,
    schemas: schemaIds(readings),
  });
}

function schemaIds(readings: { describe(): readonly { readonly id: string }[] }): readonly string[] {
  return readings.describe().map(({ id }) => id);
}

export function storeOptions(config: GatewayConfig): LmdbStoreOptions {
  const { maxBytes, maxBytesIsDefault, minFreeDiskBytes, whenFull, commitDelayMs, rejected } = config.store;
  return {
    dir: join(config.dataDir, 'store'),
    maxBytes: maxBytesIsDefault ? null : maxBytes,
    minFreeDiskBytes,
    whenFull,
    commitDelayMs,
    // Each series that may be known is a document.
    maxDocuments: Math.max(DEFAULT_STORE_OPTIONS.maxDocuments, config.limits.series + OTHER_DOCUMENTS),
    maxNoteBytes: Math.max(DEFAULT_STORE_OPTIONS.maxNoteBytes, config.limits.series * SERIES_DOCUMENT_BYTES),
    // A share is of what the store decides on, which may be less than was configured.
    rejected: {
      maxBytes: 'bytes' in rejected.maxBytes ? rejected.maxBytes.bytes : rejected.maxBytes,
      maxAgeMs: rejected.maxAgeMs,
    },
  };
}

/** Measures from the first message of a group to its acknowledgement: the longest wait in the group, once per group. */
function timed(ingest: Ingest, clock: Clock, acknowledged: (ms: number) => void): Ingest {
  let group: Promise<void> | null = null;
  return {
    ...ingest,
    ingest(message) {
      const ingested = ingest.ingest(message);
      if (ingested.committed !== group) {
        group = ingested.committed;
        const sinceMs = clock.monotonicMs();
        group.then(
          () => acknowledged(clock.monotonicMs() - sinceMs),
          () => undefined,
        );
      }
      return ingested;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
