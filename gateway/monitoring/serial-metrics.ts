import { Counter, Gauge, type Registry } from 'prom-client';
import type { SerialPortStatus } from '../operations-contract.ts';

/** Metrics of serial ports, read off when somebody asks. */
export function createSerialMetrics(registry: Registry, ports: () => readonly SerialPortStatus[]): void {
  const registers = [registry];

  function counter(name: string, help: string, read: (port: SerialPortStatus) => number): void {
    new Counter({
      name,
      help,
      labelNames: ['device'],
      registers,
      collect() {
        this.reset();
        for (const port of ports()) this.inc({ device: port.device }, read(port));
      },
    });
  }

  counter('gateway_serial_bytes_total', 'Bytes that came over a serial port.', ({ bytes }) => bytes);
  counter('gateway_serial_frames_total', 'Frames that came over a serial port.', ({ frames }) => frames);
  counter(
    'gateway_serial_reopened_total',
    'How often a serial port was opened again.',
    ({ reopened }) => reopened,
  );
  new Counter({
    name: 'gateway_serial_discarded_bytes_total',
    help: 'Bytes of a serial port that were no frame, by reason.',
    labelNames: ['device', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const { device, discarded } of ports())
        for (const [reason, bytes] of Object.entries(discarded)) this.inc({ device, reason }, bytes);
    },
  });
  new Gauge({
    name: 'gateway_serial_open',
    help: '1 while a serial port is open.',
    labelNames: ['device'],
    registers,
    collect() {
      this.reset();
      for (const { device, state } of ports()) this.set({ device }, state === 'open' ? 1 : 0);
    },
  });
}
