/**
 * Real clients that resend, on a line that is cut at random, also between a message and its acknowledgement, while the
 * gateway is killed five times: each reading that carries its own time or identity is stored once; of those with
 * neither, none is lost. `E2E_RESEND_READINGS=100000` is the full size.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CUTS, randomNumbers, startCuttingProxy } from '../support/cutting-proxy.ts';
import { accountOf, startGateway, untilDrained } from '../support/gateway-process.ts';
import type { Running } from '../support/processes.ts';
import { type ResendingOptions, sendByMosquittoPub, sendByMqttJs } from '../support/resending-clients.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type SchemaDocument, writeSchemas } from '../support/test-schemas.ts';

const READINGS = Number(process.env.E2E_RESEND_READINGS ?? 10_000);
const SEED = Number(process.env.E2E_RESEND_SEED ?? 20_260_101);
const KILLS = 5;
/** A process that loses its power has had so many answers, and up to twice as many: it sends those readings once more. */
const UNPLUG_AFTER = 40;
const startMs = Date.now() - 3_600_000;

const PROPERTIES = {
  boot: { type: 'integer' },
  seq: { type: 'integer' },
  temperature: { type: 'number' },
};

function schema(name: string, telemetry: object, properties: object = {}): SchemaDocument {
  return {
    $id: `${name}.v1`,
    title: name,
    telemetry: { measurement: name, topics: [`${name}/{device}`], ...telemetry },
    type: 'object',
    required: ['seq', 'temperature'],
    properties: { ...PROPERTIES, ...properties },
  };
}

/** By what a reading can be told from its repeat, and how it looks. */
const KINDS = {
  timed: (seq: number) => `{"ts":${startMs + seq},"seq":${seq},"temperature":${temperatureOf(seq)}}`,
  named: (seq: number) => `{"boot":7,"seq":${seq},"temperature":${temperatureOf(seq)}}`,
  bare: (seq: number) => `{"seq":${seq},"temperature":${temperatureOf(seq)}}`,
} as const;
type Kind = keyof typeof KINDS;

const SCHEMAS = [
  schema('timed', { time: { property: 'ts', unit: 'ms' } }, { ts: { type: 'integer' } }),
  schema('named', { identity: ['boot', 'seq'] }),
  schema('bare', {}),
];

function temperatureOf(seq: number): number {
  return 20 + (seq % 100) / 8;
}

interface Part {
  readonly kind: Kind;
  readonly program: 'mqtt.js' | 'mosquitto_pub';
  readonly qos: 1 | 2;
  readonly device: string;
}

const PARTS: readonly Part[] = (['timed', 'named', 'bare'] as const).flatMap((kind) =>
  (['mqtt.js', 'mosquitto_pub'] as const).flatMap((program) =>
    ([1, 2] as const).map((qos) => ({ kind, program, qos, device: `${kind}-${program}-${qos}` })),
  ),
);

describeWith(['influxd', 'mosquitto_pub'], 'clients that resend', () => {
  test(`${READINGS} readings over a line that is cut, ${KILLS} kills: each is stored once`, {
    timeout: 120_000 + READINGS * 6,
  }, async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ...SCHEMAS),
        sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
    });
    const random = randomNumbers(SEED);
    const proxy = await startCuttingProxy({ target: gateway.port, seed: SEED, between: [30, 300] });
    const count = Math.ceil(READINGS / PARTS.length);
    const total = count * PARTS.length;

    /**
     * One process of each part loses its power in the middle of its first lines. Not where only QoS 2 tells a repeat: a
     * transfer is over with its PUBREL, and who begins again after it has forgotten that sends a new one.
     */
    const unplugged = new Set<string>();
    const unplug = ({ kind, qos, device }: Part, process: Running): void => {
      if (unplugged.has(device) || (kind === 'timed' && qos === 2)) return;
      unplugged.add(device);
      const answers = Math.min(UNPLUG_AFTER + Math.floor(random() * UNPLUG_AFTER), count - 1);
      const timer = setInterval(() => {
        if (proxy.answersTo(device) < answers && process.ended() === null) return;
        clearInterval(timer);
        void process.kill('SIGKILL');
      }, 2);
    };
    const endedEarly: (number | string)[] = [];
    let done = false;
    const sending = Promise.all(
      PARTS.map(async (part) => {
        const { kind, program, qos, device } = part;
        const options: ResendingOptions = {
          port: proxy.port,
          clientId: device,
          topic: `${kind}/${device}`,
          qos,
          count,
          payload: KINDS[kind],
        };
        if (program === 'mqtt.js') await sendByMqttJs(options);
        else {
          const onProcess = (process: Running): void => unplug(part, process);
          endedEarly.push(...(await sendByMosquittoPub({ ...options, onProcess })));
        }
      }),
    ).finally(() => {
      done = true;
    });

    let kills = 0;
    while (!done) {
      await Promise.race([sleep(20), sending]);
      if (kills === KILLS || proxy.answers() < ((kills + 1) * total) / (KILLS + 2)) continue;
      kills += 1;
      await gateway.kill('SIGKILL');
      await gateway.restart();
    }
    await sending;
    await proxy.close();
    await untilDrained(gateway, 'influx', 60_000);

    const doubled: Record<string, number> = {};
    const account = await accountOf(gateway);
    for (const { kind, device } of PARTS) {
      const rows = await influx.query(`SELECT seq, temperature FROM ${kind} WHERE device = '${device}'`, 't');
      const seqs = new Set(rows.map(({ seq }) => Number(seq)));
      const missing = Array.from({ length: count }, (_, seq) => seq).filter((seq) => !seqs.has(seq));
      expect(missing, `${device}: lost`).toEqual([]);
      expect(seqs.size, device).toBe(count);
      const wrong = rows.filter(({ seq, temperature }) => temperature !== temperatureOf(Number(seq)));
      expect(wrong, `${device}: other values`).toEqual([]);
      const tally = account.devices.find((each) => each.device === device);
      expect(tally, device).toMatchObject({ stored: rows.length, rejected: 0, forwarded: 0 });
      if (kind === 'bare') doubled[device] = rows.length - count;
      else expect(rows.length, `${device}: stored more than once`).toBe(count);
    }
    expect(account.imbalances).toEqual([]);
    expect(kills).toBe(KILLS);
    for (const cut of CUTS) expect(proxy.cuts[cut], cut).toBeGreaterThan(0);
    expect(endedEarly.filter((how) => how === 'SIGKILL')).toHaveLength(unplugged.size);
    console.info(
      `resend: seed ${SEED}, ${total} readings, cuts ${JSON.stringify(proxy.cuts)}, ${kills} kills of the gateway, ` +
        `of mosquitto_pub ended early: ${endedEarly.join(' ')}; ${account.total.duplicate} repeats recognised; ` +
        `doubled of ${count} each, without time and identity: ${JSON.stringify(doubled)}`,
    );
    expect(await gateway.stop()).toBe(0);
    await influx.stop();
  });
});
