import type { Registry } from 'prom-client';
import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import { type BrokerLink, type BrokerLinkOptions, connectBroker } from '../broker-link/connect-broker.ts';
import { connectPeer } from '../broker-link/connect-peer.ts';
import type { ForwardConfig, GatewayConfig } from '../config/gateway-config.ts';
import type { Clock } from '../contracts.ts';
import { createForwarder, type Forwarder } from '../forwards/forwarder.ts';
import type { Events } from '../monitoring/events.ts';
import { createForwardMetrics } from '../monitoring/forward-metrics.ts';
import type { ForwardStatus } from '../operations-contract.ts';
import type { SchemaDigests } from '../peer-hello.ts';
import type { Store } from '../store-contract.ts';
import { expectedOf } from './peer-expectations.ts';

type Connect = (connection: BrokerConnection, options: BrokerLinkOptions) => BrokerLink;

export interface ForwardsWiring {
  readonly store: Store;
  readonly events: Events;
  readonly clock: Clock;
  readonly registry: Registry;
  /** Of the schemas in force. */
  readonly schemas: () => SchemaDigests;
}

export interface Forwarding {
  /** How they are. */
  status(): readonly ForwardStatus[];
  /** The gateway of this name is evidently there. */
  heardOf(name: string): void;
}

/** From the stop signal until the last acknowledgement; what has none by then is sent again. */
const LAST_SENDS_MS = 5_000;

/**
 * Opens the outbox of each forward and each peer, before anything can be put into it, and begins to send. Adds to `up` what
 * stops them.
 */
export function startForwards(
  config: Pick<GatewayConfig, 'forward' | 'peers' | 'limits'>,
  { store, events, clock, registry, schemas }: ForwardsWiring,
  up: (() => Promise<void>)[],
): Forwarding {
  const { forward, peers } = config;
  const made = (each: ForwardConfig, connect: Connect): Forwarder => {
    const outbox = store.openOutbox(each.name, each);
    const document = `forward-largest/${each.name}`;
    const largestTaken = {
      get: () => store.document(document),
      set: (text: string) => store.setDocument(document, text),
    };
    return createForwarder(each, { outbox, connect, events, clock, random: Math.random, largestTaken });
  };
  const links: { readonly answers: string; readonly link: BrokerLink }[] = [];
  const forwarders = [
    ...forward.map((each) => made(each, connectBroker)),
    ...(peers?.others ?? []).map((peer) =>
      made(peer.link, (connection, options) => {
        const { answers } = peer;
        const warn = (words: string): void => events.emit('peer.differs', { peer: peer.name, words });
        const link = connectPeer(connection, expectedOf(config, peer, { schemas, warn }), options);
        links.push({ answers, link });
        return link;
      }),
    ),
  ];
  up.push(async () => {
    await Promise.all(forwarders.map((forwarder) => forwarder.stop(LAST_SENDS_MS)));
  });
  // Also of those that are no longer configured.
  createForwardMetrics(registry, () => store.outboxes());
  for (const forwarder of forwarders) forwarder.start();
  return {
    status: () => forwarders.map((forwarder) => forwarder.status()),
    heardOf(name) {
      for (const { answers, link } of links) if (answers === name) link.tryNow();
    },
  };
}
