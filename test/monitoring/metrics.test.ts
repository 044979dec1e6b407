import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createMetrics, type MetricsSnapshot } from '../../gateway/monitoring/metrics.ts';
import { SINK } from '../commands/fake-operations.ts';

const TALLY = { received: 20, stored: 10, duplicate: 1, rejected: 2, forwarded: 3, refused: 4 };

function snapshotOf(lastWriteMs: number | null = null): MetricsSnapshot {
  return {
    account: {
      total: TALLY,
      sources: { mqtt: TALLY },
      devices: new Map(),
      codes: {
        undecodable: 1,
        'no-route': 0,
        invalid: 1,
        'time-out-of-range': 0,
        'type-conflict': 0,
        cardinality: 0,
        'too-large': 0,
        'sink-rejected': 0,
      },
      rejectedEvicted: 5,
      rejectedReplayed: 3,
      rejectedDiscarded: 0,
    },
    store: {
      state: 'open',
      reason: null,
      lastSeq: 1,
      liveBytes: 123,
      maxBytes: 1000,
      rejectedBytes: 0,
      rejectedMaxBytes: 100,
      rejectedCount: 0,
      rejectedOpenCount: 8,
      diskFreeBytes: 456,
    },
    sinks: [SINK],
    sinkHealth: [{ name: 'influx', state: 'idle', reason: null, sinceMs: 0, lastWriteMs }],
    sources: [{ name: 'mqtt', connections: 7 }],
    schemaErrors: 1,
    imbalance: 6,
    devices: { known: 12, silent: 2 },
    series: { known: 34, budget: 100 },
  };
}

function setUp(snapshot: () => MetricsSnapshot): {
  registry: Registry;
  timings: ReturnType<typeof createMetrics>;
} {
  const registry = new Registry();
  const timings = createMetrics({
    registry,
    snapshot,
    nowMs: () => 31_000,
    version: '1.2.3',
    nodeVersion: 'v20',
  });
  return { registry, timings };
}

test('every metric of the design is there, with the account’s own numbers', async () => {
  const { registry, timings } = setUp(() => snapshotOf(2_500));
  timings.committed(3);
  timings.acknowledged(4);
  timings.wrote('influx', 50);
  const text = await registry.metrics();
  for (const line of [
    'gateway_messages_total{source="mqtt",outcome="stored"} 10',
    'gateway_messages_total{source="mqtt",outcome="duplicate"} 1',
    'gateway_messages_total{source="mqtt",outcome="rejected"} 2',
    'gateway_messages_total{source="mqtt",outcome="forwarded"} 3',
    'gateway_messages_total{source="mqtt",outcome="refused"} 4',
    'gateway_rejected_total{code="undecodable"} 1',
    'gateway_rejected_total{code="no-route"} 0',
    'gateway_rejected_evicted_total 5',
    'gateway_rejected_open 8',
    'gateway_rejected_replayed_total 3',
    'gateway_account_imbalance 6',
    'gateway_devices 12',
    'gateway_devices_silent 2',
    'gateway_series 34',
    'gateway_series_budget 100',
    'gateway_points_total{sink="influx",outcome="written"} 1100',
    'gateway_points_total{sink="influx",outcome="rejected"} 1',
    'gateway_points_total{sink="influx",outcome="dropped"} 0',
    'gateway_spool_points{sink="influx"} 99',
    'gateway_spool_bytes 123',
    'gateway_spool_oldest_seconds{sink="influx"} 30',
    'gateway_last_write_timestamp_seconds{sink="influx"} 2.5',
    'gateway_commit_seconds_count 1',
    'gateway_ack_seconds_sum 0.004',
    'gateway_write_seconds_count{sink="influx"} 1',
    'gateway_connections{source="mqtt"} 7',
    'gateway_schema_errors 1',
    'gateway_disk_free_bytes 456',
    'gateway_build_info{version="1.2.3",node="v20"} 1',
  ])
    expect(text.split('\n'), line).toContain(line);
  // What came in is no outcome: the five add up to it.
  expect(text).not.toContain('outcome="received"');
  expect(text).toContain('process_cpu_seconds_total');
});

test('a scrape takes one snapshot, the next a fresh one', async () => {
  let taken = 0;
  const { registry } = setUp(() => {
    taken += 1;
    return snapshotOf();
  });
  await registry.metrics();
  expect(taken).toBe(1);
  await registry.metrics();
  expect(taken).toBe(2);
});

test('what is gone is not shown any more, and what never was is not made up', async () => {
  let now = snapshotOf(1_000);
  const { registry } = setUp(() => now);
  await registry.metrics();
  now = { ...snapshotOf(), sinks: [] };
  const text = await registry.metrics();
  expect(text).not.toContain('gateway_spool_points{');
  expect(text).not.toContain('gateway_last_write_timestamp_seconds{');
});
