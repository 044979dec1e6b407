import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { ForwardConfig, GatewayConfig } from '../../gateway/config/gateway-config.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import { redacted } from '../../gateway/config/redact.ts';
import { isGatewayError, problemText } from '../../gateway/errors.ts';
import { CONNECTION } from '../support/broker-connection.ts';

function configOf(text: string): GatewayConfig {
  return parseConfig(text, { file: 'gateway.yaml', cwd: '/etc/telemetry', environment: {} });
}

function forward(entry: string, before = ''): ForwardConfig {
  const [first] = configOf(`${before}\nforward:\n  - ${entry}\n`).forward;
  if (first === undefined) throw new Error('there is none');
  return first;
}

function problemsOf(entry: string, before = ''): string[] {
  try {
    forward(entry, before);
    return [];
  } catch (error) {
    if (!isGatewayError(error, 'config-invalid')) throw error;
    return error.problems.map(problemText);
  }
}

const HOUSE = `
brokers:
  - { name: house, url: "mqtts://broker.local", protocol: 5, username: u, password: p, caFile: ca.pem, subscribe: [plant/#], clientId: in }`;

describe('a forward in the configuration', () => {
  test('needs no more than a name, an address and topics', () => {
    expect(forward('{ name: up, url: "mqtt://cloud", topics: [sensors/#] }')).toEqual({
      name: 'up',
      connection: {
        ...CONNECTION,
        url: 'mqtt://cloud',
        clientId: `telemetry-gateway-${hostname()
          .replace(/[^A-Za-z0-9._-]/g, '')
          .slice(0, 40)}-forward-up`,
      },
      topics: ['sensors/#'],
      send: 'valid',
      prefix: '',
      retain: false,
      maxInFlight: 100,
      givesUp: true,
      maxBacklogBytes: 256 * 2 ** 20,
      whenFull: 'block',
    });
  });

  test('takes address, user and certificates from a broker that is read, under an id of its own', () => {
    const { connection } = forward('{ name: up, broker: house, topics: [sensors/#], clientId: out }', HOUSE);
    expect(connection).toMatchObject({
      url: 'mqtts://broker.local',
      protocolVersion: 5,
      clientId: 'out',
      username: 'u',
      password: 'p',
      cleanStart: true,
      tls: { caFile: '/etc/telemetry/ca.pem' },
    });
  });

  test('shows no secret', () => {
    const text = '\nforward:\n  - { name: up, broker: house, topics: [a] }\n';
    expect(JSON.stringify(redacted(configOf(HOUSE + text)))).not.toContain('"p"');
  });

  test.each<[name: string, entry: string, before: string, problem: string | null]>([
    ['nowhere', '{ name: up, topics: [a] }', '', '/forward/0 needs url, or broker'],
    ['an unknown broker', '{ name: up, broker: x, topics: [a] }', '', 'is no entry of brokers: x'],
    [
      'both',
      '{ name: up, broker: house, url: "mqtt://h", topics: [a] }',
      HOUSE,
      '/forward/0/url cannot stand beside broker',
    ],
    ['a bad filter', '{ name: up, url: "mqtt://h", topics: [a/#/b] }', '', '/forward/0/topics/0 has #'],
    ['a shared filter', '{ name: up, url: "mqtt://h", topics: [$share/g/a] }', '', 'cannot be shared'],
    ['a bad prefix', '{ name: up, url: "mqtt://h", topics: [a], prefix: "+/" }', '', '/forward/0/prefix'],
    ['the name of a sink', '{ name: embedded, url: "mqtt://h", topics: [a] }', '', '/forward/0/name must'],
    [
      'the id of another client',
      '{ name: up, broker: house, topics: [a], clientId: in }',
      HOUSE,
      'under the same client id',
    ],
    ['a circle through a broker', '{ name: up, broker: house, topics: ["#"] }', HOUSE, 'a loop'],
    ['a circle at once', '{ name: up, broker: house, topics: [plant/1] }', HOUSE, 'a loop'],
    ['a circle with a prefix', '{ name: up, broker: house, topics: ["#"], prefix: plant/ }', HOUSE, 'a loop'],
    ['part of a level', '{ name: up, broker: house, topics: ["#"], prefix: plant/x }', HOUSE, 'a loop'],
    [
      'a circle over two names of this machine',
      '{ name: up, url: "mqtt://127.0.0.1:1884", topics: [plant/#] }',
      '\nbrokers: [{ name: house, url: "mqtt://localhost:1884", subscribe: [plant/#] }]',
      'the broker that is read as house',
    ],
    ['a prefix out of it', '{ name: up, broker: house, topics: ["#"], prefix: out/ }', HOUSE, null],
    ['other topics', '{ name: up, broker: house, topics: [sensors/#] }', HOUSE, null],
    ['another port', '{ name: up, url: "mqtt://broker.local", topics: ["#"] }', HOUSE, null],
    ['itself', '{ name: up, url: "mqtt://localhost", topics: [a/+] }', '', 'to this gateway itself'],
    ['itself, under a prefix', '{ name: up, url: "mqtt://127.0.0.1", topics: [a/+], prefix: b/ }', '', null],
    ...['0.0.0.0', '127.1', '2130706433', '0x7f.0.0.1', '[::1]', '[::ffff:127.0.0.1]', 'LOCALHOST'].map(
      (host): [string, string, string, string | null] => [
        `itself, as ${host}`,
        `{ name: up, url: "mqtt://${host}", topics: [a/+] }`,
        '',
        'to this gateway itself',
      ],
    ),
    [
      'itself, by the name of this machine',
      `{ name: up, url: "mqtt://${hostname()}", topics: [a/+] }`,
      '\nmqtt: { listeners: [{ host: 0.0.0.0, anonymous: true }] }',
      'to this gateway itself',
    ],
    [
      'a circle over itself',
      '{ name: up, url: "mqtt://localhost", topics: [x/#], prefix: y/ }\n  - { name: back, url: "mqtt://127.1", topics: [y/#], prefix: x/ }',
      '',
      'by way of the forward back',
    ],
    [
      'crosswise prefixes at one broker',
      '{ name: up, broker: both, topics: [x/#], prefix: y/ }\n  - { name: back, broker: both, topics: [y/#], prefix: x/ }',
      '\nbrokers: [{ name: both, url: "mqtt://h", subscribe: [x/#, y/#] }]',
      '/forward/0 sends what comes back to it by way of the forward back, which sends to the broker that is read as both',
    ],
    [
      'a circle over three brokers',
      '{ name: up, broker: b1, topics: [x/#], prefix: y/ }\n  - { name: on, broker: b2, topics: [y/#], prefix: z/ }\n  - { name: home, broker: b3, topics: [z/#], prefix: x/ }',
      '\nbrokers: [{ name: b1, url: "mqtt://h1", subscribe: [y/#] }, { name: b2, url: "mqtt://h2", subscribe: [z/#] }, { name: b3, url: "mqtt://h3", subscribe: [x/#] }]',
      'by way of the forward on, then home',
    ],
    [
      'two that lead on and not back',
      '{ name: up, broker: both, topics: [x/+], prefix: y/ }\n  - { name: on, broker: both, topics: [y/#], prefix: x/ }',
      '\nbrokers: [{ name: both, url: "mqtt://h", subscribe: [x/#, y/x/#] }]',
      null,
    ],
    [
      'what the gateway says itself',
      '{ name: up, url: "mqtt://h", topics: [gateway/#] }',
      '',
      '/forward/0/topics/0 takes in nothing',
    ],
    ['topics under $SYS', '{ name: up, url: "mqtt://h", topics: [$SYS/#] }', '', null],
    [
      'where nobody may publish',
      '{ name: up, url: "mqtt://h", topics: [a], prefix: $SYS/ }',
      '',
      '/forward/0/prefix begins with $SYS/, where brokers take nothing',
    ],
    [
      'where gateways speak of themselves',
      '{ name: up, url: "mqtt://h", topics: [a], prefix: gateway/x/ }',
      '',
      '/forward/0/prefix begins with gateway/, where gateways speak of themselves',
    ],
    ['what only begins like it', '{ name: up, url: "mqtt://h", topics: [a], prefix: gateways/ }', '', null],
    ['itself, elsewhere', '{ name: up, url: "mqtt://127.0.0.1:1884", topics: ["#"] }', '', null],
  ])('%s', (_, entry, before, problem) => {
    const problems = problemsOf(entry, before);
    if (problem === null) expect(problems).toEqual([]);
    else expect(problems.join('\n')).toContain(problem);
  });

  test.each(['', 'broker: nope, '])('that says not where to (%s) is not said to send to itself', (where) => {
    const problems = problemsOf(`{ name: up, ${where}topics: ["#"] }`, HOUSE);
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toContain('loop');
  });

  test('that says not where to does not hide the circle of another one', () => {
    const two = '{ name: nowhere, topics: ["#"] }\n  - { name: up, broker: house, topics: ["#"] }';
    const problems = problemsOf(two, HOUSE);
    expect(problems).toHaveLength(2);
    expect(problems.join('\n')).toMatch(/\/forward\/1 .*a loop/);
  });
});
