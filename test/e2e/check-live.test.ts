/** `check --live` on a Mosquitto that is in use: what it reports is right, what it drafts works, and nobody notices it. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { expect, test } from 'vitest';
import {
  bareValues,
  espHome,
  plainJson,
  type Sent,
  tasmota,
  zigbee2mqtt,
} from '../support/broker-traffic.ts';
import { accountOf, GATEWAY_MAIN, startGateway, sumOf } from '../support/gateway-process.ts';
import { run, start, until } from '../support/processes.ts';
import { type Server, startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Takes what `plainJson` sends, and refuses some of it. */
const AIR = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'air.v1',
  telemetry: {
    measurement: 'air',
    topics: ['site/{site}/{device}/air'],
    tags: ['site'],
    time: { property: 'ts', unit: 'ms' },
  },
  type: 'object',
  required: ['temperature'],
  properties: { ts: { type: 'integer' }, temperature: { type: 'number', maximum: 20 } },
};

const CONF = `
listener PORT 127.0.0.1
allow_anonymous true
persistence false
sys_interval 1
max_inflight_messages 0
max_queued_messages 0
log_dest stderr
log_type all
user root
`;

interface Report {
  readonly messages: number;
  readonly clientId: string;
  readonly schemas: readonly {
    schema: string;
    stored: number;
    rejected: number;
    series: number;
    topics: number;
  }[];
  readonly causes: readonly { code: string; message: string; count: number; example: { id: string } }[];
  readonly families: readonly {
    pattern: string;
    why: string | null;
    draft: { id: string; samples: number; accepted: number; problems: readonly string[] } | null;
  }[];
  readonly warnings: readonly string[];
}

function everything(rounds: number): readonly Sent[] {
  const options = { rounds, startMs: Date.now() - rounds * 10_000, withoutNan: true } as const;
  return [plainJson, bareValues, tasmota, zigbee2mqtt, espHome].flatMap((each) => each(options));
}

async function publish(client: MqttClient, messages: readonly Sent[]): Promise<void> {
  await Promise.all(
    messages.map(({ topic, payload, retain }) => client.publishAsync(topic, payload, { qos: 1, retain })),
  );
}

/** All that comes to a subscriber, as topics. */
async function subscriber(url: string, filter: string): Promise<{ client: MqttClient; topics: string[] }> {
  const client = await connectAsync(url, { reconnectPeriod: 0 });
  const topics: string[] = [];
  client.on('message', (topic, _, { retain }) => {
    if (!retain) topics.push(topic);
  });
  await client.subscribeAsync(filter, { qos: 1 });
  return { client, topics };
}

async function newClient(mosquitto: Server, pattern: RegExp): Promise<void> {
  await until('it has subscribed', () => pattern.test(mosquitto.log()));
}

describeWith(['mosquitto'], 'a trial on a broker in use', () => {
  test('says what would become of the traffic, drafts what is missing, and takes nothing from anybody', async () => {
    const mosquitto = await startMosquitto({ conf: CONF });
    const cwd = temporaryFolder('trial');
    mkdirSync(join(cwd, 'schemas'));
    writeFileSync(join(cwd, 'schemas', 'air.v1.json'), JSON.stringify(AIR));
    writeFileSync(join(cwd, 'gateway.yaml'), 'schemas: ./schemas\n');
    const publisher = await connectAsync(mosquitto.url, { reconnectPeriod: 0 });
    const witness = await subscriber(mosquitto.url, '#');
    const member = await subscriber(mosquitto.url, '$share/consumers/#');
    try {
      const messages = everything(6);
      await publish(
        publisher,
        messages.filter(({ retain }) => retain),
      );
      const trial = start(
        process.execPath,
        [GATEWAY_MAIN, 'check', '--live', mosquitto.url, '--for', '1h', '--save', 'drafts', '--json'],
        { cwd },
      );
      await newClient(mosquitto, /Sending SUBACK to tg-check-/);
      await publish(publisher, messages);
      const received = messages.length + messages.filter(({ retain }) => retain).length;
      await until(
        'all have it',
        () => witness.topics.length === received && member.topics.length === received,
      );
      // What it has not read yet is on its way: the broker answers in order.
      await publish(publisher, [{ topic: 'last/one', payload: 'x', retain: false }]);
      await until('it has it too', () =>
        /Sending PUBLISH to tg-check-\S+ .*'last\/one'/.test(mosquitto.log()),
      );
      expect(await trial.stop()).toBe(0);
      expect(trial.stderr()).toBe('');
      const report: Report = JSON.parse(trial.stdout());

      const airs = messages.filter(({ topic }) => topic.endsWith('/air'));
      const hot = airs.filter(({ payload }) => JSON.parse(payload).temperature > 20);
      expect(report.schemas).toEqual([
        expect.objectContaining({
          ...{ schema: 'air.v1', topics: 5, series: 5 },
          ...{ stored: airs.length - hot.length, rejected: hot.length },
        }),
      ]);
      expect(report.causes).toEqual([
        expect.objectContaining({
          code: 'invalid',
          count: hot.length,
          message: expect.stringContaining('20'),
        }),
      ]);
      expect(report.warnings).toEqual([]);
      const drafted = report.families.filter(({ draft }) => draft !== null);
      expect(drafted.map(({ pattern }) => pattern)).toEqual(
        expect.arrayContaining([
          ...[
            'plant/{line}/{device}/{field}',
            'tele/{device}/STATE',
            'tele/{device}/SENSOR',
            'tele/{device}/{field}',
          ],
          ...['zigbee2mqtt/{device}', 'zigbee2mqtt/{device}/availability', '{device}/sensor/{field}/state'],
        ]),
      );
      for (const { draft } of drafted)
        expect(draft).toMatchObject({ problems: [], accepted: draft?.samples });

      // Of what it did there, the broker's log is the witness.
      expect(mosquitto.log()).not.toMatch(/Received PUBLISH from tg-check-/);
      expect(witness.topics).toHaveLength(received + 1);
      expect(member.topics).toHaveLength(received + 1);
      expect(mosquitto.log()).toMatch(/tg-check-\S+ \(p2, c1, k30\)/);
      expect(readdirSync(cwd).toSorted()).toEqual(['drafts', 'gateway.yaml', 'schemas']);
      await storedUnderDrafts(
        join(cwd, 'drafts'),
        messages.filter(({ topic }) => !topic.endsWith('/air')),
      );
    } finally {
      for (const client of [publisher, witness.client, member.client]) await client.endAsync(true);
      await mosquitto.stop();
    }
  });

  test('what cannot be saved does not cost the report', async () => {
    const mosquitto = await startMosquitto({ conf: CONF });
    const cwd = temporaryFolder('trial');
    const publisher = await connectAsync(mosquitto.url, { reconnectPeriod: 0 });
    try {
      await publish(publisher, [{ topic: 'cold/berlin/r1', payload: '{"t":4.5}', retain: true }]);
      const trial = start(
        process.execPath,
        [GATEWAY_MAIN, 'check', '--live', mosquitto.url, '--for', '1h', '--save', 'drafts'],
        { cwd },
      );
      await newClient(mosquitto, /Sending PUBLISH to tg-check-/);
      expect(readdirSync(join(cwd, 'drafts'))).toEqual([]);
      // The folder is gone, and there can be none.
      rmdirSync(join(cwd, 'drafts'));
      writeFileSync(join(cwd, 'drafts'), '');
      expect(await trial.stop()).toBe(1);
      expect(trial.stdout()).toMatch(/^listened .*\n1 messages, 1 of them retained/);
      expect(trial.stdout()).toMatch(/^FAILED .*cold-berlin\.v1\.json: /m);
      expect(trial.stderr()).toMatch(
        /^telemetry-gateway: --save drafts: 1 of 1 drafts could not be written: /,
      );
    } finally {
      await publisher.endAsync(true);
      await mosquitto.stop();
    }
  });

  test('of a configured broker takes the address and the filters, and neither its client id nor its group', async () => {
    const mosquitto = await startMosquitto({ conf: CONF });
    const cwd = temporaryFolder('trial');
    const broker = { name: 'house', url: mosquitto.url, clientId: 'gw-1', subscribe: ['$share/g/site/#'] };
    writeFileSync(join(cwd, 'gateway.yaml'), JSON.stringify({ brokers: [broker] }));
    try {
      const { code, stdout } = await run(
        process.execPath,
        [GATEWAY_MAIN, 'check', '--live', 'house', '--for', '200ms', '--json'],
        { cwd },
      );
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ subscriptions: [{ filter: 'site/#', refused: null }] });
      expect(mosquitto.log()).toMatch(/tg-check-\S+ 0 site\/#/);
      expect(mosquitto.log()).not.toMatch(/gw-1|\$share/);
    } finally {
      await mosquitto.stop();
    }
  });

  test('warns where the broker lets it see nothing, and says why it cannot reach one', async () => {
    const dir = temporaryFolder('mosquitto-acl');
    const cwd = temporaryFolder('trial');
    writeFileSync(join(dir, 'acl'), 'user nobody\ntopic read nothing\n');
    const mosquitto = await startMosquitto({ dir, conf: `${CONF}acl_file ${join(dir, 'acl')}\n` });
    try {
      writeFileSync(join(cwd, 'password'), 'secret\n');
      const { code, stdout, stderr } = await run(
        process.execPath,
        [
          GATEWAY_MAIN,
          'check',
          '--live',
          mosquitto.url,
          '--for',
          '300ms',
          '--username',
          'u',
          '--password-file',
          'password',
        ],
        { cwd },
      );
      expect(stderr).toBe('');
      // It may refuse the subscription, or grant it and deliver nothing.
      expect(stdout).toMatch(/WARNING: (?:the broker refused the subscription to #|nothing came)/);
      expect([0, 1]).toContain(code);
    } finally {
      await mosquitto.stop();
    }
    const gone = await run(process.execPath, [GATEWAY_MAIN, 'check', '--live', mosquitto.url], { cwd });
    expect(gone).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/nobody listens at 127\.0\.0\.1:\d+\n$/),
    });
  });
});

/** The drafts as they are make a gateway store this traffic; nothing of it is rejected. */
async function storedUnderDrafts(schemas: string, messages: readonly Sent[]): Promise<void> {
  for (const file of readdirSync(schemas))
    expect(JSON.parse(readFileSync(join(schemas, file), 'utf8')).$id).toBeTruthy();
  const gateway = await startGateway({ config: { schemas } });
  const client = await connectAsync(`mqtt://127.0.0.1:${gateway.port}`, { reconnectPeriod: 0 });
  try {
    await publish(client, messages);
    const { total } = await accountOf(gateway);
    expect(total).toMatchObject({ rejected: 0, refused: 0 });
    expect(sumOf(total)).toBe(messages.length);
    const readings = messages.filter(
      ({ topic }) => !/\/(?:debug|config)$|^zigbee2mqtt\/bridge\//.test(topic),
    );
    expect(total.stored + total.duplicate).toBe(readings.length);
  } finally {
    await client.endAsync(true);
    await gateway.stop();
  }
}
