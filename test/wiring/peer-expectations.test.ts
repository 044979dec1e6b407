import { expect, test } from 'vitest';
import { parseConfig } from '../../gateway/config/load-config.ts';
import { packHello, readHello } from '../../gateway/peer-hello.ts';
import {
  createHello,
  digestsOfSchemas,
  expectedOf,
  helloOf,
} from '../../gateway/wiring/peer-expectations.ts';

const OPEN = { state: 'open', reason: null } as const;
const config = parseConfig(
  `peers:
  name: attic
  others: [{ name: cellar, url: "mqtt://cellar" }, { name: shed, url: "mqtt://cellar", standIn: cellar }]
mqtt: { limits: { packet: 4MiB } }
limits: { payloadBytes: 2MiB }
`,
  { file: 'gateway.yaml', cwd: '/etc/telemetry', environment: {} },
);
const alone = parseConfig('', { file: 'gateway.yaml', cwd: '/etc/telemetry', environment: {} });
const schemas = digestsOfSchemas(['b.v1', 'a.v1'], { versionOf: (id) => `of ${id}` });

test('a gateway says who it is, what it takes, and what schemas it has', () => {
  const hello = helloOf(config, schemas, OPEN);
  expect(readHello(packHello(hello))).toEqual({
    ...{ name: 'attic', others: ['cellar', 'shed'], maxPacketBytes: 4 * 2 ** 20, full: null },
    schemas: {
      ...{ all: schemas.all, complete: true },
      each: new Map([
        ['a.v1', 'of a.v1'],
        ['b.v1', 'of b.v1'],
      ]),
    },
  });
  expect(helloOf(alone, schemas, OPEN)).toMatchObject({ name: null, others: [] });
});

test('a gateway says why it takes nothing now', () => {
  expect(helloOf(config, schemas, { state: 'full', reason: 'no room' }).full).toBe('no room');
  expect(helloOf(config, schemas, { state: 'closed', reason: null }).full).toBe('closed');
});

test('a gateway expects of a peer that all share, and that it takes what may be passed on', () => {
  const more = { schemas: () => schemas, warn: () => undefined };
  const [, shed] = config.peers?.others ?? [];
  expect(shed === undefined ? null : expectedOf(config, shed, more)).toEqual({
    ...{ asker: 'attic', name: 'cellar', members: new Set(['attic', 'cellar', 'shed']) },
    ...{ maxPayloadBytes: 2 * 2 ** 20, ...more },
  });
});

test('asked without end, it looks at its schemas once a second', () => {
  let nowMs = 0;
  let looks = 0;
  let state: 'open' | 'full' = 'open';
  const counted = (): typeof schemas => {
    looks += 1;
    return schemas;
  };
  const deps = {
    schemas: counted,
    status: () => ({ state, reason: null }),
    clock: { monotonicMs: () => nowMs },
  };
  const hello = createHello(config, deps);
  for (; nowMs < 3000; nowMs += 1) hello();
  expect(looks).toBe(3);
  state = 'full';
  expect(readHello(hello())?.full).toBe('full');

  const ofOneAlone = readHello(createHello(alone, deps)());
  expect(looks).toBe(4);
  expect(ofOneAlone?.schemas.each.size).toBe(0);
});
