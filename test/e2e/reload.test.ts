/** Schemas edited while readings come in. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { startInfluxFront } from '../support/influx-front.ts';
import { startPacedLoad } from '../support/paced-load.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas, writeSchemaText } from '../support/test-schemas.ts';

async function schemaErrors(gateway: GatewayProcess): Promise<number> {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  return Number(/^gateway_schema_errors(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1] ?? -1);
}

test('a good edit takes effect and a broken one changes nothing, also after a restart', async () => {
  const front = await startInfluxFront();
  const schemas = writeSchemas(join(temporaryFolder('schemas'), 'readings'), ENVIRONMENT);
  const gateway = await startGateway({
    config: {
      schemas,
      sinks: [{ name: 'influx', type: 'influxdb', url: front.url, version: 1, database: 't' }],
    },
  });
  const startMs = Date.now() - 3_600_000;
  const load = await startPacedLoad({
    port: gateway.port,
    clients: 5,
    perSecond: 500,
    reading: (device, index) => {
      const { topic, payload } = environmentReading(device, index, startMs);
      return { topic, payload: payload.replace('"seq"', '"pressure":1013.2,"seq"') };
    },
  });
  await sleep(500);

  const properties = { ...Object(ENVIRONMENT.properties), pressure: { type: 'number', unit: 'hPa' } };
  writeSchemas(schemas, { ...ENVIRONMENT, properties });
  await until('the new field is written', () =>
    front.lines().some((line) => line.includes('pressure=1013.2')),
  );
  expect(await schemaErrors(gateway)).toBe(0);

  writeSchemaText(schemas, 'environment.v1', '{ "$id": "environment.v1", "telemetry": { broken');
  await until('the broken file is counted', async () => (await schemaErrors(gateway)) === 1);
  await sleep(300);
  await load.end();
  expect(load.failed()).toBe(0);
  await untilDrained(gateway, 'influx');
  const { total } = await accountOf(gateway);
  expect(total).toEqual({
    received: load.sent(),
    stored: load.sent(),
    duplicate: 0,
    rejected: 0,
    forwarded: 0,
    refused: 0,
  });
  expect(new Set(front.lines()).size).toBe(load.sent());
  expect(front.lines().at(-1)).toContain('pressure=1013.2');
  expect(gateway.log()).toContain('environment.v1.json');

  expect(await gateway.stop()).toBe(0);
  await gateway.restart();
  expect(await schemaErrors(gateway)).toBe(1);
  expect(gateway.log()).toContain('environment.v1.json');
  const client = await RawMqtt.connect({ port: gateway.port, clientId: 'after' });
  await client.publish('sensors/after/environment', '{"temperature":1.5,"pressure":990}');
  await untilDrained(gateway, 'influx');
  expect(front.lines().at(-1)).toMatch(/^environment,device=after temperature=1.5,pressure=990 /);
  client.destroy();
  expect(await gateway.stop()).toBe(0);
  await front.close();
});
