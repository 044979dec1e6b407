import { systemClock } from '../clocks/clock.ts';
import { RELEASED_MS } from '../clocks/wall-clock.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { loadDevices } from '../config/live-devices.ts';
import { outgoingOf } from '../config/peers.ts';
import { GatewayError } from '../errors.ts';
import { createForwards } from '../ingest/forwards.ts';
import { createInterpret } from '../ingest/interpret.ts';
import type { DeviceBook } from '../ledger-contract.ts';
import { createDeviceLedger } from '../ledgers/device-ledger.ts';
import { createLedgers } from '../ledgers/ledgers.ts';
import { createOperations } from '../operations.ts';
import type { Operations } from '../operations-contract.ts';
import { createSchemaHistory } from '../readings/schema-history.ts';
import { createReplay } from '../replay.ts';
import type { Store } from '../store-contract.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts, LoadedReadings } from './command-parts.ts';
import { explainOffline } from './explain-offline.ts';

const NO_EVENTS = { emit: () => undefined };

/**
 * The operations over a store that a command has opened, because no gateway runs. What is replayed goes into the log, and
 * to the sinks when a gateway runs again.
 */
export function offlineOperations(
  config: GatewayConfig,
  io: CommandIo,
  parts: CommandParts,
  store: Store,
): Operations {
  const { limits } = config;
  const clock = systemClock;
  const sinks = new Set(config.sinks.map(({ name }) => name));
  // What a replay stores goes out too, when a gateway runs again.
  for (const forward of outgoingOf(config)) store.openOutbox(forward.name, forward);
  const formats = parts.createFormats(config);
  const { devices: settings, problems } = loadDevices(config);
  const book: DeviceBook = { of: (device) => settings.get(device) ?? null, version: 0 };
  const devices = createDeviceLedger({
    store,
    book,
    isProvisional: () => false,
    expectEveryMs: () => null,
    isListening: () => false,
    onState: () => undefined,
    events: NO_EVENTS,
    clock,
  });
  // Only some commands need them, and a folder that cannot be read is in the way of no other.
  let loaded: LoadedReadings | null = null;
  const readings = (): LoadedReadings['readings'] => {
    // Without its alias and tags a device would be stored as another series.
    if (problems.length > 0)
      throw new GatewayError('config-invalid', 'devices.yaml has problems', { problems });
    loaded ??= parts.loadReadings(config, { clocks: devices.clocks, book, isForStore: true });
    return loaded.readings;
  };
  const ledgers = createLedgers({
    store,
    devices: devices.registry,
    clock,
    events: NO_EVENTS,
    sinks,
    series: {
      maxSeries: limits.series,
      maxSeriesPerMeasurement: limits.seriesPerMeasurement,
      maxAgeMs: limits.seriesAgeMs,
    },
  });
  const history = createSchemaHistory({
    get: (name) => store.document(name),
    set: (name, text) => store.setDocument(name, text),
    change: (changes) => store.setDocuments(changes),
  });
  const versionOf = (id: string): string | null => readings().versionOf(id);
  return createOperations({
    version: io.version,
    pid: io.pid,
    running: null,
    store,
    configuredSinks: sinks,
    configuredForwards: new Set(outgoingOf(config).map(({ name }) => name)),
    schemas: () => [],
    schemaErrors: () => 0,
    nearest: () => null,
    explain: (request) => explainOffline(config, parts, request).explanation,
    replay: createReplay({
      store,
      readings: { route: (topic) => readings().route(topic) },
      interpret: createInterpret({ formats, maxPayloadBytes: limits.payloadBytes }),
      formats,
      ledgers,
      versionOf,
      forwards: createForwards(config.forward),
      clock,
      sinks: () => ({ why: 'no gateway runs, so its sink cannot be asked; start it first' }),
      trueMs: () => (clock.nowMs() < RELEASED_MS ? null : clock.nowMs()),
    }),
    history: {
      schemaText: (version) => history.textOf(version),
      currentText: (id) => readings().currentText(id),
      versionOf,
    },
    ledgers,
    devices,
    clock,
  });
}
