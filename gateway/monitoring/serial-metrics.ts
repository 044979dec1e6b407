import type { Registry } from 'prom-client';
import type { SerialPortStatus } from '../operations-contract.ts';
import { collectedMetrics } from './collected-metrics.ts';

/** Metrics of serial ports, read off when somebody asks. */
export function createSerialMetrics(registry: Registry, ports: () => readonly SerialPortStatus[]): void {
  const { counter, gauge } = collectedMetrics(registry, ports);

  function counterOfEach(name: string, help: string, read: (port: SerialPortStatus) => number): void {
    counter(name, help, ['device'], (all) => all.map((each) => [{ device: each.device }, read(each)]));
  }

  counterOfEach('gateway_serial_bytes_total', 'Bytes that came over a serial port.', ({ bytes }) => bytes);
  counterOfEach(
    'gateway_serial_frames_total',
    'Frames that came over a serial port.',
    ({ frames }) => frames,
  );
  counterOfEach(
    'gateway_serial_reopened_total',
    'How often a serial port was opened again.',
    ({ reopened }) => reopened,
  );
  counter(
    'gateway_serial_discarded_bytes_total',
    'Bytes of a serial port that were no frame, by reason.',
    ['device', 'reason'],
    function* (all) {
      for (const { device, discarded } of all)
        for (const [reason, bytes] of Object.entries(discarded)) yield [{ device, reason }, bytes];
    },
  );
  gauge('gateway_serial_open', '1 while a serial port is open.', ['device'], (all) =>
    all.map(({ device, state }) => [{ device }, state === 'open' ? 1 : 0]),
  );
}
