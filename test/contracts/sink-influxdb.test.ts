import { createInfluxSink, type InfluxOptions } from '../../gateway/sinks/influxdb.ts';
import { influxAt } from '../support/influx-sink.ts';
import { startInfluxd, startVictoriaMetrics } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { describeSink } from './sink-suite.ts';

function options(url: string, rest: Partial<InfluxOptions>): InfluxOptions {
  return influxAt(url, { gzip: false, timeoutMs: 10_000, ...rest });
}

describeWith(['influxd'], 'InfluxDB 1.6.7', () => {
  for (const gzip of [false, true]) {
    describeSink(gzip ? 'influxdb, packed' : 'influxdb', async () => {
      const server = await startInfluxd();
      await server.createDatabase('d');
      return {
        ownCursor: false,
        sink: () => createInfluxSink(options(server.url, { gzip })),
        count: async (measurement) => await server.count('d', measurement, 'n'),
        outage: { begin: async () => await server.stop(), end: async () => await server.restart() },
      };
    });
  }
});

describeWith(['victoria-metrics'], 'VictoriaMetrics by the protocol of InfluxDB 2', () => {
  describeSink('victoria-metrics', async () => {
    const server = await startVictoriaMetrics();
    return {
      ownCursor: false,
      sink: () =>
        createInfluxSink(options(server.url, { version: 2, org: 'o', bucket: 'b', token: 'a-token' })),
      count: async (measurement) => {
        const series = await server.export(`${measurement}_n`);
        // Written twice it keeps both copies until they are merged; queries show one.
        return series.reduce((sum, line) => sum + new Set(timestamps(line)).size, 0);
      },
      outage: { begin: async () => await server.stop(), end: async () => await server.restart() },
    };
  });
});

function timestamps(line: string): number[] {
  // VictoriaMetrics' documented export: one JSON document a series.
  return (JSON.parse(line) as { timestamps: number[] }).timestamps;
}
