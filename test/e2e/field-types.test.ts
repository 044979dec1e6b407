/**
 * Fields whose type flips from firmware to firmware, and a database whose types differ from the schemas': not one write
 * is refused by InfluxDB, because each conflict is rejected at the gateway, by name of the device and with the remedy.
 */
import { expect, test } from 'vitest';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { type InfluxFront, startInfluxFront } from '../support/influx-front.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { type InfluxServer, startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type SchemaDocument, writeSchemas } from '../support/test-schemas.ts';

const startMs = Date.now() - 3_600_000;

/** What one firmware sends. Only a measurement that the topic names lets schemas differ: the loader sees the others. */
function firmware(version: number, type: string, telemetry: object): SchemaDocument {
  return {
    $id: `air.v${version}`,
    title: `Air, firmware ${version}`,
    telemetry: { time: { property: 'ts', unit: 'ms' }, ...telemetry },
    type: 'object',
    required: ['level', 'seq'],
    properties: { ts: { type: 'integer' }, seq: { type: 'integer' }, level: { type } },
  };
}

const FIRMWARE = [
  firmware(1, 'integer', { measurement: 'air', topics: ['fw1/{device}'] }),
  firmware(2, 'number', { measurement: '{kind}', topics: ['fw2/{kind}/{device}'] }),
  firmware(3, 'string', { measurement: '{what}', topics: ['fw3/{what}/{device}'] }),
];

interface World {
  readonly influx: InfluxServer;
  readonly front: InfluxFront;
  readonly gateway: GatewayProcess;
  readonly client: RawMqtt;
}

async function withGateway(
  schemas: readonly SchemaDocument[],
  seed: readonly string[],
  body: (world: World) => Promise<void>,
): Promise<void> {
  const influx = await startInfluxd();
  await influx.createDatabase('t');
  for (const line of seed) {
    const seeded = await fetch(`${influx.url}/write?db=t`, { method: 'POST', body: line });
    expect(seeded.status).toBe(204);
  }
  const front = await startInfluxFront(influx.url);
  const gateway = await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), ...schemas),
      sinks: [{ name: 'influx', type: 'influxdb', url: front.url, version: 1, database: 't' }],
    },
  });
  const client = await RawMqtt.connect({ port: gateway.port, clientId: 'sender' });
  await body({ influx, front, gateway, client });
  client.destroy();
  expect(await gateway.stop()).toBe(0);
  await front.close();
  await influx.stop();
}

/** Rejected readings of a code, as the program lists them. */
async function rejectedOf(
  gateway: GatewayProcess,
  device: string,
): Promise<readonly { code: string; violations: readonly { message: string; pointer: string }[] }[]> {
  const { code, stdout, stderr } = await gateway.command(
    ...['rejected', 'list', '--flat', '--device', device, '-n', '1000', '--json'],
  );
  expect(code, stderr).toBe(0);
  // The shape is the program's own; a wrong one fails the test that reads it.
  const listed = JSON.parse(stdout) as never;
  return Array.isArray(listed) ? listed : (listed as { rejections: never[] }).rejections;
}

describeWith(['influxd'], 'a field whose type flips', () => {
  test('between three firmware versions: the first type stays, the others are told', {
    timeout: 60_000,
  }, async () => {
    await withGateway(FIRMWARE, [], async ({ influx, front, gateway, client }) => {
      const TOPICS = ['fw2/air/two', 'fw1/one', 'fw3/air/three'];
      const levels = (seq: number): readonly unknown[] => [21 + seq / 4, seq, 'high'];
      const send = async (topic: string, level: unknown, seq: number): Promise<void> =>
        await client.publish(topic, JSON.stringify({ ts: startMs + seq, level, seq }));
      // Who comes first is who decides.
      await send('fw2/air/two', 20.5, 0);
      for (let seq = 1; seq <= 200; seq += 1) {
        await Promise.all(TOPICS.map(async (topic, i) => await send(topic, levels(seq)[i], seq)));
      }
      // Flips of the payload alone: a whole number is stored as what the schema says, text is no number.
      await send('fw2/air/flips', 21, 1);
      await send('fw2/air/flips', 21.5, 2);
      await send('fw2/air/flips', '21.5', 3);
      await untilDrained(gateway, 'influx');

      expect(front.failures()).toEqual([]);
      expect(await influx.count('t', 'air', 'level')).toBe(203);
      const types = await influx.query('SHOW FIELD KEYS FROM air', 't');
      expect(types.filter(({ fieldKey }) => fieldKey === 'level')).toEqual([
        { fieldKey: 'level', fieldType: 'float' },
      ]);
      const account = await accountOf(gateway);
      expect(account.codes).toMatchObject({ 'type-conflict': 400, invalid: 1, 'sink-rejected': 0 });
      expect(account.imbalances).toEqual([]);
      for (const [device, type] of [
        ['one', 'integer'],
        ['three', 'string'],
      ] as const) {
        const rejected = await rejectedOf(gateway, device);
        expect(rejected).toHaveLength(200);
        for (const { code, violations } of rejected) {
          expect(code).toBe('type-conflict');
          expect(violations).toHaveLength(1);
          // Both types, who was first, and what to do.
          expect(violations[0]?.message).toMatch(new RegExp(`level[\\s\\S]*${type}|${type}[\\s\\S]*level`));
          expect(violations[0]?.message).toMatch(/float/);
          expect(violations[0]?.message).toMatch(/two/);
          expect(violations[0]?.message).toMatch(/"field"/);
        }
      }
      expect(await rejectedOf(gateway, 'flips')).toMatchObject([{ code: 'invalid' }]);
    });
  });

  test('after a restart and a new version of the schema: what was stored first is remembered', {
    timeout: 60_000,
  }, async () => {
    const folder = temporaryFolder('schemas');
    const of = (type: string): SchemaDocument =>
      firmware(1, type, { measurement: 'air', topics: ['fw1/{device}'] });
    await withGateway([of('number')], [], async ({ front, gateway, client }) => {
      await client.publish('fw1/one', JSON.stringify({ ts: startMs, level: 20.5, seq: 0 }));
      await untilDrained(gateway, 'influx');
      expect(await gateway.kill()).toBe('SIGKILL');
      writeSchemas(folder, of('integer'));
      await gateway.restart({ schemas: folder });
      const again = await RawMqtt.connect({ port: gateway.port, clientId: 'sender' });
      await again.publish('fw1/one', JSON.stringify({ ts: startMs + 1, level: 21, seq: 1 }));
      again.destroy();
      await untilDrained(gateway, 'influx');
      expect(await rejectedOf(gateway, 'one')).toMatchObject([{ code: 'type-conflict' }]);
      expect(front.failures()).toEqual([]);
    });
  });
});

describeWith(['influxd'], 'a database that holds other types already', () => {
  const SEED = [
    `air,device=old level=1i ${startMs}000000`,
    `water,device=old level="high" ${startMs}000000`,
    `free,device=old other=1i ${startMs}000000`,
  ];
  const SCHEMAS = ['air', 'water', 'free'].map((measurement, i) =>
    firmware(i + 1, 'number', { measurement, topics: [`${measurement}/{device}`] }),
  );

  test('refuses nothing: the gateway has asked it, and `check` says so before the first reading', {
    timeout: 60_000,
  }, async () => {
    await withGateway(SCHEMAS, SEED, async ({ influx, front, gateway, client }) => {
      const question = JSON.stringify({ ts: startMs, level: 20.5, seq: 0 });
      await until('the gateway knows the types of the database', async () => {
        const { stdout } = await gateway.command('explain', '-t', 'air/new-air', '-p', question);
        return stdout.includes('type-conflict');
      });
      for (let seq = 0; seq < 100; seq += 1) {
        const payload = JSON.stringify({ ts: startMs + seq, level: 20.5, seq });
        await Promise.all(
          ['air', 'water', 'free'].map(async (kind) => await client.publish(`${kind}/new-${kind}`, payload)),
        );
      }
      await untilDrained(gateway, 'influx');

      expect(front.failures()).toEqual([]);
      expect(await influx.count('t', 'free', 'level')).toBe(100);
      const account = await accountOf(gateway);
      expect(account.codes).toMatchObject({ 'type-conflict': 200, 'sink-rejected': 0 });
      for (const [kind, type] of [
        ['air', 'integer'],
        ['water', 'string'],
      ] as const) {
        const rejected = await rejectedOf(gateway, `new-${kind}`);
        expect(rejected).toHaveLength(100);
        const [first] = rejected;
        expect(first?.code).toBe('type-conflict');
        expect(first?.violations[0]?.message).toMatch(new RegExp(type));
        expect(first?.violations[0]?.message).toMatch(/database|influx/);
        expect(first?.violations[0]?.message).toMatch(/"field"/);
      }

      const checked = await gateway.command('check');
      expect(checked.code).toBe(1);
      expect(checked.stdout).toMatch(/FAIL {2}field types influx: the database holds 2 field\(s\)/);
      const place =
        /^ +air\.v1\.json:(\d+):(\d+) \/properties\/level would be refused .* as integer, this is float/m;
      expect(checked.stdout).toMatch(place);
      expect(checked.stdout).toMatch(/water.* as string, this is float/);
      expect(checked.stdout).not.toMatch(/of free/);
    });
  });
});
