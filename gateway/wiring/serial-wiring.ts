import type { Registry } from 'prom-client';
import type { SerialPortConfig } from '../config/gateway-config.ts';
import type { Clock, Formats, Ingest } from '../contracts.ts';
import type { Events } from '../monitoring/events.ts';
import { createSerialMetrics } from '../monitoring/serial-metrics.ts';
import type { MqttBroker } from '../sources/mqtt-broker.ts';
import { createSerialSource, type SerialSource } from '../sources/serial.ts';
import type { Store } from '../store-contract.ts';
import { createSeqReader, serialEntries } from './serial-entries.ts';

export interface SerialWiring {
  readonly ingest: Ingest;
  readonly events: Events;
  readonly clock: Clock;
  readonly formats: Formats;
  readonly store: Store;
  readonly broker: MqttBroker;
  readonly registry: Registry;
}

/**
 * The serial source among its neighbours; null where no port is configured.
 * @throws GatewayError `config-invalid`: see `serialProblems`.
 */
export function createSerial(
  ports: readonly SerialPortConfig[],
  { ingest, events, clock, formats, store, broker, registry }: SerialWiring,
): SerialSource | null {
  if (ports.length === 0) return null;
  const serial = createSerialSource(serialEntries(ports), {
    ingest,
    events,
    clock,
    seqOf: createSeqReader(formats),
    refused: (device, readings) => store.countLater('serial', device, 'refused', readings),
    forward: (topic, payload) => broker.forward(topic, payload),
    publishResult: (topic, payload) => broker.publishState(topic, payload, false),
  });
  createSerialMetrics(registry, () => serial.ports());
  return serial;
}
