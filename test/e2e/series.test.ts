/** A client that makes a new series with every message: the budget holds, and nobody else notices. */
import { expect, test } from 'vitest';
import type { SeriesReport } from '../../gateway/operations-contract.ts';
import { accountOf, startGateway, untilDrained } from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { loadWith, RawMqtt } from '../support/raw-mqtt.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';

const BUDGET = 1_000;
const NEIGHBOURS = 20;
const NEIGHBOUR_READINGS = 2_000;
const FLOOD = Number(process.env.E2E_FLOOD_READINGS ?? 100_000);
const MIB = 1024 * 1024;

/** Each reading carries a run of its own, as a tag: the classic mistake. */
const RUNS = {
  $id: 'runs.v1',
  telemetry: { measurement: 'runs', topics: ['runs/{device}'], tags: ['run'] },
  type: 'object',
  required: ['value', 'run'],
  properties: { run: { type: 'string' }, value: { type: 'number' }, seq: { type: 'integer' } },
};

describeWith(['influxd'], 'the series budget', () => {
  test('a flood of new series is rejected beyond it, existing series go on, and memory stays bounded', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT, RUNS),
        limits: { series: BUDGET },
        sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
    });
    const neighbours = await Promise.all(
      Array.from({ length: NEIGHBOURS }, (_, k) =>
        RawMqtt.connect({ port: gateway.port, clientId: `n-${k}` }),
      ),
    );
    const startMs = Date.now() - 3_600_000;
    // Each neighbour's series is known before the flood.
    for (const [k, client] of neighbours.entries()) {
      const { topic, payload } = environmentReading(`n-${k}`, 0, startMs);
      await client.publish(topic, payload);
    }
    const flooder = await RawMqtt.connect({ port: gateway.port, clientId: 'flooder' });
    const flood = (count: number, from: number) =>
      loadWith(flooder, {
        count,
        window: 200,
        reading: (i) => ({
          topic: 'runs/flooder',
          payload: `{"run":"${from + i}-${'x'.repeat(40)}","value":1.5,"seq":${from + i}}`,
        }),
      });
    await flood(FLOOD / 5, 0);
    const rssBefore = gateway.rssAnonBytes();
    const [flooded, ...unhurt] = await Promise.all([
      flood((FLOOD / 5) * 4, FLOOD / 5),
      ...neighbours.map((client, k) =>
        loadWith(client, {
          count: NEIGHBOUR_READINGS,
          window: 20,
          reading: (i) => environmentReading(`n-${k}`, i + 1, startMs),
        }),
      ),
    ]);
    expect(flooded?.acknowledged).toHaveLength((FLOOD / 5) * 4);
    for (const { broken, acknowledged } of unhurt) {
      expect(broken).toBe(false);
      expect(acknowledged).toHaveLength(NEIGHBOUR_READINGS);
    }
    await untilDrained(gateway, 'influx');
    const stored = NEIGHBOURS * (NEIGHBOUR_READINGS + 1);
    const kept = BUDGET - NEIGHBOURS;
    const account = await accountOf(gateway);
    expect(account.imbalances).toEqual([]);
    expect(account.total).toMatchObject({ stored: stored + kept, rejected: FLOOD - kept });
    expect(account.codes.cardinality).toBe(FLOOD - kept);
    expect(await influx.count('t', 'environment', 'temperature')).toBe(stored);
    expect(await influx.query('SHOW SERIES FROM runs', 't')).toHaveLength(kept);

    // The shape is the program's own.
    const report = (await gateway.get('/api/series')) as SeriesReport;
    expect(report).toMatchObject({ total: BUDGET, budget: BUDGET });
    expect(report.devices[0]).toEqual({ device: 'flooder', series: kept });
    const error = Math.abs(report.estimatedRefusedSeries / (FLOOD - kept) - 1);
    expect(error, `estimated ${report.estimatedRefusedSeries} of ${FLOOD - kept}`).toBeLessThan(0.07);
    // Rejections take their share of the store's cache, a fixed one; what is kept per refused series is nothing.
    expect(gateway.rssAnonBytes() - rssBefore).toBeLessThan(64 * MIB);

    await gateway.kill();
    await gateway.restart();
    const again = await RawMqtt.connect({ port: gateway.port, clientId: 'flooder' });
    await again.publish('runs/flooder', '{"run":"one more","value":1}');
    await again.publish('runs/flooder', `{"run":"0-${'x'.repeat(40)}","value":2}`);
    await until('the budget is known again', async () => {
      const { codes, total } = await accountOf(gateway);
      return codes.cardinality === FLOOD - kept + 1 && total.stored === stored + kept + 1;
    });
    for (const client of [...neighbours, flooder, again]) client.destroy();
    expect(await gateway.stop()).toBe(0);
    await influx.stop();
  });
});
