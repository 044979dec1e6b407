/** A real Mosquitto that keeps retained messages, and a gateway that comes back to it again and again. */
import { connectAsync, type MqttClient } from 'mqtt';
import { expect, test } from 'vitest';
import { accountOf, startGateway } from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { startInfluxd, startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writeSchemas } from '../support/test-schemas.ts';

const TOPICS = Number(process.env.E2E_RETAINED_TOPICS ?? 1000);
const ROUNDS = Number(process.env.E2E_RETAINED_ROUNDS ?? 4);
const PATIENTLY = { timeoutMs: 60_000, everyMs: 100 };

/** Its queues hold as many messages as there are topics: by default it drops what is more. */
const CONF = 'listener PORT 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n';

/** Without a time of its own: a message that is stored twice is two readings. */
const STATE = {
  $id: 'state.v1',
  type: 'object',
  required: ['temperature'],
  telemetry: {
    measurement: 'state',
    topics: ['home/{device}/state'],
    tags: [{ userProperty: 'site' }],
  },
  properties: { temperature: { type: 'number' } },
};

function topicOf(n: number): string {
  return `home/d${n}/state`;
}

async function retain(publisher: MqttClient, topic: string, temperature: number): Promise<void> {
  await publisher.publishAsync(topic, JSON.stringify({ temperature }), { qos: 1, retain: true });
}

describeWith(['mosquitto', 'influxd'], 'retained messages of another broker', () => {
  test('are stored once over restarts and kills, and once more where they changed meanwhile', {
    timeout: 180_000,
  }, async () => {
    const mosquitto = await startMosquitto({ conf: CONF });
    const publisher = await connectAsync(mosquitto.url);
    for (let n = 0; n < TOPICS; n += 1) await retain(publisher, topicOf(n), n);
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), STATE),
        brokers: [
          {
            name: 'house',
            url: mosquitto.url,
            clientId: 'reader',
            cleanStart: true,
            subscribe: [{ topic: 'home/#', qos: 1 }],
          },
        ],
      },
    });
    const settled = async (stored: number, duplicate: number): Promise<void> => {
      await until(
        `${stored} are stored, ${duplicate} were known`,
        async () => {
          const { total } = await accountOf(gateway);
          if (total.received < stored + duplicate) throw new Error(JSON.stringify(total));
          return true;
        },
        PATIENTLY,
      );
      const { total, imbalances } = await accountOf(gateway);
      expect(total).toMatchObject({ stored, duplicate, received: stored + duplicate });
      expect(imbalances).toEqual([]);
    };
    await settled(TOPICS, 0);
    for (let round = 1; round <= ROUNDS; round += 1) {
      if (round % 2 === 0) await gateway.stop();
      else await gateway.kill('SIGKILL');
      await retain(publisher, topicOf(round), -round);
      await gateway.restart();
      await settled(TOPICS + round, round * (TOPICS - 1));
    }
    await publisher.endAsync();
    expect(await gateway.stop()).toBe(0);
    await mosquitto.stop();
  });

  test('may be cleared and set anew, and be read with their user properties and content type', async () => {
    const mosquitto = await startMosquitto({ conf: CONF });
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), STATE),
        brokers: [
          { name: 'house', url: mosquitto.url, protocol: 5, cleanStart: true, subscribe: ['home/#'] },
        ],
        sinks: [{ type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
    });
    const storedAre = async (n: number): Promise<void> => {
      await until('all are stored', async () => (await accountOf(gateway)).total.stored === n, PATIENTLY);
    };
    const publisher = await connectAsync(mosquitto.url, { protocolVersion: 5 });
    await publisher.publishAsync(topicOf(1), 'temperature\n21.5\n', {
      qos: 1,
      retain: true,
      properties: { contentType: 'text/csv', userProperties: { site: 'north' } },
    });
    await storedAre(1);
    await publisher.publishAsync(topicOf(1), '', { qos: 1, retain: true });
    await until('it is cleared', async () => (await accountOf(gateway)).total.forwarded === 1, PATIENTLY);
    await gateway.stop();
    await publisher.publishAsync(topicOf(1), 'temperature\n21.5\n', {
      qos: 1,
      retain: true,
      properties: { contentType: 'text/csv', userProperties: { site: 'south' } },
    });
    await gateway.restart();
    await storedAre(2);
    await until(
      'the database has both',
      async () => (await influx.count('t', 'state', 'temperature')) === 2,
      PATIENTLY,
    );
    const rows = await influx.query('SELECT temperature, device, site FROM state', 't');
    expect(JSON.stringify(rows)).toMatch(/"north".*"south"/);
    await publisher.endAsync();
    await gateway.stop();
    await influx.stop();
    await mosquitto.stop();
  });
});
