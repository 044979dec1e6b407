/**
 * Mosquitto in front, bridged to the gateway's own broker, while the gateway is killed and Mosquitto restarted: nothing is
 * lost, and each reading that carries its own time or identity is stored once. `E2E_BRIDGE_READINGS=100000` is the full
 * size.
 */
import { chmodSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { randomNumbers } from '../support/cutting-proxy.ts';
import { accountOf, startGateway, untilDrained } from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { sendByMqttJs } from '../support/resending-clients.ts';
import { startInfluxd, startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type SchemaDocument, writeSchemas } from '../support/test-schemas.ts';

const READINGS = Number(process.env.E2E_BRIDGE_READINGS ?? 4_000);
const SEED = Number(process.env.E2E_BRIDGE_SEED ?? 20_260_102);
const KILLS = 4;
const RESTARTS = 2;
/**
 * Of Mosquitto 2.0.11: it sends all that is queued at once after its own restart, and with more than there are packet ids
 * it calls the answers a protocol error, for ever.
 */
const MOST_QUEUED = 10_000;
const startMs = Date.now() - 3_600_000;

const CONF = `listener PORT 127.0.0.1
allow_anonymous true
persistence true
persistence_location DATA/
autosave_interval 5
max_queued_messages 0
max_inflight_messages 100
connection gateway
address 127.0.0.1:GATEWAY
bridge_protocol_version mqttv311
remote_clientid mosquitto-bridge
cleansession false
restart_timeout 1 1
topic timed/# out LEVEL
topic named/# out LEVEL
`;

function schema(name: string, telemetry: object): SchemaDocument {
  return {
    $id: `${name}.v1`,
    title: name,
    telemetry: { measurement: name, topics: [`${name}/{device}`], ...telemetry },
    type: 'object',
    required: ['seq'],
    properties: { ts: { type: 'integer' }, boot: { type: 'integer' }, seq: { type: 'integer' } },
  };
}

const SCHEMAS = [
  schema('timed', { time: { property: 'ts', unit: 'ms' } }),
  schema('named', { identity: ['boot', 'seq'] }),
];
const PAYLOADS = {
  timed: (seq: number) => `{"ts":${startMs + (seq >> 1)},"seq":${seq}}`,
  named: (seq: number) => `{"boot":3,"seq":${seq}}`,
} as const;

describeWith(['influxd', 'mosquitto'], 'a Mosquitto bridge to the gateway', () => {
  test.each([1, 2] as const)(
    `at QoS %i: ${READINGS} readings, kills and restarts`,
    { timeout: 180_000 + READINGS * 4 },
    async (qos) => {
      const influx = await startInfluxd();
      await influx.createDatabase('t');
      const gateway = await startGateway({
        config: {
          schemas: writeSchemas(temporaryFolder('schemas'), ...SCHEMAS),
          sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
        },
      });
      const data = temporaryFolder('mosquitto-data');
      chmodSync(data, 0o777);
      const conf = CONF.replace('DATA', data)
        .replace('GATEWAY', String(gateway.port))
        .replaceAll('LEVEL', String(qos));
      const mosquitto = await startMosquitto({ conf });
      const random = randomNumbers(SEED + qos);
      const count = READINGS / 4;
      const kinds = ['timed', 'named'] as const;
      let sent = false;
      let there = 0;
      const sending = Promise.all(
        kinds.flatMap((kind) =>
          ['a', 'b'].map((device) =>
            sendByMqttJs({
              port: mosquitto.port,
              clientId: `${kind}-${device}`,
              topic: `${kind}/${device}`,
              qos,
              count,
              payload: PAYLOADS[kind],
              mayGoOn: async (seq) => {
                while (seq * 4 - there > MOST_QUEUED) await sleep(20);
              },
            }),
          ),
        ),
      ).then(() => {
        sent = true;
      });
      const stored = async (): Promise<number> => {
        there = (await accountOf(gateway)).total.stored;
        return there;
      };
      const disasters = [...Array(KILLS).fill('kill'), ...Array(RESTARTS).fill('restart')];
      for (let i = 0; i < disasters.length; i += 1) {
        const mark = ((i + random()) / disasters.length) * count * 4;
        await until('some more came', async () => (await stored()) >= mark || sent, {
          timeoutMs: 120_000,
          everyMs: 20,
        });
        if (i % 3 === 2) {
          await mosquitto.stop();
          await sleep(random() * 200);
          await mosquitto.restart();
        } else {
          await gateway.kill('SIGKILL');
          await sleep(random() * 500);
          await gateway.restart();
        }
      }
      await until('all is sent', async () => (await stored()) >= 0 && sent, {
        timeoutMs: 60_000 + READINGS * 2,
        everyMs: 100,
      });
      await sending;
      await until('all came', async () => (await stored()) >= count * 4, {
        timeoutMs: 60_000 + READINGS * 2,
        everyMs: 250,
      });
      await untilDrained(gateway);
      const rows = await Promise.all(
        kinds.map((kind) =>
          influx.query(
            `SELECT count(seq) AS n, count(distinct(seq)) AS seqs FROM ${kind} GROUP BY device`,
            't',
          ),
        ),
      );
      expect(rows.flat().map(({ n, seqs }) => [n, seqs])).toEqual(Array(4).fill([count, count]));
      expect((await accountOf(gateway)).total.rejected).toBe(0);
      await mosquitto.stop();
      await gateway.stop();
      await influx.stop();
    },
  );
});
