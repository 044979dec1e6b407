import type { InfluxSinkConfig } from '../../gateway/config/gateway-config.ts';
import type { InfluxOptions } from '../../gateway/sinks/influxdb.ts';

/** The InfluxDB at `url`, version and all else by default, without a login. */
export function influxAt(url: string, more: Partial<InfluxOptions> = {}): InfluxOptions {
  return {
    url,
    version: 'auto',
    database: 'd',
    org: null,
    bucket: null,
    username: null,
    password: null,
    token: null,
    gzip: 'auto',
    timeoutMs: 5000,
    ...more,
  };
}

/** A sink `influx` into it, as the configuration has it. */
export function influxSink(url: string, more: Partial<InfluxSinkConfig> = {}): InfluxSinkConfig {
  return {
    type: 'influxdb',
    name: 'influx',
    ...influxAt(url),
    maxBacklogBytes: null,
    whenFull: 'block',
    batch: { lines: 5000, bytes: 4_000_000, ageMs: 50 },
    ...more,
  };
}
