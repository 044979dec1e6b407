/** Real Mosquitto brokers that the gateway reads from, killed and restarted with it at any moment. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { expect, onTestFailed, test } from 'vitest';
import type { Health } from '../../gateway/operations-contract.ts';
import { makeCertificates } from '../support/certificates.ts';
import { randomNumbers } from '../support/cutting-proxy.ts';
import { accountOf, type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { run, until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import {
  type InfluxServer,
  mosquittoPub,
  type Server,
  startInfluxd,
  startMosquitto,
} from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  ENVIRONMENT,
  environmentReading,
  type SchemaDocument,
  writeSchemas,
} from '../support/test-schemas.ts';
import { startWebSocketFront } from '../support/websocket-front.ts';

const READINGS = Number(process.env.E2E_BROKER_READINGS ?? 2000);
/** Who is killed when. Told where a test fails. */
const SEED = Number(process.env.E2E_BROKER_SEED ?? Date.now() % 2 ** 32);
const DEVICES = 10;
const SAID_TWICE_EVERY = 7;
/** Below what Mosquitto takes of one client at once: beyond that it answers no PUBLISH of QoS 2. */
const WINDOW = 50;
const startMs = Date.now() - 3 * 3_600_000;
/** The same readings, where nothing but a number tells one from its repeat: the time is that of arrival. */
const COUNTED: SchemaDocument = {
  ...ENVIRONMENT,
  telemetry: { measurement: 'environment', topics: ['sensors/{device}/environment'], identity: ['seq'] },
};
const PATIENTLY = { timeoutMs: 60_000, everyMs: 100 };

/** Keeps what it has not delivered over a restart. Its own limits, which lose messages by default, are lifted. */
function persistentConf(folder: string, more = ''): string {
  chmodSync(folder, 0o777);
  return `
listener PORT 127.0.0.1
allow_anonymous true
persistence true
persistence_location ${folder}/
autosave_interval 1
max_inflight_messages 100
max_queued_messages 0
log_dest stderr
log_type error
log_type warning
user root
${more}`;
}

async function startPersistentMosquitto(): Promise<Server> {
  return await startMosquitto({ conf: persistentConf(temporaryFolder('mosquitto-data')) });
}

interface Reader {
  readonly mosquitto: Server;
  readonly influx: InfluxServer;
  readonly clientId: string;
  readonly broker: Readonly<Record<string, unknown>>;
  readonly schema?: SchemaDocument;
}

async function startReader({ mosquitto, influx, clientId, broker, schema }: Reader): Promise<GatewayProcess> {
  return await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), schema ?? ENVIRONMENT),
      brokers: [{ name: 'house', url: mosquitto.url, clientId, ...broker }],
      sinks: [{ type: 'influxdb', url: influx.url, version: 1, database: 't' }],
    },
  });
}

/**
 * Sends until all are acknowledged by the broker, over any number of its restarts: what was not is sent once more. Some are
 * said twice in any case, as by a device that lost the answer. Does not connect before `mayConnect`.
 */
async function publishAll(
  port: number,
  qos: 1 | 2,
  onSent: (n: number) => void,
  mayConnect: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const left = new Set(Array.from({ length: READINGS }, (_, seq) => seq));
  while (left.size > 0) {
    await mayConnect();
    const publisher = await RawMqtt.connect({ port, clientId: 'publisher' }).catch(() => null);
    if (publisher === null) {
      await sleep(50);
      continue;
    }
    const open = new Set<Promise<void>>();
    for (const seq of [...left]) {
      if (open.size >= WINDOW) await Promise.race(open);
      if (publisher.closed) break;
      const { topic, payload } = environmentReading(`dev-${seq % DEVICES}`, seq, startMs);
      const twice = seq % SAID_TWICE_EVERY === 0;
      const sent = Promise.all([
        publisher.publish(topic, payload, { qos }),
        twice ? publisher.publish(topic, payload, { qos }) : null,
      ])
        .then(
          () => left.delete(seq),
          () => false,
        )
        .then(() => void open.delete(sent));
      open.add(sent);
      onSent(seq);
    }
    await Promise.all(open);
    publisher.destroy();
  }
}

/** Each learns of the others. */
async function makePeers(gateways: readonly GatewayProcess[]): Promise<void> {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  const named = gateways.map(({ port }, i) => ({ name: `g${i}`, url: `mqtt://127.0.0.1:${port}` }));
  await Promise.all(
    gateways.map((gateway, i) =>
      gateway.restart({ peers: { name: `g${i}`, others: named.filter(({ name }) => name !== `g${i}`) } }),
    ),
  );
}

async function healthOf(gateway: GatewayProcess): Promise<Health> {
  // The shape is the program's own; a wrong one fails the test that reads it.
  return (await gateway.get('/health/ready')) as Health;
}

async function untilReading(gateways: readonly GatewayProcess[]): Promise<void> {
  for (const gateway of gateways)
    await until('it reads', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
}

async function untilAway(gateways: readonly GatewayProcess[]): Promise<void> {
  for (const gateway of gateways)
    await until('it misses the broker', async () => (await healthOf(gateway)).status !== 'ok', PATIENTLY);
}

/** Waits until all readings are in the database, and looks whether every account closes. How many points they take there. */
async function untilAllStored(influx: InfluxServer, gateways: readonly GatewayProcess[]): Promise<number> {
  const points = await until(
    'all are stored',
    async () => {
      const rows = await influx.query('SELECT seq FROM environment', 't');
      const { size } = new Set(rows.map(({ seq }) => seq));
      if (size < READINGS) throw new Error(`${size} of ${READINGS}`);
      return rows.length;
    },
    { timeoutMs: 60_000 + READINGS * 5, everyMs: 200 },
  );
  for (const { imbalances, total } of await Promise.all(gateways.map(accountOf))) {
    expect(imbalances).toEqual([]);
    expect(total.rejected).toBe(0);
  }
  return points;
}

async function storedOf(gateway: GatewayProcess): Promise<number> {
  return (await accountOf(gateway)).total.stored;
}

describeWith(['mosquitto', 'influxd'], 'readings of another broker, over kills and restarts', () => {
  test.each([
    ['3.1.1', 1, 'a time'],
    ['3.1.1', 2, 'a time'],
    [5, 1, 'a time'],
    [5, 2, 'a time'],
    ['3.1.1', 1, 'an identity'],
    [5, 2, 'an identity'],
  ] as const)(
    'MQTT %s at QoS %i, shared by two gateways, with %s of their own: none is lost, and each is one point',
    {
      timeout: 120_000 + READINGS * 20,
    },
    async (protocol, qos, carries) => {
      const random = randomNumbers(SEED);
      onTestFailed(() => console.info(`E2E_BROKER_SEED=${SEED}`));
      const mosquitto = await startPersistentMosquitto();
      const influx = await startInfluxd();
      await influx.createDatabase('t');
      const broker = { protocol, subscribe: [{ topic: 'sensors/#', qos, share: 'gateways' }] };
      const schema = carries === 'a time' ? ENVIRONMENT : COUNTED;
      const gateways = await Promise.all(
        ['one', 'two'].map((clientId) => startReader({ mosquitto, influx, clientId, broker, schema })),
      );
      if (carries === 'an identity') await makePeers(gateways);
      await untilReading(gateways);

      let sent = 0;
      let mayConnect = Promise.resolve();
      const publishing = publishAll(
        mosquitto.port,
        qos,
        (n) => {
          sent = n;
        },
        () => mayConnect,
      );
      for (const part of [0.15, 0.3, 0.45, 0.6, 0.75]) {
        await until('some more are sent', () => sent >= READINGS * part - WINDOW, PATIENTLY);
        const gateway = gateways[random() < 0.5 ? 0 : 1];
        if (part === 0.45) {
          // Mosquitto 2.0.11 forgets at its restart who shares what, and throws away what comes before they are back.
          let goOn = (): void => undefined;
          mayConnect = new Promise((resolve) => {
            goOn = resolve;
          });
          await untilReading(gateways);
          await mosquitto.stop();
          await untilAway(gateways);
          await mosquitto.restart();
          await untilReading(gateways);
          goOn();
        } else {
          await gateway?.kill('SIGKILL');
          await gateway?.restart();
        }
      }
      await publishing;
      // Also what a publisher that was cut off sends once more, and the other gateway gets.
      expect(await untilAllStored(influx, gateways)).toBe(READINGS);
      for (const { total } of await Promise.all(gateways.map(accountOf)))
        if (carries === 'a time') expect(total.forwarded).toBe(0);
        else expect(total.forwarded).toBeGreaterThan(0);
      for (const gateway of gateways) expect(await gateway.stop()).toBe(0);
      await mosquitto.stop();
      await influx.stop();
    },
  );

  test.each([
    ['3.1.1', 1],
    [5, 2],
  ] as const)(
    'MQTT %s at QoS %i, by one gateway, over restarts of the broker in full flow: none is lost, each is stored once',
    {
      timeout: 120_000 + READINGS * 20,
    },
    async (protocol, qos) => {
      const mosquitto = await startPersistentMosquitto();
      const influx = await startInfluxd();
      await influx.createDatabase('t');
      const broker = { protocol, subscribe: [{ topic: 'sensors/#', qos }] };
      const gateway = await startReader({ mosquitto, influx, clientId: 'alone', broker });
      await untilReading([gateway]);

      let sent = 0;
      const publishing = publishAll(mosquitto.port, qos, (n) => {
        sent = n;
      });
      for (const [i, part] of [0.2, 0.4, 0.6, 0.8].entries()) {
        await until('some more are sent', () => sent >= READINGS * part - WINDOW, PATIENTLY);
        await untilReading([gateway]);
        await Promise.all([mosquitto.stop(), i === 2 ? gateway.kill('SIGKILL') : null]);
        await Promise.all([mosquitto.restart(), i === 2 ? gateway.restart() : null]);
      }
      await publishing;
      expect(await untilAllStored(influx, [gateway])).toBe(READINGS);
      expect((await accountOf(gateway)).total.forwarded).toBe(0);
      expect(await gateway.stop()).toBe(0);
      await mosquitto.stop();
      await influx.stop();
    },
  );
});

describeWith(['mosquitto', 'mosquitto_pub', 'mosquitto_passwd', 'openssl'], 'another broker', () => {
  async function startOne(broker: Readonly<Record<string, unknown>>): Promise<GatewayProcess> {
    return await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
        brokers: [{ name: 'house', clientId: 'reader', subscribe: ['sensors/#'], ...broker }],
      },
    });
  }

  const READING = '{"ts":1760000000000,"temperature":20}';

  test('is reached over TLS, with a certificate of our own', async () => {
    const folder = temporaryFolder('certificates');
    await makeCertificates(folder, 'gateway');
    for (const file of ['ca.crt', 'server.crt', 'server.key', 'client.crt', 'client.key'])
      chmodSync(join(folder, file), 0o644);
    const mosquitto = await startMosquitto({
      conf: persistentConf(
        temporaryFolder('mosquitto-data'),
        `cafile ${folder}/ca.crt\ncertfile ${folder}/server.crt\nkeyfile ${folder}/server.key\nrequire_certificate true\n`,
      ),
    });
    const url = `mqtts://localhost:${mosquitto.port}`;
    const own = { certFile: join(folder, 'client.crt'), keyFile: join(folder, 'client.key') };
    const gateway = await startOne({ url, caFile: join(folder, 'ca.crt'), ...own });
    await until('it reads', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
    const tls = ['--cafile', join(folder, 'ca.crt'), '--cert', own.certFile, '--key', own.keyFile];
    await mosquittoPub(mosquitto.port, 'sensors/a/environment', READING, '-h', 'localhost', ...tls);
    await until('it is stored', async () => (await storedOf(gateway)) === 1, PATIENTLY);

    await gateway.stop();
    // Nobody has signed that certificate, as far as Node.js knows.
    await gateway.restart({ brokers: [{ name: 'house', url, ...own, subscribe: ['sensors/#'] }] });
    const { reasons } = await until(
      'it says why not',
      async () => {
        const health = await healthOf(gateway);
        return health.reasons.some((reason) => reason.includes('house is refused')) ? health : null;
      },
      PATIENTLY,
    );
    expect(reasons.join()).toMatch(/nobody known here has signed the certificate of localhost:\d+ .*caFile/);
    await gateway.stop();
    await mosquitto.stop();
  });

  test('is reached over WebSocket', async () => {
    const mosquitto = await startPersistentMosquitto();
    const front = await startWebSocketFront(mosquitto.port);
    const gateway = await startOne({ url: `ws://127.0.0.1:${front.port}/mqtt`, protocol: 5 });
    await until('it reads', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
    await mosquittoPub(mosquitto.port, 'sensors/a/environment', READING);
    await until('it is stored', async () => (await storedOf(gateway)) === 1, PATIENTLY);
    await gateway.stop();
    await front.stop();
    await mosquitto.stop();
  });

  test('that refuses the password is told of, without the password', async () => {
    const folder = temporaryFolder('passwords');
    const file = join(folder, 'passwd');
    await run('mosquitto_passwd', ['-c', '-b', file, 'gateway', 'right']);
    chmodSync(folder, 0o755);
    chmodSync(file, 0o644);
    const mosquitto = await startMosquitto({
      conf: `listener PORT 127.0.0.1\nallow_anonymous false\npassword_file ${file}\nuser root\n`,
    });
    for (const protocol of ['3.1.1', 5]) {
      const gateway = await startOne({
        url: mosquitto.url,
        protocol,
        username: 'gateway',
        password: 'hush-hush',
      });
      const { reasons, status } = await until(
        'it says why not',
        async () => {
          const health = await healthOf(gateway);
          return health.reasons.some((reason) => reason.includes('house is refused')) ? health : null;
        },
        PATIENTLY,
      );
      expect(status).toBe('degraded');
      expect(reasons.join()).toMatch(
        /broker house is refused since \d{4}-.*: the broker refused: not authorised/,
      );
      expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain(
        'gateway_broker_connected{broker="house"} 0',
      );
      const { stdout } = await gateway.command('check');
      expect(stdout).toMatch(/broker house.*not authorised/);
      expect(gateway.log() + stdout).not.toContain('hush-hush');
      await gateway.stop();
    }
    await mosquitto.stop();
  });

  test('that has lost the session gives its packet ids anew: no equal reading is taken for a resend, also after a kill', async () => {
    const mosquitto = await startMosquitto({
      conf: 'listener PORT 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n',
    });
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), {
          ...ENVIRONMENT,
          telemetry: { measurement: 'environment', topics: ['sensors/{device}/environment'] },
        }),
        brokers: [{ name: 'house', url: mosquitto.url, clientId: 'reader', subscribe: ['sensors/#'] }],
      },
    });
    const publish = async (n: number): Promise<void> => {
      const publisher = await RawMqtt.connect({ port: mosquitto.port, clientId: 'publisher' });
      for (let i = 0; i < n; i += 1)
        await publisher.publish('sensors/a/environment', '{"temperature":20}', { qos: 1 });
      publisher.destroy();
    };
    await until('it reads', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
    await publish(10);
    await until('these are stored', async () => (await storedOf(gateway)) === 10, PATIENTLY);

    // It keeps nothing over this.
    await mosquitto.kill();
    await untilAway([gateway]);
    await mosquitto.restart();
    await until('it reads again', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
    expect(gateway.log()).toContain('has forgotten the session of reader');
    process.kill(gateway.pid(), 'SIGSTOP');
    await publish(5);
    await gateway.kill();
    await gateway.restart();
    await until('all are stored', async () => (await storedOf(gateway)) === 15, PATIENTLY);
    expect((await accountOf(gateway)).total.duplicate).toBe(0);
    await gateway.stop();
    await mosquitto.stop();
  });

  test('sends nothing for a filter that is no longer wanted, and what came meanwhile for one that is', async () => {
    const mosquitto = await startPersistentMosquitto();
    const gateway = await startOne({ url: mosquitto.url, subscribe: ['sensors/#', 'old/#'] });
    await until('it reads', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
    await mosquittoPub(mosquitto.port, 'old/a', '1');
    await until('it was read', async () => (await accountOf(gateway)).total.forwarded === 1, PATIENTLY);
    await gateway.stop();
    await mosquittoPub(mosquitto.port, 'sensors/a/environment', READING);
    await gateway.restart({
      brokers: [{ name: 'house', url: mosquitto.url, clientId: 'reader', subscribe: ['sensors/#'] }],
    });
    await until('what came meanwhile is stored', async () => (await storedOf(gateway)) === 1, PATIENTLY);
    await until('it reads', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
    await mosquittoPub(mosquitto.port, 'old/a', '2');
    await mosquittoPub(mosquitto.port, 'sensors/b/environment', READING);
    await until('the next is stored', async () => (await storedOf(gateway)) === 2, PATIENTLY);
    expect((await accountOf(gateway)).total.forwarded).toBe(1);
    await gateway.stop();
    await mosquitto.stop();
  });

  test('repeats 1,000 retained messages over ten reconnections: each is stored once, and one that changed meanwhile', {
    timeout: 180_000,
  }, async () => {
    const mosquitto = await startPersistentMosquitto();
    const publisher = await RawMqtt.connect({ port: mosquitto.port, clientId: 'publisher' });
    const retained = async (device: string, temperature: number): Promise<void> =>
      await publisher.publish(`sensors/${device}/environment`, `{"temperature":${temperature}}`, {
        retain: true,
      });
    for (let i = 0; i < 1000; i += 1) await retained(`dev-${i}`, i % 100);
    publisher.destroy();
    const gateway = await startOne({ url: mosquitto.url, cleanStart: true });
    const balanced = async (stored: number, duplicate: number): Promise<void> => {
      await until(
        `${stored} are stored, ${duplicate} repeated`,
        async () => {
          const { total } = await accountOf(gateway);
          if (total.stored !== stored || total.duplicate < duplicate) throw new Error(JSON.stringify(total));
          return true;
        },
        PATIENTLY,
      );
    };
    await balanced(1000, 0);
    for (let round = 1; round <= 5; round += 1) {
      await mosquitto.stop();
      await mosquitto.restart();
      await balanced(1000, (2 * round - 1) * 1000);
      await gateway.kill('SIGKILL');
      await gateway.restart();
      await balanced(1000, 2 * round * 1000);
    }
    await gateway.stop();
    await mosquittoPub(mosquitto.port, 'sensors/dev-7/environment', '{"temperature":99.5}', '-r');
    await gateway.restart();
    await balanced(1001, 10_000 + 999);
    await gateway.stop();
    await mosquitto.stop();
  });

  test('may send what is too large, what is ours and what is odd: the rest comes all the same', async () => {
    const mosquitto = await startPersistentMosquitto();
    const gateway = await startOne({
      url: mosquitto.url,
      protocol: 5,
      subscribe: ['#'],
      receipts: 'answers',
    });
    await until('it reads', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
    const publisher: MqttClient = await connectAsync(mosquitto.url);
    const answers: string[] = [];
    publisher.on('message', (topic, payload) => answers.push(`${topic} ${payload.toString()}`));
    await publisher.subscribeAsync('answers/#');
    await publisher.publishAsync('sensors/a/environment', Buffer.alloc(400_000, '1'), { qos: 1 });
    await publisher.publishAsync('gateway/receipts/x', '{}', { qos: 1 });
    await publisher.publishAsync('a/'.repeat(40), '1', { qos: 2 });
    await publisher.publishAsync('sensors/a/environment', READING, { qos: 2 });
    await until('the reading is stored', async () => (await storedOf(gateway)) === 1, PATIENTLY);
    await until('the receipt came', () => answers.length > 0, PATIENTLY);
    const { total, codes } = await accountOf(gateway);
    expect([total.received, total.rejected, codes['too-large']]).toEqual([2, 1, 1]);
    expect(answers).toEqual([expect.stringMatching(/^answers\/a \{"id":.*"code":"too-large"/)]);
    await publisher.endAsync();
    await gateway.stop();
    await mosquitto.stop();
  });
});
