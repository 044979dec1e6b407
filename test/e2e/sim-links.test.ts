/** The simulator's links against real parts: each fault on the way, and what must come of it. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  MQTT_FAULTS,
  type MqttFault,
  type Outgoing,
  SERIAL_FAULTS,
  type SerialFault,
} from '../../device-sim/contracts.ts';
import { createTicker, systemClock } from '../../device-sim/links/ticker.ts';
import { seededRandom } from '../../device-sim/random.ts';
import { type LinkUnderTest, linkUnderTest, mqttSpec } from '../device-sim/links/link-under-test.ts';
import { makeCertificates } from '../support/certificates.ts';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { freePorts, until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { type InfluxServer, startInfluxd, startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, RESENT, writeSchemas } from '../support/test-schemas.ts';

const DATABASE = 't';
const START_MS = Date.now() - 3_600_000;
const ROUNDS = 3;
const CABLES = 20;
const LINES = 12;

interface Bench {
  readonly gateway: GatewayProcess;
  readonly influx: InfluxServer;
  /** `seq` of what is stored of a device, in order. */
  stored(measurement: string, device: string): Promise<number[]>;
  stop(): Promise<void>;
}

async function startBench(config: Readonly<Record<string, unknown>> = {}): Promise<Bench> {
  const influx = await startInfluxd();
  await influx.createDatabase(DATABASE);
  const gateway = await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT, RESENT),
      sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: DATABASE }],
      ...config,
    },
  });
  return {
    gateway,
    influx,
    stored: async (measurement, device) => {
      const rows = await influx.query(`SELECT seq FROM ${measurement} WHERE device = '${device}'`, DATABASE);
      return rows.map(({ seq }) => Number(seq)).sort((a, b) => a - b);
    },
    stop: async () => {
      await gateway.stop();
      await influx.stop();
    },
  };
}

function readings(device: string, faults: readonly (MqttFault | SerialFault | null)[]): Outgoing[] {
  return faults.map((fault, seq) => {
    const { topic, payload } = environmentReading(device, seq, START_MS);
    return { token: seq, topic, payload: Buffer.from(payload), fault };
  });
}

/** Each fault between readings that have none, some times over. */
function mixed(...faults: readonly (MqttFault | null)[]): (MqttFault | null)[] {
  return Array.from({ length: ROUNDS }, () => faults.flatMap((fault) => [null, fault, null])).flat();
}

const inOrder = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

describeWith(['influxd'], 'a gateway behind faulty links', () => {
  test('stores what was acknowledged once, whatever the fault and the QoS', async () => {
    const { gateway, stored, stop } = await startBench();
    const ticker = createTicker(systemClock);
    const runs: {
      name: string;
      faults: readonly (MqttFault | null)[];
      tested: LinkUnderTest;
      done: Promise<void>;
    }[] = [];
    for (const fault of MQTT_FAULTS) {
      for (const qos of [0, 1, 2] as const) {
        for (const cleanSession of [true, false]) {
          const name = `${fault}-${qos}${cleanSession ? '-clean' : ''}`;
          const faults = fault === 'half-open' ? [null, fault, null, null] : mixed(fault);
          const tested = linkUnderTest(
            mqttSpec({ qos, cleanSession, keepaliveSeconds: 1, maxInFlight: 5 }),
            { url: `mqtt://127.0.0.1:${gateway.port}`, ticker, random: seededRandom(runs.length) },
            { clientId: name },
          );
          runs.push({
            name,
            faults,
            tested,
            done: tested.sendAll(readings(name, faults)),
          });
        }
      }
    }
    await Promise.all(runs.map(async ({ done }) => await done));
    await untilDrained(gateway);
    for (const { name, faults, tested } of runs) {
      const tokens = inOrder(faults.length);
      expect([name, sorted(tested.acknowledged)]).toEqual([name, tokens]);
      expect([name, tested.refused]).toEqual([name, []]);
      // Also a second transfer: the same bytes with the same time of their own are the same reading.
      expect([name, await stored('environment', name)]).toEqual([name, tokens]);
    }
    const { total } = await accountOf(gateway);
    expect(total.rejected + total.refused).toBe(0);
    ticker.stop();
    await stop();
  });

  test('recognises a resend of what carries no time of its own, and stores a duplicate twice', async () => {
    const { gateway, influx, stop } = await startBench();
    const values = (faults: readonly (MqttFault | null)[]): Outgoing[] =>
      faults.map((fault, token) => ({
        token,
        topic: 'sensors/timeless/environment',
        payload: Buffer.from(`{"temperature":${token}}`),
        fault,
      }));
    const tested = linkUnderTest(mqttSpec({ qos: 1 }), { url: `mqtt://127.0.0.1:${gateway.port}` });
    await tested.sendAll(values(['lost-puback', 'cut', 'reorder', 'lost-puback', 'duplicate', null]));
    await untilDrained(gateway);
    const rows = await influx.query('SELECT temperature FROM environment', DATABASE);
    expect(sorted(rows.map(({ temperature }) => Number(temperature)))).toEqual([0, 1, 2, 3, 4, 4, 5]);
    tested.ticker.stop();
    await stop();
  });

  test('sends receipts to a link that asks for them', async () => {
    const { gateway, stop } = await startBench();
    const tested = linkUnderTest(mqttSpec({ receipts: true }), { url: `mqtt://127.0.0.1:${gateway.port}` });
    tested.link.open();
    await until('it is connected', () => tested.link.canSend);
    tested.link.send({
      token: 0,
      topic: 'sensors/x/environment',
      payload: Buffer.from('{"temperature":"21"}'),
      fault: null,
    });
    await until('its receipt came', () => tested.receipts() === 1);
    await tested.link.close(5000);
    tested.ticker.stop();
    await stop();
  });
});

describeWith(['influxd', 'socat'], 'serial cables of the simulator', () => {
  test('twenty of them with every fault: what is acknowledged is stored once', async () => {
    const ports = temporaryFolder('ports');
    const { gateway, stored, stop } = await startBench({
      serial: inOrder(CABLES).map((i) => ({
        name: `pump-${i}`,
        path: join(ports, `pump-${i}`),
        topic: 'resent/{device}',
        ack: true,
      })),
    });
    const ticker = createTicker(systemClock);
    const runs = Array.from({ length: CABLES }, (_, index) => {
      const tested = linkUnderTest(
        { kind: 'serial', path: null, baudRate: 115_200, ack: true },
        { url: '', ports, ticker, random: seededRandom(index) },
        { device: `pump-${index}` },
      );
      const lines = Array.from({ length: LINES }, (_, seq) => ({
        token: seq,
        topic: '',
        payload: Buffer.from(`{"boot":1,"seq":${seq},"value":${seq / 2}}`),
        fault: seq % 3 === 2 ? (SERIAL_FAULTS[(seq + index) % SERIAL_FAULTS.length] ?? null) : null,
      }));
      return { index, tested, done: tested.sendAll(lines, 45_000) };
    });
    await Promise.all(runs.map(async ({ done }) => await done));
    await untilDrained(gateway);
    for (const { index, tested } of runs) {
      expect([index, tested.acknowledged]).toEqual([index, inOrder(LINES)]);
      expect([index, await stored('resent', `pump-${index}`)]).toEqual([index, inOrder(LINES)]);
    }
    expect(runs.some(({ tested }) => tested.lost.includes('unplugged on purpose'))).toBe(true);
    expect((await accountOf(gateway)).total.rejected).toBeGreaterThan(0);
    ticker.stop();
    await stop();
  });

  test('without acknowledgements: all that was not spoilt on purpose is stored, and nothing else', async () => {
    const ports = temporaryFolder('ports');
    const { gateway, stored, stop } = await startBench({
      serial: [{ name: 'mute', path: join(ports, 'a-b'), topic: 'resent/{device}' }],
    });
    const tested = linkUnderTest(
      { kind: 'serial', path: null, baudRate: 115_200, ack: false },
      { url: '', ports },
      { device: 'a/b' },
    );
    tested.link.open();
    await until('the gateway has opened the port', async () => {
      const text = await (await fetch(`${gateway.url}/metrics`)).text();
      return /^gateway_serial_open\{.*\} 1$/m.test(text);
    });
    const faults = Array.from({ length: 40 }, (_, n) => (n % 4 === 1 ? SERIAL_FAULTS[(n >> 2) % 3] : null));
    await tested.sendAll(
      faults.map((fault, seq) => ({
        token: seq,
        topic: '',
        payload: Buffer.from(`{"boot":1,"seq":${seq},"value":${seq / 2}}`),
        fault: fault ?? null,
      })),
    );
    await untilDrained(gateway);
    expect(await stored('resent', 'mute')).toEqual(sorted(tested.acknowledged));
    const refused = tested.refused.map(({ token }) => token);
    expect(sorted([...tested.acknowledged, ...refused])).toEqual(inOrder(faults.length));
    // Noise spoils nothing, a dropped byte one line, glue two.
    const count = (fault: SerialFault): number => faults.filter((each) => each === fault).length;
    expect(refused).toHaveLength(count('dropped-bytes') + 2 * count('glued'));
    tested.ticker.stop();
    await stop();
  });
});

describeWith(['mosquitto', 'openssl'], 'links to a Mosquitto', () => {
  test.each([
    ['TCP', 'mqtt'],
    ['TLS', 'mqtts'],
    ['WebSocket', 'ws'],
    ['WebSocket over TLS', 'wss'],
  ])('over %s, with every fault', async (_, protocol) => {
    const dir = temporaryFolder('mosquitto');
    await makeCertificates(dir);
    const [plain = 0] = await freePorts(1);
    const isSecure = protocol === 'mqtts' || protocol === 'wss';
    const mosquitto = await startMosquitto({
      dir,
      conf: [
        'listener PORT 127.0.0.1',
        ...(protocol.startsWith('ws') ? ['protocol websockets'] : []),
        ...(isSecure ? [`certfile ${dir}/server.crt`, `keyfile ${dir}/server.key`] : []),
        `listener ${plain} 127.0.0.1`,
        'allow_anonymous true',
        'max_inflight_messages 0',
        'max_queued_messages 0',
        'user root',
      ].join('\n'),
    });
    const ca = join(dir, 'trusted.crt');
    copyFileSync(join(dir, 'ca.crt'), ca);
    const came: string[] = [];
    const watcher = await RawMqtt.connect({ port: plain, clientId: 'watcher' });
    watcher.onPacket = (packet) => {
      if (packet.cmd === 'publish') came.push(packet.payload.toString());
    };
    await watcher.subscribe('sensors/#', 1);
    const ticker = createTicker(systemClock);
    const url = `${protocol}://127.0.0.1:${mosquitto.port}`;
    const runs = ([0, 1, 2] as const).map((qos) => {
      const tested = linkUnderTest(
        mqttSpec({ qos, keepaliveSeconds: 1, maxInFlight: 5 }),
        { url, ticker, random: seededRandom(qos), tls: { caFile: isSecure ? ca : null, insecure: false } },
        { clientId: `device-${qos}` },
      );
      return {
        qos,
        tested,
        done: tested.sendAll(readings(`q${qos}`, [...MQTT_FAULTS, null, ...MQTT_FAULTS])),
      };
    });
    await Promise.all(runs.map(async ({ done }) => await done));
    const count = 2 * MQTT_FAULTS.length + 1;
    for (const { qos, tested } of runs) {
      expect([qos, sorted(tested.acknowledged)]).toEqual([qos, inOrder(count)]);
      const wanted = readings(
        `q${qos}`,
        inOrder(count).map(() => null),
      ).map(({ payload }) => String(payload));
      await until('all have come', () => wanted.every((payload) => came.includes(payload)));
    }
    if (isSecure) {
      const stranger = linkUnderTest(mqttSpec(), { url, ticker });
      stranger.link.open();
      await until('it is not trusted', () => stranger.lost.length > 0);
      expect(stranger.lost[0]).toMatch(/name the CA/);
      await stranger.link.close(0);
      const careless = linkUnderTest(mqttSpec(), { url, ticker, tls: { caFile: null, insecure: true } });
      careless.link.open();
      await until('it does not care', () => careless.link.canSend);
      await careless.link.close(1000);
    }
    watcher.destroy();
    ticker.stop();
    await mosquitto.stop();
  });
});
