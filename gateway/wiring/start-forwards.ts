import type { Registry } from 'prom-client';
import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import { type BrokerLink, type BrokerLinkOptions, connectBroker } from '../broker-link/connect-broker.ts';
import { connectPeer } from '../broker-link/connect-peer.ts';
import type { ForwardConfig, GatewayConfig } from '../config/gateway-config.ts';
import { namesOf } from '../config/peers.ts';
import type { Clock } from '../contracts.ts';
import { createForwarder, type Forwarder } from '../forwards/forwarder.ts';
import type { Events } from '../monitoring/events.ts';
import { createForwardMetrics } from '../monitoring/forward-metrics.ts';
import type { ForwardStatus } from '../operations-contract.ts';
import type { Store } from '../store-contract.ts';

type Connect = (connection: BrokerConnection, options: BrokerLinkOptions) => BrokerLink;

export interface ForwardsWiring {
  readonly store: Store;
  readonly events: Events;
  readonly clock: Clock;
  readonly registry: Registry;
}

/** From the stop signal until the last acknowledgement; what has none by then is sent again. */
const LAST_SENDS_MS = 5_000;

/**
 * Opens the outbox of each forward and each peer, before anything can be put into it, and begins to send. Adds to `up` what
 * stops them. Returns how they are.
 */
export function startForwards(
  { forward, peers }: Pick<GatewayConfig, 'forward' | 'peers'>,
  { store, events, clock, registry }: ForwardsWiring,
  up: (() => Promise<void>)[],
): () => readonly ForwardStatus[] {
  const made = (config: ForwardConfig, connect: Connect): Forwarder => {
    const outbox = store.openOutbox(config.name, config);
    return createForwarder(config, { outbox, connect, events, clock, random: Math.random });
  };
  const others = peers?.others ?? [];
  const members = namesOf(peers);
  const forwarders = [
    ...forward.map((config) => made(config, connectBroker)),
    ...others.map(({ answers, link }) =>
      made(link, (connection, options) => connectPeer(connection, { name: answers, members }, options)),
    ),
  ];
  up.push(async () => {
    await Promise.all(forwarders.map((forwarder) => forwarder.stop(LAST_SENDS_MS)));
  });
  // Also of those that are no longer configured.
  createForwardMetrics(registry, () => store.outboxes());
  for (const forwarder of forwarders) forwarder.start();
  return () => forwarders.map((forwarder) => forwarder.status());
}
