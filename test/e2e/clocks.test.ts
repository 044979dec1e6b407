/** Clocks that are wrong, the devices' and the gateway's own: each is told by name, and what is stored is right. */
import { expect, test } from 'vitest';
import { type InProcessGateway, runGatewayHere, SteeredClock } from '../support/gateway-in-process.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { type InfluxServer, startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type SchemaDocument, writeSchemas } from '../support/test-schemas.ts';

const START_MS = Date.UTC(2026, 5, 1, 12);
const HOUR_MS = 3_600_000;
const EVERY_MS = 10_000;
const ROUNDS = 360;
/** The doctor has seen enough by then. */
const SETTLED_AFTER = 60;

function timed(unit: 's' | 'ms', clock: string): SchemaDocument {
  return {
    $id: `timed-${unit}.v1`,
    telemetry: {
      measurement: 'timed',
      topics: [`timed/${unit}/{device}`],
      time: { property: 'ts', unit, clock },
    },
    type: 'object',
    required: ['seq'],
    properties: { ts: { type: 'integer' }, seq: { type: 'integer' } },
  };
}

const PLAIN: SchemaDocument = {
  $id: 'plain.v1',
  telemetry: { measurement: 'plain', topics: ['plain/{device}'] },
  type: 'object',
  required: ['seq'],
  properties: { seq: { type: 'integer' } },
};

/** What each device's clock shows at `trueMs`, the `i`-th time. */
const DEVICES: Readonly<
  Record<string, { unit: 's' | 'ms'; diagnosis: string; at: (trueMs: number, i: number) => number }>
> = {
  good: { unit: 'ms', diagnosis: 'good', at: (ms) => ms },
  ahead: { unit: 'ms', diagnosis: 'offset', at: (ms) => ms + 3 * HOUR_MS },
  drifting: { unit: 'ms', diagnosis: 'drifting', at: (ms, i) => ms + i * EVERY_MS * (2 / 60) },
  uptime: { unit: 'ms', diagnosis: 'no-clock', at: (_, i) => 5_000 + i * EVERY_MS },
  milliseconds: { unit: 's', diagnosis: 'wrong-unit', at: (ms) => ms },
  jumping: { unit: 'ms', diagnosis: 'jumping', at: (ms, i) => (i < ROUNDS - 90 ? ms : ms - 30 * 60_000) },
};

/** Of each `seq` a device sent, the time it was stored under, ms. */
async function storedTimes(influx: InfluxServer, measurement: string, device: string): Promise<number[]> {
  const rows = await influx.query(`SELECT seq FROM ${measurement} WHERE device='${device}'`, 't');
  const times: number[] = [];
  for (const row of rows) times[Number(row.seq)] = Math.trunc(Number(row.time) / 1e6 + 0.001);
  return times;
}

async function untilWritten(gateway: InProcessGateway, clock: SteeredClock, readings: number): Promise<void> {
  await until(
    'everything is written',
    async () => {
      clock.advance(1_000);
      const [sink] = await gateway.operations.sinks();
      if (sink?.written !== readings) throw new Error(JSON.stringify(sink));
      return true;
    },
    { timeoutMs: 20_000, everyMs: 50 },
  );
}

describeWith(['influxd'], 'clocks', () => {
  test('each wrong clock of a device is diagnosed by name, and its readings are stored under the right time', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const clock = new SteeredClock(START_MS);
    const dir = temporaryFolder('clocks');
    const config = {
      schemas: writeSchemas(`${dir}/schemas`, timed('ms', 'correct'), timed('s', 'correct')),
      sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
    };
    const gateway = await runGatewayHere(dir, config, clock);
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'fleet' });
    const trueTimes: number[] = [];
    for (let i = 0; i < ROUNDS; i += 1) {
      trueTimes.push(clock.nowMs());
      await Promise.all(
        Object.entries(DEVICES).map(([device, { unit, at }]) =>
          client.publish(
            `timed/${unit}/${device}`,
            JSON.stringify({ ts: Math.round(at(clock.nowMs(), i)), seq: i }),
          ),
        ),
      );
      clock.advance(EVERY_MS);
    }
    await untilWritten(gateway, clock, ROUNDS * Object.keys(DEVICES).length);

    for (const [device, { unit, diagnosis }] of Object.entries(DEVICES)) {
      const { known } = await gateway.operations.device(device);
      expect(known?.clock.diagnosis, device).toBe(diagnosis);
      const explanation = await gateway.operations.explain({
        topic: `timed/${unit}/${device}`,
        payloadBase64: Buffer.from('{"seq":1}').toString('base64'),
        client: 'c',
        format: null,
      });
      if (device !== 'good') expect(explanation.readings[0]?.clock, device).toBeTruthy();
      const times = await storedTimes(influx, 'timed', device);
      const errors = times.map((ms, i) => Math.abs(ms - (trueTimes[i] ?? 0)));
      expect(errors, device).toHaveLength(ROUNDS);
      // At a jump the doctor needs some readings to see that the clock is another now.
      const judged = errors.filter(
        (_, i) => i >= SETTLED_AFTER && (device !== 'jumping' || i < ROUNDS - 90 || i > ROUNDS - 60),
      );
      expect(Math.max(...judged), `${device}: ${JSON.stringify(judged)}`).toBeLessThan(3_000);
    }
    client.destroy();
    await gateway.stop();

    const again = await runGatewayHere(dir, config, clock);
    for (const [device, { diagnosis }] of Object.entries(DEVICES)) {
      const { known } = await again.operations.device(device);
      expect(known?.clock.diagnosis, `${device} after a restart`).toBe(diagnosis);
    }
    await again.stop();
    await influx.stop();
  });

  test('what arrives before the gateway knows the time gets its time when its clock is set', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const clock = new SteeredClock(Date.UTC(2000, 0, 1));
    const dir = temporaryFolder('clocks');
    const gateway = await runGatewayHere(
      dir,
      {
        schemas: writeSchemas(`${dir}/schemas`, PLAIN, timed('ms', 'trust')),
        sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
      clock,
    );
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'fleet' });
    const monotonicMs: number[] = [];
    for (let i = 0; i < 60; i += 1) {
      monotonicMs.push(clock.monotonicMs());
      await client.publish('plain/a', `{"seq":${i}}`);
      await client.publish('timed/ms/b', `{"ts":${START_MS - 10_000 + i},"seq":${i}}`);
      clock.advance(60_000);
    }
    const [waiting] = await gateway.operations.sinks();
    expect(waiting).toMatchObject({ written: 0, pending: 120 });
    clock.set(START_MS);
    const setAtMs = clock.monotonicMs();
    await client.publish('plain/a', '{"seq":60}');
    await untilWritten(gateway, clock, 121);

    const times = await storedTimes(influx, 'plain', 'a');
    expect(times).toHaveLength(61);
    for (const [i, ms] of monotonicMs.entries()) {
      expect(Math.abs((times[i] ?? 0) - (START_MS - (setAtMs - ms))), `reading ${i}`).toBeLessThan(1_500);
    }
    expect(await storedTimes(influx, 'timed', 'b')).toEqual(
      Array.from({ length: 60 }, (_, i) => START_MS - 10_000 + i),
    );
    const account = await gateway.operations.account();
    expect(account.total).toMatchObject({ received: 121, stored: 121, rejected: 0 });
    expect(gateway.events.map(({ name }) => name)).toContain('clock.set');
    client.destroy();
    await gateway.stop();
    await influx.stop();
  });
});
