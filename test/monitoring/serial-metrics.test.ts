import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createSerialMetrics } from '../../gateway/monitoring/serial-metrics.ts';
import type { SerialPortStatus } from '../../gateway/operations-contract.ts';

const PORT: SerialPortStatus = {
  port: 'greenhouse',
  device: 'greenhouse-1',
  path: '/dev/ttyUSB0',
  state: 'open',
  reason: null,
  sinceMs: 0,
  bytes: 1000,
  frames: 20,
  refused: 0,
  unanswered: 0,
  reopened: 2,
  discardedBytes: 12,
  discarded: { noise: 4, 'too-long': 8 },
  lastDiscardedHex: '00',
};

test('a scrape tells of each serial port what it has brought', async () => {
  const registry = new Registry();
  createSerialMetrics(registry, () => [PORT]);
  const text = await registry.metrics();
  for (const line of [
    'gateway_serial_bytes_total{device="greenhouse-1"} 1000',
    'gateway_serial_frames_total{device="greenhouse-1"} 20',
    'gateway_serial_reopened_total{device="greenhouse-1"} 2',
    'gateway_serial_discarded_bytes_total{device="greenhouse-1",reason="too-long"} 8',
    'gateway_serial_open{device="greenhouse-1"} 1',
  ])
    expect(text).toContain(line);
});
