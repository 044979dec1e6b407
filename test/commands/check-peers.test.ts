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
  else expect(out).not.toContain('peers:');
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
      probeBroker: async ({ url }) => {
        asked.push(url);
        return 'nobody listens';
      },
    },
  });
  expect(asked).toEqual(['mqtt://cellar']);
  expect(out).toMatch(/peer cellar.*nobody listens/);
  expect(code).toBe(1);
});
