import type { Registry } from 'prom-client';
import type { BrokerConfig } from '../config/gateway-config.ts';
import type { Clock, Ingest, Ingested, Message, Readings } from '../contracts.ts';
import { createBrokerMetrics } from '../monitoring/broker-metrics.ts';
import type { Events } from '../monitoring/events.ts';
import type { SourceStatus } from '../operations-contract.ts';
import { createMqttClientSource } from '../sources/mqtt-client.ts';
import type { Store } from '../store-contract.ts';

export interface BrokersWiring {
  readonly ingest: Ingest;
  readonly events: Events;
  readonly clock: Clock;
  readonly readings: Readings;
  readonly store: Pick<Store, 'document' | 'setDocument'>;
  readonly registry: Registry;
}

/** The sources that read from other brokers, as one. */
export interface Brokers {
  start(): Promise<void>;
  stop(deadlineMs: number): Promise<void>;
  status(): readonly SourceStatus[];
  /** See `MqttClientSource.tookFromPeer`; of a broker that this gateway does not read, nothing is told. */
  tookFromPeer(message: Message, ingested: Ingested): void;
}

export function createBrokers(
  brokers: readonly BrokerConfig[],
  { ingest, events, clock, readings, store, registry }: BrokersWiring,
): Brokers {
  const sources = brokers.map((config) => {
    const document = `broker-subscriptions/${config.name}`;
    return createMqttClientSource(config, {
      ingest,
      events,
      clock,
      random: Math.random,
      remembered: {
        get: () => store.document(document),
        set: (text) => store.setDocument(document, text),
      },
      deviceOf: (message) => readings.route(message.topic)?.deviceOf(message) ?? null,
    });
  });
  if (sources.length > 0) createBrokerMetrics(registry, () => sources.map((source) => source.status()));
  return {
    async start() {
      await Promise.all(sources.map((source) => source.start()));
    },
    async stop(deadlineMs) {
      await Promise.all(sources.map((source) => source.stop(deadlineMs)));
    },
    status: () =>
      sources.map((source) => ({
        name: source.name,
        connections: source.connections(),
        broker: source.status(),
      })),
    tookFromPeer(message, ingested) {
      sources.find(({ name }) => name === message.relay?.broker)?.tookFromPeer(message, ingested);
    },
  };
}
