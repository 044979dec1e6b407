import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { announce } from './announce.ts';
import { createApi } from './api/create-api.ts';
import { createArrivalClock } from './arrival-clock.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import type { Clock, Ingest } from './contracts.ts';
import { createDispatch } from './control/dispatch.ts';
import { openDoor } from './control/door.ts';
import { type Delivery, startDelivery } from './delivery-host.ts';
import { messageOf } from './errors.ts';
import { explain } from './explain.ts';
import { createFormats } from './formats/formats.ts';
import { createIngest } from './ingest.ts';
import { createInterpret } from './interpret.ts';
import type { Events } from './monitoring/events.ts';
import { createMetrics, type Timings } from './monitoring/metrics.ts';
import { createOperations } from './operations.ts';
import { createLiveReadings } from './readings/live-readings.ts';
import { createRepeats } from './repeats.ts';
import { createMqttBroker } from './sources/mqtt-broker.ts';
import { type LmdbStoreOptions, openLmdbStore } from './store/lmdb-store.ts';
import { createTopicsSeen } from './topics-seen.ts';

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

/** From the stop signal until the last acknowledgement has left. */
const LAST_ACKNOWLEDGEMENTS_MS = 3_000;
/** Then, until the last write; what is not written by then waits in the store. */
const LAST_WRITES_MS = 5_000;

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

  const door = await openDoor(config.dataDir, { pid, onFailure });
  up.push(() => door.close());
  let timings: Timings | null = null;
  const store = await openLmdbStore(storeOptions(config), {
    clock,
    events,
    committed: (ms) => timings?.committed(ms),
  });
  up.push(() => store.close());
  const documents = {
    get: (name: string) => store.document(name),
    set: (name: string, text: string) => store.setDocument(name, text),
  };
  const readings = await createLiveReadings({ dir: config.schemasDir, documents, events, clock });
  up.push(async () => readings.close());

  const deliveries: Delivery[] = [];
  // Before the first runs: where a later one cannot start, those before it are stopped all the same.
  up.push(async () => {
    await Promise.all(deliveries.map((delivery) => delivery.stop(LAST_WRITES_MS)));
  });
  for (const sink of config.sinks) {
    const limits = sink.type === 'influxdb' ? sink : { maxBacklogBytes: null, whenFull: 'block' as const };
    const { cursor } = store.openSink(sink.name, {
      maxBacklogBytes: limits.maxBacklogBytes,
      whenFull: limits.whenFull,
    });
    const onWrite = (name: string, _points: number, ms: number): void => timings?.wrote(name, ms);
    const { dataDir } = config;
    deliveries.push(startDelivery(sink, cursor, { store, events, clock, mode: 'worker', dataDir, onWrite }));
  }

  const repeats = createRepeats(clock);
  repeats.restore(store.transfers);
  const topics = createTopicsSeen();
  const { payloadDepth, payloadKeys, payloadBytes } = config.limits;
  const formats = createFormats({ maxDepth: payloadDepth, maxKeys: payloadKeys });
  const interpret = createInterpret({ formats, maxPayloadBytes: payloadBytes });
  const arrival = createArrivalClock(clock, store.highWaterMs);
  const ingest = createIngest({
    readings,
    interpret,
    formats,
    store,
    repeats,
    arrival,
    topics,
    clock,
    unrouted,
    maxPayloadBytes: payloadBytes,
  });
  const broker = createMqttBroker(
    { listeners: config.mqtt.listeners, limits: config.mqtt.limits },
    { ingest: timed(ingest, clock, (ms) => timings?.acknowledged(ms)), events, clock },
  );

  const sources = (): { name: string; connections: number }[] => [
    { name: broker.name, connections: broker.connections() },
  ];
  const sinkHealth = (): ReturnType<Delivery['health']>[] => deliveries.map((delivery) => delivery.health());
  const nearest = (topic: string): string | null => readings.nearest(topic);
  const operations = createOperations({
    version,
    pid,
    running: { startedMs, sources, sinkHealth, topics },
    store,
    configuredSinks: new Set(config.sinks.map(({ name }) => name)),
    schemas: () => schemaIds(readings),
    schemaErrors: () => readings.problems().length,
    nearest,
    explain: (request) => explain(request, { readings, interpret, nearest, clock, unrouted }),
  });
  timings = createMetrics({
    registry,
    version,
    nodeVersion,
    nowMs: () => clock.nowMs(),
    snapshot: () => ({
      account: store.account(),
      store: store.status(),
      sinks: store.sinks(),
      sinkHealth: sinkHealth(),
      sources: sources(),
      schemaErrors: readings.problems().length,
    }),
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
