import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { probeBroker } from '../broker-link/probe-broker.ts';
import { systemClock } from '../clocks/clock.ts';
import type { GatewayConfig, SinkConfig } from '../config/gateway-config.ts';
import { sharesAlone } from '../config/peers.ts';
import { createSink } from '../delivery/delivery-sink.ts';
import { messageOf } from '../errors.ts';
import { createFormats, formatProblem } from '../formats/formats.ts';
import { createGateway, storeOptions } from '../gateway.ts';
import { loadReadings, loadSchemas } from '../readings/load-schemas.ts';
import { TickCounter } from '../readings/tick-counter.ts';
import { openLmdbStore } from '../store/lmdb-store.ts';
import type { Store } from '../store-contract.ts';
import { fieldTypeProblems } from '../wiring/field-type-problems.ts';
import { readTypes } from '../wiring/field-types-watch.ts';
import type { CommandParts } from './command-parts.ts';

/** The gateway itself, for the commands. */
export const realParts: CommandParts = {
  runGateway: (config, deps, signal) => createGateway(config, deps).run(signal),
  loadReadings: ({ schemasDir, brokers, peers }, mapping) => {
    const origins = { fromBrokers: brokers.length > 0, sharesAlone: sharesAlone({ brokers, peers }) };
    if (mapping === undefined) return loadReadings(schemasDir, { formatProblem, ...origins });
    const { clocks, book, isForStore } = mapping;
    const ticks = new TickCounter(isForStore ? { startedMs: systemClock.nowMs() } : { fresh: true });
    return loadReadings(schemasDir, { formatProblem, ...origins, clocks, book, ticks });
  },
  createFormats: ({ limits }) =>
    createFormats({ maxDepth: limits.payloadDepth, maxKeys: limits.payloadKeys }),
  openStore,
  probeSink,
  probeBroker: (connection, signal, peer) =>
    probeBroker(connection, { clock: systemClock, random: Math.random, signal, peer }),
  fieldTypeProblems: async (sink, { schemasDir }, signal) => {
    const held = await readTypes(sink, signal);
    return held === null ? null : fieldTypeProblems(loadSchemas(schemasDir).schemas, held);
  },
};

async function openStore(config: GatewayConfig): Promise<Store | null> {
  const options = storeOptions(config);
  if (!existsSync(join(options.dir, 'data.mdb'))) return null;
  return await openLmdbStore(options, { clock: systemClock, events: { emit: () => undefined } });
}

async function probeSink(
  sink: SinkConfig,
  config: GatewayConfig,
  signal: AbortSignal,
): Promise<string | null> {
  // A running gateway owns the embedded file; whether DuckDB is there at all can be told without touching it.
  if (sink.type === 'embedded') return await missingDuckdb();
  const probed = createSink(sink, config.dataDir);
  try {
    await probed.open('', 0, signal);
    // No lines: a server that would take some says so, and a database that is missing is missed, with nothing stored.
    const decision = await probed.write(Buffer.alloc(0), null, signal);
    return decision.kind === 'written' || decision.kind === 'isolate' ? null : decision.reason;
  } finally {
    await probed.close();
  }
}

async function missingDuckdb(): Promise<string | null> {
  try {
    await import('@duckdb/node-api');
    return null;
  } catch (error) {
    return `DuckDB is not installed on this platform: ${messageOf(error)}`;
  }
}
