import { existsSync } from 'node:fs';
import { createWallClock, type WallClock } from '../clocks/wall-clock.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { createLiveDevices, type LiveDevices } from '../config/live-devices.ts';
import { sharesAlone } from '../config/peers.ts';
import type { Clock, Formats } from '../contracts.ts';
import { createFormats, formatProblem } from '../formats/formats.ts';
import { createDeviceLedger, type DeviceLedger, type DeviceLedgerDeps } from '../ledgers/device-ledger.ts';
import { createLedgers, type GatewayLedgers } from '../ledgers/ledgers.ts';
import type { Events } from '../monitoring/events.ts';
import { createLiveReadings, type LiveReadings } from '../readings/live-readings.ts';
import type { Store } from '../store-contract.ts';

export interface KnowledgeDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly events: Events;
  /** Tells the world that a device is silent, or heard again. */
  readonly onState: DeviceLedgerDeps['onState'];
}

/** What readings are held against. */
export interface Knowledge {
  readonly wall: WallClock;
  readonly book: LiveDevices;
  readonly devices: DeviceLedger;
  readonly formats: Formats;
  readonly readings: LiveReadings;
  readonly ledgers: GatewayLedgers;
}

/**
 * Takes up everything that the gateway knows: its own clock, `devices.yaml`, the devices it has heard, the reading
 * schemas, and the ledgers. To be done before the store's first group. Adds to `up` what stops it.
 */
export async function startKnowledge(
  config: GatewayConfig,
  { store, clock, events, onState }: KnowledgeDeps,
  up: (() => Promise<void>)[],
): Promise<Knowledge> {
  const documents = {
    get: (name: string) => store.document(name),
    set: (name: string, text: string) => store.setDocument(name, text),
    change: (changes: ReadonlyMap<string, string | null>) => store.setDocuments(changes),
  };
  const wall = createWallClock({
    clock,
    events,
    store,
    untilFile: config.clock.untilFile,
    fileExists: existsSync,
    onSet: (byMs) => devices.gatewayClockSet(byMs),
    onStepped: () => devices.gatewayClockStepped(),
  });
  const book = await createLiveDevices({ file: config.devicesFile, documents, events, clock });
  up.push(async () => book.close());
  const devices: DeviceLedger = createDeviceLedger({
    store,
    book,
    isProvisional: () => wall.arrival.isProvisional,
    expectEveryMs: (schema) => readings.expectEveryMs(schema),
    isListening: () => store.status().state === 'open',
    onState,
    events,
    clock,
  });
  up.push(() => devices.stop());
  const formats = createFormats({ maxDepth: config.limits.payloadDepth, maxKeys: config.limits.payloadKeys });
  const readings: LiveReadings = await createLiveReadings({
    dir: config.schemasDir,
    documents,
    events,
    clock,
    clocks: devices.clocks,
    book,
    formatProblem,
    fromBrokers: config.brokers.length > 0,
    sharesAlone: sharesAlone(config),
  });
  up.push(async () => readings.close());
  const ledgers = createLedgers({
    store,
    devices: devices.registry,
    clock,
    events,
    sinks: new Set(config.sinks.map(({ name }) => name)),
    series: {
      maxSeries: config.limits.series,
      maxSeriesPerMeasurement: config.limits.seriesPerMeasurement,
      maxAgeMs: config.limits.seriesAgeMs,
    },
  });
  // Before the first reading: until it has looked, no time of arrival counts.
  wall.look();
  const watching = new AbortController();
  const watched = wall.run(watching.signal);
  up.push(async () => {
    watching.abort();
    await watched;
  });
  return { wall, book, devices, formats, readings, ledgers };
}
