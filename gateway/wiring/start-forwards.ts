import type { Registry } from 'prom-client';
import { connectBroker } from '../broker-link/connect-broker.ts';
import type { ForwardConfig } from '../config/gateway-config.ts';
import type { Clock } from '../contracts.ts';
import { createForwarder } from '../forwards/forwarder.ts';
import type { Events } from '../monitoring/events.ts';
import { createForwardMetrics } from '../monitoring/forward-metrics.ts';
import type { ForwardStatus } from '../operations-contract.ts';
import type { Store } from '../store-contract.ts';

export interface ForwardsWiring {
  readonly store: Store;
  readonly events: Events;
  readonly clock: Clock;
  readonly registry: Registry;
}

/** From the stop signal until the last acknowledgement; what has none by then is sent again. */
const LAST_SENDS_MS = 5_000;

/**
 * Opens the outbox of each forward, before anything can be put into it, and begins to send. Adds to `up` what stops them.
 * Returns how they are.
 */
export function startForwards(
  configs: readonly ForwardConfig[],
  { store, events, clock, registry }: ForwardsWiring,
  up: (() => Promise<void>)[],
): () => readonly ForwardStatus[] {
  const forwarders = configs.map((config) => {
    const outbox = store.openOutbox(config.name, config);
    return createForwarder(config, { outbox, connect: connectBroker, events, clock, random: Math.random });
  });
  up.push(async () => {
    await Promise.all(forwarders.map((forwarder) => forwarder.stop(LAST_SENDS_MS)));
  });
  // Also of those that are no longer configured.
  createForwardMetrics(registry, () => store.outboxes());
  for (const forwarder of forwarders) forwarder.start();
  return () => forwarders.map((forwarder) => forwarder.status());
}
