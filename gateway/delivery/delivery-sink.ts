/** From a sink's configuration to the sink and its batches. Plain data in, so that a worker can do it too. */
import { join } from 'node:path';
import type { SinkConfig } from '../config/gateway-config.ts';
import type { BatchLimits } from '../delivery.ts';
import type { Sink } from '../sink-contract.ts';
import { createEmbeddedSink } from '../sinks/embedded.ts';
import { createInfluxSink } from '../sinks/influxdb.ts';

/** Each batch costs a sync; larger ones are not faster (measured), but take more memory. */
const EMBEDDED_BATCH: BatchLimits = { maxPoints: 5000, maxBytes: 4 * 1024 * 1024, maxAgeMs: 1000 };

/**
 * The embedded database is a file in the data folder, under the sink's name: no two sinks may share one.
 * @throws GatewayError `config-invalid`.
 */
export function createSink(config: SinkConfig, dataDir: string): Sink {
  if (config.type === 'influxdb') return createInfluxSink(config);
  const { name, maxBytes, maxAgeMs } = config;
  return createEmbeddedSink({ path: join(dataDir, `${name}.duckdb`), maxBytes, maxAgeMs });
}

export function batchLimitsOf(config: SinkConfig): BatchLimits {
  if (config.type === 'embedded') return EMBEDDED_BATCH;
  const { lines, bytes, ageMs } = config.batch;
  return { maxPoints: lines, maxBytes: bytes, maxAgeMs: ageMs };
}
