/** 50 clients × 2,000 readings, one in twenty invalid: each ends in exactly one place, and every place agrees. */
import { expect, test } from 'vitest';
import type { RejectionReport } from '../../gateway/operations-contract.ts';
import type { RejectionSummary } from '../../gateway/rejected-contract.ts';
import {
  accountOf,
  type GatewayProcess,
  startGateway,
  untilDrained,
  untilReceived,
} from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { loadWith, RawMqtt } from '../support/raw-mqtt.ts';
import { startInfluxd, startVictoriaMetrics } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';

const CLIENTS = 50;
const READINGS = 2000;
const BAD_EVERY = 20;
const INVALID = (CLIENTS * READINGS) / BAD_EVERY;
const VALID = CLIENTS * READINGS - INVALID;

/** Sends it all, and resolves with how many receipts each client got. */
async function sendAll(gateway: GatewayProcess, startMs: number): Promise<number[]> {
  return await Promise.all(
    Array.from({ length: CLIENTS }, async (_, k) => {
      const device = `dev-${k}`;
      const ear = await RawMqtt.connect({ port: gateway.port, clientId: `ear-${k}` });
      const client = await RawMqtt.connect({ port: gateway.port, clientId: device });
      let receipts = 0;
      await client.subscribe(`gateway/receipts/${device}`);
      client.socket.on('data', (chunk: Buffer) => {
        if (chunk.includes('gateway/receipts/')) receipts += 1;
      });
      const load = await loadWith(client, {
        count: READINGS,
        window: 50,
        reading: (seq) =>
          seq % BAD_EVERY === 7
            ? {
                topic: `sensors/${device}/environment`,
                payload: `{"ts":${startMs + seq},"temperature":999,"seq":${seq}}`,
              }
            : environmentReading(device, seq, startMs),
      });
      expect(load).toMatchObject({ sent: READINGS, broken: false });
      expect(new Set(load.acknowledged).size).toBe(READINGS);
      await until('a receipt came', () => receipts > 0);
      client.destroy();
      ear.destroy();
      return receipts;
    }),
  );
}

async function theAccountCloses(gateway: GatewayProcess): Promise<void> {
  await untilReceived(gateway, CLIENTS * READINGS);
  await untilDrained(gateway, 'influx');
  const account = await accountOf(gateway);
  expect(account.total).toEqual({
    received: CLIENTS * READINGS,
    stored: VALID,
    duplicate: 0,
    rejected: INVALID,
    forwarded: 0,
    refused: 0,
  });
  expect(account.codes.invalid).toBe(INVALID);
  expect(account.sinks.find(({ name }) => name === 'influx')).toMatchObject({
    stored: VALID,
    written: VALID,
    rejected: 0,
    dropped: 0,
    pending: 0,
  });
}

function configFor(sink: Record<string, unknown>): Record<string, unknown> {
  return {
    schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
    sinks: [{ name: 'influx', type: 'influxdb', ...sink }],
  };
}

describeWith(['influxd'], 'under load, into InfluxDB', () => {
  test('each valid reading is there once with its type, each invalid one is kept with the reason', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({ config: configFor({ url: influx.url, version: 1, database: 't' }) });
    const startMs = Date.now() - 3_600_000;
    const receipts = await sendAll(gateway, startMs);
    await theAccountCloses(gateway);

    expect(receipts.every((count) => count > 0)).toBe(true);
    const perDevice = await influx.query(
      'SELECT count(seq) AS n, sum(seq) AS s, count(temperature) AS t, count(humidity) AS h FROM environment GROUP BY device',
      't',
    );
    const all = (READINGS * (READINGS - 1)) / 2;
    const bad = Array.from({ length: READINGS / BAD_EVERY }, (_, i) => i * BAD_EVERY + 7).reduce(
      (a, b) => a + b,
    );
    const n = READINGS - READINGS / BAD_EVERY;
    expect(perDevice).toHaveLength(CLIENTS);
    for (const row of perDevice) expect(row).toMatchObject({ n, t: n, h: n, s: all - bad });
    expect(await influx.query('SHOW FIELD KEYS', 't')).toEqual([
      { fieldKey: 'humidity', fieldType: 'float' },
      { fieldKey: 'seq', fieldType: 'integer' },
      { fieldKey: 'temperature', fieldType: 'float' },
    ]);

    const listed = await gateway.command('rejected', 'list', '--device', 'dev-3', '--json');
    expect(listed.code, listed.stderr).toBe(0);
    expect(listed.stdout).toContain('invalid');
    expect(listed.stdout).toContain('/temperature');
    // The shapes are the program's own; a wrong one fails what is expected of them.
    const [newest] = (await gateway.get('/api/rejected?device=dev-3&limit=1')) as RejectionSummary[];
    expect(newest).toMatchObject({
      code: 'invalid',
      device: 'dev-3',
      client: 'dev-3',
      schema: 'environment.v1',
    });
    expect(newest?.violations).toMatchObject([{ pointer: '/temperature' }]);
    const whole = (await gateway.get(`/api/rejected/${newest?.id}`)) as RejectionReport;
    const raw = Buffer.from(whole.payloadBase64, 'base64').toString();
    expect(raw).toMatch(/^\{"ts":\d+,"temperature":999,"seq":\d+\}$/);
    expect(await gateway.stop()).toBe(0);
    await influx.stop();
  });
});

describeWith(['victoria-metrics'], 'under load, into VictoriaMetrics', () => {
  test('as many samples as valid readings arrive through its InfluxDB 2 door', async () => {
    const victoria = await startVictoriaMetrics();
    const gateway = await startGateway({
      config: configFor({ url: victoria.url, version: 2, org: 'o', bucket: 'b', token: 't' }),
    });
    await sendAll(gateway, Date.now() - 3_600_000);
    await theAccountCloses(gateway);
    await until(
      'every sample is found',
      async () => {
        const series = await victoria.export('{__name__="environment_temperature"}');
        const found = series.reduce(
          (sum, line) => sum + (line.match(/"values":\[([^\]]*)\]/)?.[1]?.split(',').length ?? 0),
          0,
        );
        if (found !== VALID) throw new Error(`${found} of ${VALID}`);
        return true;
      },
      { timeoutMs: 30_000, everyMs: 500 },
    );
    expect(await gateway.stop()).toBe(0);
    await victoria.stop();
  });
});
