import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { explanationText } from '../../gateway/commands/explain.ts';
import type { ExplainedHome, Explanation } from '../../gateway/operations-contract.ts';
import { RESENT, writeSchemas } from '../support/test-schemas.ts';
import { type CommandWorld, commandWorld } from './command-world.ts';
import { fakeOperations } from './fake-operations.ts';

const PEERS = 'peers: { name: attic, others: [{ name: cellar, url: "mqtt://127.0.0.1:9" }] }\n';
const GOOD = '{"boot":1,"seq":1,"value":1}';

let world: CommandWorld;

beforeEach(() => {
  world = commandWorld();
  const schemas = join(world.cwd, 'own');
  mkdirSync(schemas);
  writeSchemas(schemas, RESENT);
});

afterEach(async () => {
  await world.stopRunning();
});

async function explain(topic: string, ...more: readonly string[]): Promise<Explanation> {
  const { out } = await world.run(['explain', '-t', topic, '--json', ...more]);
  // The shape is the program's own; a wrong one fails the test that reads it.
  return JSON.parse(out) as Explanation;
}

describe('explain among peers', () => {
  test('says which gateway is the home of a topic, and what becomes of what comes here', async () => {
    writeFileSync(join(world.cwd, 'gateway.yaml'), `schemas: ./own\n${PEERS}`);
    const topics = new Map<string, string>();
    for (let i = 0; topics.size < 2 && i < 100; i += 1) {
      const topic = `resent/dev-${i}`;
      topics.set((await explain(topic)).home?.gateway ?? 'nobody', topic);
    }
    expect([...topics.keys()].sort((a, b) => a.localeCompare(b))).toEqual(['attic', 'cellar']);
    const [own = '', foreign = ''] = [topics.get('attic'), topics.get('cellar')];
    const passedOn =
      /^home {5}cellar; what comes over a shared subscription is passed on to it, not stored here: a repeat/m;
    expect((await world.run(['explain', '-t', foreign])).out).toMatch(passedOn);
    expect((await world.run(['explain', '-t', foreign, '-p', GOOD])).out).toMatch(passedOn);
    expect((await world.run(['explain', '-t', foreign, '-p', '{}'])).out).toMatch(
      /^outcome {2}rejected\nhome {5}cellar; .* passed on to it, not stored here: what is rejected/m,
    );
    expect((await explain(foreign, '-p', GOOD)).home).toEqual({
      ...{ gateway: 'cellar', isHere: false, passedOn: true, why: expect.stringContaining('identity') },
    });
    const { out } = await world.run(['explain', '-t', own, '-p', GOOD]);
    expect(out).toMatch(
      /^home {5}attic, this gateway; what comes over a shared subscription is stored here$/m,
    );
    expect((await explain(own, '-p', GOOD)).home).toMatchObject({ isHere: true, passedOn: false });
  });

  test('says nothing of it without peers', async () => {
    writeFileSync(join(world.cwd, 'gateway.yaml'), 'schemas: ./own\n');
    expect(await explain('resent/dev-1', '-p', GOOD)).not.toHaveProperty('home');
    expect((await world.run(['explain', '-t', 'resent/dev-1', '-p', GOOD])).out).not.toContain('home');
  });
});

describe('explain of a topic that none claims', () => {
  const broken =
    /^schema {3}none claims this topic\n +but 1 schema file is broken, .*see `telemetry-gateway check`/m;

  test('tells of schema files that are broken, and may be meant for it', async () => {
    writeFileSync(join(world.cwd, 'gateway.yaml'), 'schemas: ./own\n');
    expect((await world.run(['explain', '-t', 'other/x'])).out).not.toContain('broken');
    writeFileSync(join(world.cwd, 'own', 'other.v1.json'), '{ "$id": ');
    expect((await world.run(['explain', '-t', 'other/x'])).out).toMatch(broken);
    expect(await explain('other/x')).toMatchObject({ schemaErrors: 1 });
    expect(await explain('resent/dev-1')).not.toHaveProperty('schemaErrors');
  });

  test('asks the gateway that runs for them', async () => {
    const operations = fakeOperations();
    const { status, explain: answer } = operations;
    await world.running({
      ...operations,
      status: async () => ({ ...(await status()), schemaErrors: 1 }),
      explain: async (request) => ({
        ...(await answer(request)),
        outcome: 'forwarded',
        schemas: [],
        readings: [],
      }),
    });
    expect((await world.run(['explain', '-t', 'other/x'])).out).toMatch(broken);
  });
});

test.each<[Explanation['outcome'], Partial<ExplainedHome>, string]>([
  ['stored', {}, 'shed; what comes over a shared subscription is stored here all the same: so'],
  ['rejected', {}, 'shed; what comes over a shared subscription stays here all the same: so'],
  ['rejected', { isHere: true }, 'shed, this gateway; what comes over a shared subscription stays here'],
  ['route', { passedOn: null }, 'shed; so: give a payload with --payload'],
])('of a message that is %s here, the home is told in words: %j', (outcome, some, words) => {
  const home: ExplainedHome = { gateway: 'shed', isHere: false, passedOn: false, why: 'so', ...some };
  const rest = { topic: 't', schemas: [], format: null, nearest: null, readings: [] };
  expect(explanationText({ ...rest, outcome, home })).toContain(`\nhome     ${words}\n`);
});
