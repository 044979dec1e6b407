import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { realParts } from '../../gateway/commands/real-parts.ts';
import { schema } from '../readings/under-test.ts';
import { commandWorld } from './command-world.ts';

const BROKERS = 'brokers: [{ name: h, url: "mqtt://h", subscribe: [{ topic: t/#, share: g }] }]\n';
const PEERS = 'peers: { name: attic, others: [{ name: cellar, url: "mqtt://cellar" }] }\n';

test.each([
  [
    'says where it shares alone which schemas may store a reading twice, and that is no failure',
    BROKERS,
    true,
  ],
  ['says nothing of it where there are peers', BROKERS + PEERS, false],
  ['says nothing of it where nothing is shared', '', false],
])('check %s', async (_, config, isTold) => {
  const world = commandWorld();
  const dir = join(world.cwd, 'schemas');
  mkdirSync(dir);
  const parts = { telemetry: { identity: ['seq'] }, properties: { seq: { type: 'integer' } } };
  writeFileSync(join(dir, 'env.json'), JSON.stringify(schema(parts), null, 2));
  writeFileSync(
    join(world.cwd, 'gateway.yaml'),
    `schemas: ./schemas\nmqtt: { listeners: [{ port: 0 }] }\nhttp: { port: 0 }\n${config}`,
  );
  const { code, out } = await world.run(['check', '--offline'], {
    parts: { loadReadings: realParts.loadReadings },
  });
  expect(out).toContain('test.v1');
  if (isTold) expect(out).toMatch(/env\.json:\d+:\d+ \/telemetry\/identity .*list them under `peers:`/);
  else expect(out).not.toContain('list them under');
  expect(code).toBe(0);
});

test('check asks each peer, and says which one is away', async () => {
  const world = commandWorld();
  writeFileSync(
    join(world.cwd, 'gateway.yaml'),
    `mqtt: { listeners: [{ port: 0 }] }\nhttp: { port: 0 }\n${PEERS}`,
  );
  const asked: string[] = [];
  const { code, out } = await world.run(['check'], {
    parts: {
      probeSink: async () => null,
      fieldTypeProblems: async () => null,
      probeBroker: async ({ url }, _signal, peer) => {
        asked.push(`${url} ${peer?.asker} ${peer?.name} ${peer?.maxPayloadBytes}`);
        return 'nobody listens';
      },
    },
  });
  expect(asked).toEqual([`mqtt://cellar attic cellar ${256 * 1024}`]);
  expect(out).toMatch(/FAIL +peer cellar: mqtt:\/\/cellar, as client \S+-peer-attic:cellar: nobody listens/);
  expect(code).toBe(1);
});

test('check passes on what a peer has otherwise, and that is no failure', async () => {
  const world = commandWorld();
  mkdirSync(join(world.cwd, 'schemas'));
  writeFileSync(join(world.cwd, 'schemas/env.json'), JSON.stringify(schema({})));
  writeFileSync(
    join(world.cwd, 'gateway.yaml'),
    `schemas: ./schemas\nmqtt: { listeners: [{ port: 0 }] }\nhttp: { port: 0 }\n${PEERS}`,
  );
  const ours: unknown[] = [];
  const { code, out } = await world.run(['check'], {
    parts: {
      loadReadings: realParts.loadReadings,
      probeBroker: async (_connection, _signal, peer) => {
        ours.push(...(peer?.schemas()?.each.keys() ?? []));
        peer?.warn('cellar has other schemas');
        return null;
      },
    },
  });
  expect(ours).toEqual(['test.v1']);
  expect(out).toMatch(/ok +peer cellar: mqtt:\/\/cellar, as client \S+; but cellar has other schemas$/m);
  expect(code).toBe(0);
});

test.each([
  ['warns of peers that share nothing', 'brokers: [{ name: h, url: "mqtt://h", subscribe: [t/#] }]\n', true],
  ['does not where they do', BROKERS, false],
])('check says who the peers are, and %s', async (_, brokers, isApart) => {
  const world = commandWorld();
  writeFileSync(
    join(world.cwd, 'gateway.yaml'),
    `mqtt: { listeners: [{ port: 0 }] }\nhttp: { port: 0 }\n${brokers}${PEERS}`,
  );
  const { code, out } = await world.run(['check', '--offline']);
  expect(out).toMatch(/ok +peers: attic, with cellar/);
  if (isApart) expect(out).toContain('; but no filter of brokers: has a share');
  else expect(out).not.toContain('has a share');
  expect(code).toBe(0);
});

test('check says under which client id it reads from a broker', async () => {
  const world = commandWorld();
  const broker = 'brokers: [{ name: h, url: "mqtt://h", clientId: gw-1, subscribe: [t/#] }]\n';
  writeFileSync(
    join(world.cwd, 'gateway.yaml'),
    `mqtt: { listeners: [{ port: 0 }] }\nhttp: { port: 0 }\n${broker}`,
  );
  expect((await world.run(['check'])).out).toMatch(/ok +broker h: mqtt:\/\/h, as client gw-1$/m);
});

test.each([
  ['protocol: 5, sessionExpiry: 0s', true],
  ['protocol: 5, sessionExpiry: 0s, cleanStart: true', false],
  ['protocol: 5, sessionExpiry: 1s', false],
  ['sessionExpiry: 0s', false],
])(
  'check warns of a broker that is to keep nothing for us, if nobody has said so (%s)',
  async (keys, isTold) => {
    const world = commandWorld();
    const broker = `brokers: [{ name: h, url: "mqtt://h", subscribe: [t/#], ${keys} }]\n`;
    writeFileSync(
      join(world.cwd, 'gateway.yaml'),
      `mqtt: { listeners: [{ port: 0 }] }\nhttp: { port: 0 }\n${broker}`,
    );
    const { out } = await world.run(['check']);
    expect(out).toMatch(/ok +broker h: /);
    expect(out.includes('; but with sessionExpiry: 0s the broker keeps nothing')).toBe(isTold);
  },
);
