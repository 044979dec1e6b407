import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ForwardConfig, GatewayConfig } from '../../gateway/config/gateway-config.ts';
import { loadConfig, parseConfig } from '../../gateway/config/load-config.ts';
import { outgoingOf, sharesAlone, sharesNothing } from '../../gateway/config/peers.ts';
import { redacted } from '../../gateway/config/redact.ts';
import { isGatewayError, problemText } from '../../gateway/errors.ts';
import { CONNECTION } from '../support/broker-connection.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

function configOf(text: string): GatewayConfig {
  return parseConfig(text, { file: 'gateway.yaml', cwd: '/etc/telemetry', environment: {} });
}

/** The attic, with these others: one YAML flow map for each. */
function peersOf(...others: readonly string[]): string {
  return `peers:\n  name: attic\n  others:\n${others.map((each) => `    - ${each}\n`).join('')}`;
}

function link(other: string): ForwardConfig {
  const [first] = configOf(peersOf(other)).peers?.others ?? [];
  if (first === undefined) throw new Error('there is none');
  return first.link;
}

function problemsOf(text: string): string {
  try {
    configOf(text);
    return '';
  } catch (error) {
    if (!isGatewayError(error, 'config-invalid')) throw error;
    return error.problems.map(problemText).join('\n');
  }
}

const CELLAR = '{ name: cellar, url: "mqtt://cellar.local" }';
const HOST = hostname()
  .replace(/[^A-Za-z0-9._-]/g, '')
  .slice(0, 40);

describe('peers in the configuration', () => {
  test('are none where nothing is said', () => {
    expect(configOf('').peers).toBeNull();
    expect(outgoingOf(configOf(''))).toEqual([]);
  });

  test('need no more than their names and addresses', () => {
    const { peers } = configOf(peersOf(CELLAR));
    expect(peers?.name).toBe('attic');
    expect(peers?.others).toEqual([
      {
        name: 'cellar',
        answers: 'cellar',
        link: {
          name: 'peer/cellar',
          connection: {
            ...CONNECTION,
            url: 'mqtt://cellar.local',
            clientId: `telemetry-gateway-${HOST}-peer-attic:cellar`,
          },
          topics: [],
          send: 'raw',
          prefix: '',
          retain: false,
          maxInFlight: 1000,
          maxBacklogBytes: 256 * 2 ** 20,
          whenFull: 'refuse',
          givesUp: false,
        },
      },
    ]);
  });

  test('can say everything', () => {
    expect(
      link(
        `{ name: cellar, url: "mqtts://cellar:8883", clientId: me, username: u, password: p, caFile: ca.pem, certFile: /c, keyFile: /k,
          serverName: s, insecure: true, keepalive: 5s, maxInFlight: 7, maxBacklog: 1MiB }`,
      ),
    ).toMatchObject({
      connection: {
        ...{ clientId: 'me', username: 'u', password: 'p', keepaliveSeconds: 5 },
        tls: {
          caFile: '/etc/telemetry/ca.pem',
          certFile: '/c',
          keyFile: '/k',
          serverName: 's',
          insecure: true,
        },
      },
      maxInFlight: 7,
      maxBacklogBytes: 2 ** 20,
    });
  });

  test('leave together with what is forwarded, each from an outbox of its own', () => {
    const config = configOf(
      `${peersOf(CELLAR, '{ name: shed, url: "mqtt://shed" }')}forward: [{ name: cellar, url: "mqtt://cloud", topics: [a] }]\n`,
    );
    expect(outgoingOf(config).map(({ name }) => name)).toEqual(['cellar', 'peer/cellar', 'peer/shed']);
  });

  test('have a client id that each can tell from those of the others, and that a gateway takes', () => {
    const ids = (own: string, ...others: readonly string[]): string[] =>
      (
        configOf(
          `peers: { name: ${own}, others: [${others.map((each) => `{ name: ${each}, url: "mqtt://${each}" }`).join()}] }`,
        ).peers?.others ?? []
      ).map(({ link: { connection } }) => connection.clientId);
    const long = 'x'.repeat(63);
    const { maxClientIdBytes } = configOf('').mqtt.limits;
    for (const [own, one, another] of [
      ['a', 'b', 'c'],
      [`${long}o`, `${long}a`, `${long}b`],
      ['o', `${long}a`, `${long}b`],
      [`${long}o`, 'a', 'b'],
    ] as const) {
      const found = ids(own, one, another);
      expect(new Set(found).size).toBe(2);
      for (const id of found) {
        expect(id).toContain(`-peer-${own}:`);
        expect(id.length).toBeLessThanOrEqual(maxClientIdBytes);
      }
    }
    expect(ids('a-b', 'c')).not.toEqual(ids('a', 'b-c'));
  });

  test('of which one stands in for another are reached at one address, as three gateways have it', () => {
    const { peers } = configOf(
      peersOf(
        '{ name: cellar, url: "mqtt://cellar" }',
        '{ name: shed, url: "mqtt://cellar", standIn: cellar }',
      ),
    );
    expect(peers?.others.map(({ answers }) => answers)).toEqual(['cellar', 'cellar']);
  });

  test('may have packets of just that size', () => {
    expect(problemsOf(`${peersOf(CELLAR)}limits: { payloadBytes: 895KiB }\n`)).toBe('');
    expect(problemsOf('limits: { payloadBytes: 1MiB }\n'), 'without peers').toBe('');
  });

  test.each([
    ['this gateway itself', 'attic'],
    ['another peer', 'shed'],
  ])('that do not come back may be stood in for, by %s: it answers under its own name', (_, standIn) => {
    const { peers } = configOf(
      peersOf(
        `{ name: cellar, url: "mqtt://127.0.0.1:1883", standIn: ${standIn} }`,
        '{ name: shed, url: "mqtt://shed" }',
      ),
    );
    expect(peers?.others.map(({ name, answers, link }) => [name, answers, link.name])).toEqual([
      ['cellar', standIn, 'peer/cellar'],
      ['shed', 'shed', 'peer/shed'],
    ]);
  });

  test('keep their passwords to themselves', () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'pw'), 'hush\n');
    writeFileSync(
      join(cwd, 'g.yaml'),
      peersOf('{ name: c, url: "mqtt://h", username: u, passwordFile: ./pw }'),
    );
    const config = loadConfig({ file: 'g.yaml', cwd, environment: {} });
    expect(config.peers?.others[0]?.link.connection.password).toBe('hush');
    expect(JSON.stringify(redacted(config))).not.toContain('hush');
  });

  test.each<[name: string, text: string, problem: string]>([
    [
      'a stand-in that is nobody',
      peersOf(CELLAR, '{ name: shed, url: "mqtt://h", standIn: roof }'),
      '/peers/others/1/standIn is neither this gateway nor one of the others',
    ],
    [
      'a stand-in that is the peer itself',
      peersOf('{ name: shed, url: "mqtt://h", standIn: shed }'),
      '/peers/others/0/standIn is the peer itself: leave it out',
    ],
    [
      'a stand-in with a slash',
      peersOf('{ name: shed, url: "mqtt://h", standIn: a/b }'),
      '/peers/others/0/standIn must be a name of letters',
    ],
    [
      'so little room that one sync may be too much',
      peersOf(CELLAR, '{ name: shed, url: "mqtt://h", maxBacklog: 1023KiB }'),
      '/peers/others/1/maxBacklog must be at least 1MiB',
    ],
    [
      'two of one name',
      peersOf(CELLAR, CELLAR),
      '/peers/others/1/name must differ from the names of this gateway and',
    ],
    ['its own name', peersOf(CELLAR, '{ name: attic, url: "mqtt://h" }'), '/peers/others/1/name must differ'],
    ['no name of its own', `peers: { others: [${CELLAR}] }`, '/peers needs name'],
    ['no others', 'peers: { name: attic }', '/peers needs others'],
    ['an empty list', 'peers: { name: attic, others: [] }', '/peers/others must have at least one entry'],
    [
      'sixteen others',
      peersOf(...Array.from({ length: 16 }, (_, i) => `{ name: p${i}, url: "mqtt://p${i}" }`)),
      '/peers/others must',
    ],
    [
      'payloads that would not fit into a packet, with what is known of them',
      `${peersOf(CELLAR)}limits: { payloadBytes: 900KiB }\n`,
      '/peers needs mqtt.limits.packet to be larger than limits.payloadBytes by 129KiB',
    ],
    ['no address', peersOf('{ name: cellar }'), '/peers/others/0 needs url'],
    [
      'an address with a path',
      peersOf('{ name: c, url: "mqtt://h/path" }'),
      '/peers/others/0/url has a path',
    ],
    ['another scheme', peersOf('{ name: c, url: "http://h" }'), '/peers/others/0/url must be a mqtt://'],
    [
      'no address at all',
      peersOf('{ name: c, url: "mqtt://h:x" }'),
      '/peers/others/0/url is no valid address',
    ],
    [
      'a user in the address',
      peersOf('{ name: c, url: "mqtt://u:p@h" }'),
      '/peers/others/0/url must be a mqtt://',
    ],
    [
      'a name with a slash',
      peersOf('{ name: a/b, url: "mqtt://h" }'),
      '/peers/others/0/name must be a name of letters',
    ],
    [
      'a password without a user',
      peersOf('{ name: c, url: "mqtt://h", password: p }'),
      '/peers/others/0 needs username',
    ],
    [
      'a certificate where nothing is encrypted',
      peersOf('{ name: c, url: "mqtt://h", caFile: f }'),
      '/peers/others/0/caFile is for mqtts://',
    ],
    ['a protocol', peersOf('{ name: c, url: "mqtt://h", protocol: 5 }'), '/peers/others/0/protocol'],
    [
      'two under one client id at one address',
      peersOf(
        '{ name: cellar, url: "mqtt://cellar", clientId: me }',
        '{ name: shed, url: "mqtt://cellar", clientId: me }',
      ),
      '/peers/others/1 connects to the same broker under the same client id',
    ],
    [
      'topics too short to ask on',
      `${peersOf(CELLAR)}mqtt: { limits: { topicBytes: 100 } }\n`,
      '/peers needs mqtt.limits.topicBytes of 117 and topicLevels of 5 at least',
    ],
    [
      'topics too shallow to ask on',
      `${peersOf(CELLAR)}mqtt: { limits: { topicLevels: 4 } }\n`,
      '/peers needs mqtt.limits.topicBytes of 117 and topicLevels of 5 at least',
    ],
    [
      'the client id of a broker that is the same program',
      `${peersOf('{ name: c, url: "mqtt://h", clientId: me }')}brokers: [{ name: h, url: "mqtt://h", clientId: me, subscribe: [a] }]\n`,
      'under the same client id',
    ],
  ])('are told of a problem: %s', (_, text, problem) => {
    expect(problemsOf(text)).toContain(problem);
  });
});

describe('a gateway shares alone', () => {
  const SHARES = 'brokers: [{ name: h, url: "mqtt://h", subscribe: [{ topic: a, share: g }, b] }]\n';

  test.each([
    ['where a filter is shared and nobody is a peer', SHARES, true],
    [
      'also where the filter itself says so',
      'brokers: [{ name: h, url: "mqtt://h", subscribe: [$share/g/a] }]',
      true,
    ],
    ['not where it has peers', `${SHARES}${peersOf(CELLAR)}`, false],
    ['not where nothing is shared', 'brokers: [{ name: h, url: "mqtt://h", subscribe: [a] }]', false],
    ['not where there are no brokers', '', false],
  ])('%s', (_, text, alone) => {
    expect(sharesAlone(configOf(text))).toBe(alone);
  });
});

describe('peers that share nothing', () => {
  const READS = 'brokers: [{ name: h, url: "mqtt://h", subscribe: [a, b] }]\n';
  const SHARES = 'brokers: [{ name: h, url: "mqtt://h", subscribe: [a, { topic: b, share: g }] }]\n';

  test.each([
    ['read from a broker, and no filter has a share', `${READS}${peersOf(CELLAR)}`, true],
    ['are not those of which one filter has', `${SHARES}${peersOf(CELLAR)}`, false],
    ['are not those that read from no broker', peersOf(CELLAR), false],
    ['are no peers at all', READS, false],
  ])('%s', (_, text, apart) => {
    expect(sharesNothing(configOf(text))).toBe(apart);
  });
});
