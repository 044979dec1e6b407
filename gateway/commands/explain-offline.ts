import { systemClock } from '../clocks/clock.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { loadDevices } from '../config/live-devices.ts';
import { createHomes } from '../ingest/homes.ts';
import { createInterpret } from '../ingest/interpret.ts';
import type { DeviceBook } from '../ledger-contract.ts';
import { explain } from '../operations/explain.ts';
import type { ExplainRequest, Explanation } from '../operations-contract.ts';
import { NO_BOOK, NO_CLOCKS } from '../readings/mapping-deps.ts';
import type { CommandParts } from './command-parts.ts';

/** From the configuration and the schema files alone; with how many of these cannot be used. */
export function explainOffline(
  config: GatewayConfig,
  parts: CommandParts,
  request: ExplainRequest,
): { readonly explanation: Explanation; readonly schemaErrors: number } {
  const { devices, problems } = loadDevices(config);
  const book: DeviceBook =
    problems.length > 0 ? NO_BOOK : { of: (device) => devices.get(device) ?? null, version: 0 };
  const loaded = parts.loadReadings(config, { clocks: NO_CLOCKS, book, isForStore: false });
  const explanation = explain(request, {
    readings: loaded.readings,
    interpret: createInterpret({
      formats: parts.createFormats(config),
      maxPayloadBytes: config.limits.payloadBytes,
    }),
    nearest: (topic) => loaded.nearest(topic),
    ledgers: { judge: () => null },
    clocks: NO_CLOCKS,
    isProvisional: false,
    clock: systemClock,
    unrouted: config.mqtt.unrouted,
    homes: createHomes(config.peers, () => false),
  });
  return { explanation, schemaErrors: new Set(loaded.problems.map(({ file }) => file)).size };
}
