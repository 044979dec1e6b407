import { collectDefaultMetrics, Histogram, type Registry } from 'prom-client';
import { OUTCOMES } from '../contracts.ts';
import type { SinkHealth } from '../sink-contract.ts';
import type { Account, SinkLedger, StoreStatus } from '../store-contract.ts';
import { collectedMetrics } from './collected-metrics.ts';

/** All that a scrape tells; taken once per scrape, so its numbers belong together. */
export interface MetricsSnapshot {
  readonly account: Account;
  readonly store: StoreStatus;
  readonly sinks: readonly SinkLedger[];
  readonly sinkHealth: readonly SinkHealth[];
  readonly sources: readonly { readonly name: string; readonly connections: number }[];
  readonly schemaErrors: number;
  /** All differences of the account, without their signs: 0 unless the gateway has a bug. */
  readonly imbalance: number;
  /** Zeroes where nothing counts them. */
  readonly devices: { readonly known: number; readonly silent: number };
  readonly series: { readonly known: number; readonly budget: number };
}

/** What cannot be read off afterwards: how long things took. Once per group, acknowledgement batch or write. */
export interface Timings {
  committed(ms: number): void;
  acknowledged(ms: number): void;
  wrote(sink: string, ms: number): void;
}

export interface MetricsOptions {
  readonly registry: Registry;
  readonly snapshot: () => MetricsSnapshot;
  readonly nowMs: () => number;
  readonly version: string;
  readonly nodeVersion: string;
}

const DISK_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const NETWORK_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/**
 * The gateway's metrics. Readings cost nothing here: what is counted is read off the store's own account when somebody
 * asks.
 */
export function createMetrics({ registry, snapshot, nowMs, version, nodeVersion }: MetricsOptions): Timings {
  const registers = [registry];
  let shared: MetricsSnapshot | undefined;

  /** All metrics of one scrape are collected in one go, so they can share what lives until the next microtask. */
  function current(): MetricsSnapshot {
    if (shared === undefined) {
      shared = snapshot();
      queueMicrotask(() => {
        shared = undefined;
      });
    }
    return shared;
  }

  const { counter, gauge } = collectedMetrics(registry, current);
  counter(
    'gateway_messages_total',
    'Readings by source and by where they ended; the five outcomes add up to what was received.',
    ['source', 'outcome'],
    function* ({ account }) {
      for (const [source, tally] of Object.entries(account.sources))
        for (const outcome of OUTCOMES) yield [{ source, outcome }, tally[outcome]];
    },
  );
  counter('gateway_rejected_total', 'Rejected readings by code.', ['code'], function* ({ account }) {
    for (const [code, n] of Object.entries(account.codes)) yield [{ code }, n];
  });
  counter(
    'gateway_rejected_evicted_total',
    'Rejected readings that made room for newer ones, or grew too old.',
    [],
    ({ account }) => [[{}, account.rejectedEvicted]],
  );
  gauge('gateway_rejected_open', 'Rejected readings kept and not replayed.', [], ({ store }) => [
    [{}, store.rejectedOpenCount],
  ]);
  counter(
    'gateway_rejected_replayed_total',
    'Rejected readings that were stored or written after all.',
    [],
    ({ account }) => [[{}, account.rejectedReplayed]],
  );
  gauge(
    'gateway_account_imbalance',
    'Readings that came in but ended nowhere, or twice, over all sources, devices and sinks; not 0: a bug.',
    [],
    ({ imbalance }) => [[{}, imbalance]],
  );
  gauge('gateway_devices', 'Devices in the registry.', [], ({ devices }) => [[{}, devices.known]]);
  gauge('gateway_devices_silent', 'Devices not heard when they should have been.', [], ({ devices }) => [
    [{}, devices.silent],
  ]);
  gauge('gateway_series', 'Series known.', [], ({ series }) => [[{}, series.known]]);
  gauge('gateway_series_budget', 'How many series there may be.', [], ({ series }) => [[{}, series.budget]]);
  counter(
    'gateway_points_total',
    'Points by sink and by what became of them.',
    ['sink', 'outcome'],
    function* ({ sinks }) {
      for (const { name: sink, written, rejected, dropped } of sinks) {
        yield [{ sink, outcome: 'written' }, written];
        yield [{ sink, outcome: 'rejected' }, rejected];
        yield [{ sink, outcome: 'dropped' }, dropped];
      }
    },
  );
  gauge('gateway_spool_points', 'Points that wait for this sink.', ['sink'], ({ sinks }) =>
    sinks.map(({ name: sink, pending }) => [{ sink }, pending]),
  );
  gauge('gateway_spool_bytes', 'Live bytes in the store.', [], ({ store }) => [[{}, store.liveBytes]]);
  gauge(
    'gateway_spool_oldest_seconds',
    'Age of the oldest point that waits for this sink.',
    ['sink'],
    ({ sinks }) =>
      sinks.map(({ name: sink, oldestPendingMs }) => [
        { sink },
        oldestPendingMs === null ? 0 : Math.max(0, (nowMs() - oldestPendingMs) / 1000),
      ]),
  );
  gauge(
    'gateway_last_write_timestamp_seconds',
    'When this sink last took a write; absent while it has not.',
    ['sink'],
    function* ({ sinkHealth }) {
      for (const { name: sink, lastWriteMs } of sinkHealth)
        if (lastWriteMs !== null) yield [{ sink }, lastWriteMs / 1000];
    },
  );
  gauge('gateway_connections', 'Open connections by source.', ['source'], ({ sources }) =>
    sources.map(({ name: source, connections }) => [{ source }, connections]),
  );
  gauge('gateway_schema_errors', 'Schema files that cannot be used.', [], ({ schemaErrors }) => [
    [{}, schemaErrors],
  ]);
  gauge('gateway_disk_free_bytes', 'Free space where the store lies.', [], ({ store }) => [
    [{}, store.diskFreeBytes],
  ]);
  gauge('gateway_build_info', 'Always 1; its labels tell the versions.', ['version', 'node'], () => [
    [{ version, node: nodeVersion }, 1],
  ]);
  collectDefaultMetrics({ register: registry });

  const commitSeconds = new Histogram({
    name: 'gateway_commit_seconds',
    help: 'From taking a group to its sync.',
    buckets: DISK_BUCKETS,
    registers,
  });
  const ackSeconds = new Histogram({
    name: 'gateway_ack_seconds',
    help: 'From the arrival of the first message of a group to its acknowledgement.',
    buckets: DISK_BUCKETS,
    registers,
  });
  const writeSeconds = new Histogram({
    name: 'gateway_write_seconds',
    help: 'One write to this sink.',
    labelNames: ['sink'],
    buckets: NETWORK_BUCKETS,
    registers,
  });
  return {
    committed: (ms) => commitSeconds.observe(ms / 1000),
    acknowledged: (ms) => ackSeconds.observe(ms / 1000),
    wrote: (sink, ms) => writeSeconds.observe({ sink }, ms / 1000),
  };
}
