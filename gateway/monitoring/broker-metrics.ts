import type { Registry } from 'prom-client';
import type { BrokerStatus } from '../operations-contract.ts';
import { type AddMetric, collectedMetrics } from './collected-metrics.ts';

/** Metrics of the brokers that are read from, read off when somebody asks. */
export function createBrokerMetrics(registry: Registry, brokers: () => readonly BrokerStatus[]): void {
  const { counter, gauge } = collectedMetrics(registry, brokers);

  function ofEach(
    add: AddMetric<readonly BrokerStatus[]>,
    name: string,
    help: string,
    read: (broker: BrokerStatus) => number,
  ): void {
    add(name, help, ['broker'], (all) => all.map((each) => [{ broker: each.name }, read(each)]));
  }

  ofEach(
    gauge,
    'gateway_broker_connected',
    '1 while connected to a broker that is read from.',
    ({ state }) => (state === 'connected' ? 1 : 0),
  );
  ofEach(
    gauge,
    'gateway_broker_in_flight',
    'Messages of a broker taken and not yet acknowledged to it.',
    ({ inFlight }) => inFlight,
  );
  ofEach(
    gauge,
    'gateway_broker_refused_filters',
    'Topic filters that a broker refused, or took at a lower QoS than asked for.',
    ({ refusedFilters }) => refusedFilters.length,
  );
  ofEach(
    counter,
    'gateway_broker_messages_total',
    'Messages that came from a broker.',
    ({ messages }) => messages,
  );
  ofEach(
    counter,
    'gateway_broker_dropped_total',
    'Messages of a broker that were acknowledged and not taken.',
    ({ dropped }) => dropped,
  );
  ofEach(
    counter,
    'gateway_broker_reconnected_total',
    'How often a broker was connected to again.',
    ({ reconnected }) => reconnected,
  );
  ofEach(
    counter,
    'gateway_broker_sessions_lost_total',
    'How often a broker had forgotten a session that it was to keep.',
    ({ sessionsLost }) => sessionsLost,
  );
}
