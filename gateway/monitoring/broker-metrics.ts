import { Counter, Gauge, type Registry } from 'prom-client';
import type { BrokerStatus } from '../operations-contract.ts';

/** Metrics of the brokers that are read from, read off when somebody asks. */
export function createBrokerMetrics(registry: Registry, brokers: () => readonly BrokerStatus[]): void {
  const registers = [registry];
  const labelNames = ['broker'];

  function counter(name: string, help: string, read: (broker: BrokerStatus) => number): void {
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const broker of brokers()) this.inc({ broker: broker.name }, read(broker));
      },
    });
  }

  function gauge(name: string, help: string, read: (broker: BrokerStatus) => number): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const broker of brokers()) this.set({ broker: broker.name }, read(broker));
      },
    });
  }

  gauge('gateway_broker_connected', '1 while connected to a broker that is read from.', ({ state }) =>
    state === 'connected' ? 1 : 0,
  );
  gauge(
    'gateway_broker_in_flight',
    'Messages of a broker taken and not yet acknowledged to it.',
    ({ inFlight }) => inFlight,
  );
  gauge(
    'gateway_broker_refused_filters',
    'Topic filters that a broker refused.',
    ({ refusedFilters }) => refusedFilters.length,
  );
  counter('gateway_broker_messages_total', 'Messages that came from a broker.', ({ messages }) => messages);
  counter(
    'gateway_broker_dropped_total',
    'Messages of a broker that were acknowledged and not taken.',
    ({ dropped }) => dropped,
  );
  counter(
    'gateway_broker_reconnected_total',
    'How often a broker was connected to again.',
    ({ reconnected }) => reconnected,
  );
}
