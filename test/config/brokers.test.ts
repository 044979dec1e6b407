import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BrokerConfig } from '../../gateway/config/gateway-config.ts';
import { loadConfig, parseConfig } from '../../gateway/config/load-config.ts';
import { redacted } from '../../gateway/config/redact.ts';
import { isGatewayError, problemText } from '../../gateway/errors.ts';
import { CONNECTION } from '../support/broker-connection.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** The entries of a `brokers:` list, one YAML flow map for each. */
function brokers(...entries: readonly string[]): readonly BrokerConfig[] {
  const text = `brokers:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`;
  return parseConfig(text, { file: 'gateway.yaml', cwd: '/etc/telemetry', environment: {} }).brokers;
}

function problemsOf(...entries: readonly string[]): string[] {
  try {
    brokers(...entries);
    return [];
  } catch (error) {
    if (!isGatewayError(error, 'config-invalid')) throw error;
    return error.problems.map(problemText);
  }
}

const URL_AND_TOPIC = 'url: mqtt://h, subscribe: [a]';

describe('a broker in the configuration', () => {
  test('needs no more than a name, an address and a topic', () => {
    expect(brokers('{ name: house, url: "mqtt://broker.local", subscribe: [sensors/#] }')).toEqual([
      {
        name: 'house',
        connection: {
          ...CONNECTION,
          url: 'mqtt://broker.local',
          clientId: `telemetry-gateway-${hostname()
            .replace(/[^A-Za-z0-9._-]/g, '')
            .slice(0, 40)}-house`,
          cleanStart: false,
          sessionExpirySeconds: 604_800,
        },
        subscribe: [{ filter: 'sensors/#', qos: 1, share: null }],
        maxInFlight: 1000,
        receipts: null,
        retained: 'changed',
      },
    ]);
  });

  test('can say everything', () => {
    const [broker] = brokers(
      `{ name: b, url: "mqtts://h:1", protocol: 5, clientId: me, username: u, password: p, caFile: ca.pem, certFile: /c, keyFile: /k,
         serverName: s, insecure: true, cleanStart: true, sessionExpiry: 1h, keepalive: 5s, maxInFlight: 7, receipts: r/e/, retained: none,
         will: { topic: w, payload: gone, qos: 2, retain: true }, subscribe: [$share/g/x/+, { topic: y, qos: 2, share: h }, { topic: z, qos: 0 }] }`,
    );
    expect(broker).toMatchObject({
      connection: {
        protocolVersion: 5,
        clientId: 'me',
        password: 'p',
        keepaliveSeconds: 5,
        sessionExpirySeconds: 3600,
        cleanStart: true,
        tls: {
          caFile: '/etc/telemetry/ca.pem',
          certFile: '/c',
          keyFile: '/k',
          serverName: 's',
          insecure: true,
        },
        will: { topic: 'w', payload: 'gone', qos: 2, retain: true },
      },
      subscribe: [
        { filter: 'x/+', qos: 1, share: 'g' },
        { filter: 'y', qos: 2, share: 'h' },
        { filter: 'z', qos: 0, share: null },
      ],
      maxInFlight: 7,
      receipts: 'r/e',
      retained: 'none',
    });
  });

  test.each([
    ['{ url: "mqtt://h", subscribe: [a] }', '/brokers/0 needs name'],
    ['{ name: b, url: "mqtt://h" }', '/brokers/0 needs subscribe'],
    ['{ name: b, url: "http://h", subscribe: [a] }', '/brokers/0/url must be a mqtt://'],
    ['{ name: b, url: "mqtt://u:p@h", subscribe: [a] }', '/brokers/0/url must be a mqtt://'],
    ['{ name: b, url: "mqtt://h/path", subscribe: [a] }', '/brokers/0/url has a path'],
    ['{ name: b, url: "mqtt://h:x", subscribe: [a] }', '/brokers/0/url is no valid address'],
    [`{ name: mqtt, ${URL_AND_TOPIC} }`, '/brokers/0/name cannot be mqtt'],
    [`{ name: b, ${URL_AND_TOPIC}, protocol: 4 }`, '/brokers/0/protocol must be 3.1.1 or 5'],
    [`{ name: b, ${URL_AND_TOPIC}, password: p }`, 'needs username'],
    [
      `{ name: b, ${URL_AND_TOPIC}, username: u, password: p, passwordFile: f }`,
      'cannot stand beside password',
    ],
    [`{ name: b, ${URL_AND_TOPIC}, caFile: c }`, '/brokers/0/caFile is for mqtts:// and wss:// only'],
    ['{ name: b, url: "wss://h", subscribe: [a], certFile: c }', '/brokers/0/certFile is of no use alone'],
    [`{ name: b, ${URL_AND_TOPIC}, keepalive: 1500ms }`, '/brokers/0/keepalive must be whole seconds'],
    [`{ name: b, ${URL_AND_TOPIC}, maxInFlight: 1001 }`, '/brokers/0/maxInFlight must be at most 1000'],
    [`{ name: b, ${URL_AND_TOPIC}, receipts: r/+ }`, '/brokers/0/receipts holds a wildcard'],
    [`{ name: b, ${URL_AND_TOPIC}, will: { topic: "#" } }`, '/brokers/0/will/topic holds a wildcard'],
    ['{ name: b, url: "mqtt://h", subscribe: [a/#/b] }', '/brokers/0/subscribe/0 has # before its end'],
    [
      '{ name: b, url: "mqtt://h", subscribe: [{ topic: a+ }] }',
      '/brokers/0/subscribe/0/topic has a wildcard',
    ],
    [
      '{ name: b, url: "mqtt://h", subscribe: [7] }',
      '/brokers/0/subscribe/0 must be a topic filter, or a map',
    ],
    [
      '{ name: b, url: "mqtt://h", subscribe: [$share/g] }',
      '/brokers/0/subscribe/0 is no shared subscription',
    ],
    [
      '{ name: b, url: "mqtt://h", subscribe: [{ topic: a, share: x/y }] }',
      '/brokers/0/subscribe/0/share must hold',
    ],
    [
      '{ name: b, url: "mqtt://h", subscribe: [a, gateway/#] }',
      '/brokers/0/subscribe/1 is never taken: topics',
    ],
    [
      '{ name: b, url: "mqtt://h", subscribe: [$share/g/gateway/receipts/+] }',
      '/brokers/0/subscribe/0 is never taken',
    ],
    [`{ name: b, ${URL_AND_TOPIC}, clientId: "" }`, '/brokers/0/clientId must not be empty\n'],
    ['{ name: b, url: "mqtt://h", subscribe: [a/#, b, a/+/c] }', '/brokers/0/subscribe/2 overlaps with a/#'],
    ['{ name: b, url: "mqtt://h", subscribe: [] }', '/brokers/0/subscribe must have at least one entry\n'],
    [`{ name: b, ${URL_AND_TOPIC}, clientId: "a\\u0000b" }`, '/brokers/0/clientId holds a control character'],
    ['{ name: b, url: "mqtt://127.0.0.1", subscribe: [a] }', "/brokers/0/url is this gateway's own broker"],
  ])('%s: %s', (entry, problem) => {
    expect(`${problemsOf(entry).join('\n')}\n`).toContain(problem);
  });

  test('cannot throw another one out by its client id, or share its name', () => {
    const same = 'url: "mqtt://h", clientId: me, subscribe: [a]';
    expect(problemsOf(`{ name: b, ${same} }`, `{ name: c, ${same} }`).join()).toContain(
      '/brokers/1 connects to the same broker under the same client id',
    );
    const local = (host: string): string => `url: "mqtt://${host}:1884", clientId: me, subscribe: [a]`;
    expect(
      problemsOf(`{ name: b, ${local('localhost')} }`, `{ name: c, ${local('127.0.0.1')} }`).join(),
    ).toContain('/brokers/1 connects to the same broker');
    expect(
      problemsOf(`{ name: b, ${same} }`, `{ name: c, url: "mqtt://h:1884", clientId: me, subscribe: [a] }`),
    ).toEqual([]);
    expect(problemsOf(`{ name: b, ${URL_AND_TOPIC} }`, `{ name: b, ${URL_AND_TOPIC} }`).join()).toContain(
      '/brokers/1/name must differ',
    );
  });

  test.each([
    '{ name: b, url:mqtt://u:hush@h, subscribe: [a] }',
    '{ name: b, url: "mqtt:/u:hush@h", subscribe: [a] }',
    '{ name: b, url: "mqtt://u:12/hush@h", subscribe: [a] }',
    '*mqtt://u:hush@h',
    '!mqtt://u:hush@h x',
    '"mqtt://u:hush@h"',
  ])('where it is mistyped keeps its password to itself: %s', (entry) => {
    const problems = problemsOf(entry);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join()).not.toContain('hush');
  });

  test('keeps its password to itself', () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'pw'), 'hush\n');
    writeFileSync(
      join(cwd, 'g.yaml'),
      `brokers: [{ name: b, url: "ws://h/x?token=husht", subscribe: [a], username: u, passwordFile: ./pw }]`,
    );
    const config = loadConfig({ file: 'g.yaml', cwd, environment: {} });
    expect(config.brokers[0]?.connection).toMatchObject({ password: 'hush', passwordFile: join(cwd, 'pw') });
    expect(JSON.stringify(redacted(config))).not.toContain('hush');
  });
});
