// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of a configuration
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config/gateway-config.ts';
import { loadConfig, parseConfig } from '../../gateway/config/load-config.ts';
import { redacted } from '../../gateway/config/redact.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const INFLUX = 'sinks:\n  - type: influxdb\n    url: http://localhost:8086\n    database: t\n';

function parse(text: string, environment: Record<string, string> = {}): GatewayConfig {
  return parseConfig(text, { file: 'gateway.yaml', cwd: '/etc/gateway', environment });
}

function problemsOf(text: string, environment: Record<string, string> = {}): string[] {
  try {
    parse(text, environment);
    return [];
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'config-invalid') throw error;
    return error.problems.map(
      ({ line, column, pointer, message }) => `${line}:${column} ${pointer} ${message}`,
    );
  }
}

describe('a configuration that is right', () => {
  test('without a file the embedded defaults hold, on loopback only', () => {
    const config = loadConfig({ file: null, cwd: temporaryFolder(), environment: {} });
    expect(config.file).toBeNull();
    expect(config.mqtt.listeners).toEqual([{ host: '127.0.0.1', port: 1883, anonymous: false }]);
    expect(config.http).toEqual({ host: '127.0.0.1', port: 8080, anonymous: false });
    expect(config.sinks).toEqual([{ type: 'embedded', name: 'embedded', maxBytes: null, maxAgeMs: null }]);
    expect(config.store).toEqual({
      maxBytes: 2 ** 31,
      maxBytesIsDefault: true,
      minFreeDiskBytes: 2 ** 28,
      whenFull: 'refuse',
      commitDelayMs: 0,
      rejected: { maxBytes: { percent: 10 }, maxAgeMs: 30 * 86_400_000 },
    });
    expect(config.limits).toEqual({
      payloadBytes: 2 ** 18,
      payloadDepth: 32,
      payloadKeys: 1000,
      series: 100_000,
      seriesPerMeasurement: null,
      seriesAgeMs: 30 * 86_400_000,
    });
    expect(config.shippedSchemas).toBe(true);
  });

  test('./gateway.yaml is taken where there is one, and its paths start at its folder', () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'gateway.yaml'), 'data: ./d\nschemas: s\n');
    const config = loadConfig({ file: null, cwd, environment: {} });
    expect(config).toMatchObject({
      dataDir: join(cwd, 'd'),
      schemasDir: join(cwd, 's'),
      shippedSchemas: false,
    });
    mkdirSync(join(cwd, 'sub'));
    writeFileSync(join(cwd, 'sub/other.yaml'), 'data: d\n');
    expect(loadConfig({ file: 'sub/other.yaml', cwd, environment: {} }).dataDir).toBe(join(cwd, 'sub/d'));
  });

  test('it cannot be changed afterwards, nowhere', () => {
    const config = parse('');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.mqtt.listeners[0])).toBe(true);
    expect(Object.isFrozen(config.store.rejected.maxBytes)).toBe(true);
  });

  test('a key without a value counts as left out', () => {
    expect(parse('mqtt:\nstore:\n  maxBytes:\nhttp:\n').store.maxBytes).toBe(2 ** 31);
  });

  test('http: false turns HTTP off', () => {
    expect(parse('http: false').http).toBeNull();
  });

  test('variables fill numbers, choices and texts in; what they hold stays text where text is wanted', () => {
    const config = parse(
      'mqtt:\n  listeners:\n    - port: ${PORT}\nsinks:\n  - type: influxdb\n    url: ${URL:-http://db:8086}\n    version: ${V}\n    database: ${DB}\n    gzip: ${ZIP}\n',
      { PORT: '1884', V: '1', DB: '42', ZIP: 'false' },
    );
    expect(config.mqtt.listeners[0]?.port).toBe(1884);
    expect(config.sinks[0]).toMatchObject({ url: 'http://db:8086', version: 1, database: '42', gzip: false });
  });

  test('a variable with an empty default leaves the option out', () => {
    expect(parse(`${INFLUX}    token: \${TOKEN:-}\n`).sinks[0]).toMatchObject({ token: null });
  });

  test('a secret can come from a file, without the white space around it', () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'token'), '  tok\n');
    writeFileSync(join(cwd, 'g.yaml'), `${INFLUX}    tokenFile: ./token\n`);
    expect(loadConfig({ file: 'g.yaml', cwd, environment: {} }).sinks[0]).toMatchObject({ token: 'tok' });
  });

  test('without secrets it can be shown', () => {
    const shown = JSON.stringify(redacted(parse(`${INFLUX}    token: hush\n    password: husher\n`)));
    expect(shown).not.toMatch(/hush/);
    expect(shown).toMatch(/\(hidden\)/);
  });
});

describe('a configuration that is wrong', () => {
  test('every problem is listed with its line and column', () => {
    expect(
      problemsOf(
        'mqtt:\n  listeners:\n    - port: "x"\n      hots: a\nhttp: true\nstore:\n  maxBytes: 12\n  whenFull: burst\n',
      ),
    ).toEqual([
      '3:7 /mqtt/listeners/0/port must be an integer, not a text',
      '4:7 /mqtt/listeners/0/hots is not a known key; did you mean host?',
      '5:1 /http must be false, or an object with host and port',
      '7:3 /store/maxBytes must be a size with its unit, like 256MiB (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)',
      '8:3 /store/whenFull must be refuse or drop-oldest',
    ]);
  });

  test.each([
    [
      'peers: { name: 1 }',
      "/peers/name must be a name of letters, digits, '.', '_' and '-', at most 64, not a number: write it in quotes",
    ],
    ['peers: { name: true }', 'at most 64, not a boolean: write it in quotes'],
    ['data: 5', '/data must be a path, not a number: write it in quotes'],
  ])('what YAML takes for something else is to be written in quotes: %s', (text, words) => {
    expect(problemsOf(text).join()).toContain(words);
  });

  test.each([
    'peers: { name: -1 }',
    'store: { maxBytes: 12 }',
    'peers: { name: [] }',
    'peers: { name: a/b }',
  ])('but not what would be no better in quotes: %s', (text) =>
    expect(problemsOf(text).join()).not.toContain('quotes'),
  );

  test('the message itself names file, line and column', () => {
    expect(() => parse('store:\n  commitDelay: 5')).toThrow(
      /^gateway\.yaml:2:3 \/store\/commitDelay must be a duration with its unit/,
    );
  });

  test('what a later version brings is called so', () => {
    expect(problemsOf('mqtt:\n  auth: {}\n')).toEqual([
      '2:3 /mqtt/auth is not supported yet by this version',
    ]);
  });

  test('a far-off key is told what is known', () => {
    expect(problemsOf('log:\n  zzzzzzzz: 1\n')).toEqual([
      '2:3 /log/zzzzzzzz is not a known key; known here: level, format',
    ]);
  });

  test('an address that the network can reach needs a word of consent', () => {
    expect(problemsOf('mqtt:\n  listeners:\n    - host: 0.0.0.0\n')[0]).toMatch(
      /^3:7 \/mqtt\/listeners\/0\/host can be reached from the network.*anonymous: true/,
    );
    expect(problemsOf('http: { host: "::" }')[0]).toMatch(/\/http\/host/);
    expect(problemsOf('mqtt: { listeners: [{ host: 0.0.0.0, anonymous: true }] }')).toEqual([]);
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1'])
      expect(problemsOf(`http: { host: "${host}" }`), host).toEqual([]);
    for (const host of ['127.0.0.1.example.org', '127.1', '10.0.0.1'])
      expect(problemsOf(`http: { host: "${host}" }`), host).toHaveLength(1);
  });

  test('a variable that is not set is named at its place, never its neighbours’ values', () => {
    const [first, ...others] = problemsOf(`${INFLUX}    token: \${INFLUX_TOKEN}\n`, { SECRET: 'hush' });
    expect(first).toMatch(/^5:12 \/sinks\/0\/token needs the environment variable INFLUX_TOKEN/);
    expect(others).toEqual([]);
  });

  test('no value is ever part of a message: it may be a secret', () => {
    const text = `${INFLUX}    timeout: hush1\n    gzip: hush2\n    tokn: hush3\nstore:\n  maxBytes: \${S}\n`;
    expect(problemsOf(text, { S: 'hush4' }).join()).not.toMatch(/hush/);
    expect(problemsOf('sinks: [{ type: influxdb, url: "http://u:hush@x", database: d }]').join()).not.toMatch(
      /hush/,
    );
  });

  test('sinks say what they miss and what contradicts', () => {
    const sink = (more: string): string[] =>
      problemsOf(`sinks:\n  - { type: influxdb, url: "http://x", ${more} }\n`).map((text) =>
        text.replace(/^\S+ /, ''),
      );
    expect(sink('version: 1')).toEqual(['/sinks/0 needs database (version 1)']);
    expect(sink('version: 2')).toEqual([
      '/sinks/0 needs bucket (version 2)',
      '/sinks/0 needs org (version 2)',
    ]);
    expect(sink('version: 3')).toEqual(['/sinks/0 needs bucket (version 3)']);
    expect(sink('gzip: true')[0]).toMatch(/needs database .* or bucket/);
    expect(sink('database: d, token: a, tokenFile: b')).toEqual([
      '/sinks/0/tokenFile cannot stand beside token: keep one of them',
      expect.stringMatching(/^\/sinks\/0\/tokenFile names .*\/b, which cannot be read: it does not exist$/),
    ]);
    expect(problemsOf('sinks: []')[0]).toMatch(/at least one/);
    expect(problemsOf('sinks: [{ name: a }]')).toEqual(['1:9 /sinks/0 needs type']);
  });

  test('sinks have names that differ', () => {
    expect(problemsOf('sinks:\n  - type: embedded\n  - type: embedded\n')).toEqual([
      '3:5 /sinks/1 needs a name: another sink is called embedded already',
    ]);
    expect(
      problemsOf('sinks:\n  - type: embedded\n    name: a\n  - type: embedded\n    name: a\n')[0],
    ).toMatch(/^5:5 \/sinks\/1\/name must differ/);
  });

  test('a mistake in the YAML is told once, at its place', () => {
    expect(problemsOf('mqtt:\n  listeners: [\n')).toHaveLength(1);
    expect(problemsOf('data: a\ndata: b\n')).toEqual(['2:1  this key is there twice']);
    expect(problemsOf('data: !include x\n')).toHaveLength(1);
    expect(problemsOf('- a\n')[0]).toMatch(/must be a map of keys, not a list/);
  });

  test.each([
    ['password: *Geheim42', '5:15', 'begins with [*] is an alias .* in quotes$'],
    ['password: *Geheim42:', '5:24', 'in quotes$'],
    ['password: &Geheim42 *x', '5:25', 'in quotes$'],
    ['password: &Geheim42 [*Geheim42]', '5:26', 'in quotes$'],
    ['password: !Geheim42', '5:15', 'begins with ! .* in quotes$'],
    ['password: !!Geheim42 x', '5:15', 'begins with ! .* in quotes$'],
    ['password: !<Geheim42', '5:15', 'begins with ! .* in quotes$'],
    ['password: >Geheim42', '5:16', 'begins with > or .* in quotes$'],
    ['password: |Geheim42', '5:16', 'begins with > or .* in quotes$'],
    ['password: >2 Geheim42', '5:18', 'begins with > or .* in quotes$'],
    ['password: @Geheim42', '5:15', 'in quotes$'],
    ['password: %Geheim42', '5:15', 'in quotes$'],
    ['password: "\\Geheim42"', '5:16', 'escape'],
    ['password: "\\uGeheim42"', '5:16', 'escape'],
    ['password: "Geheim42', '5:15', 'quote that opens here is not closed'],
    ["password: 'Geheim42", '5:15', 'quote that opens here is not closed'],
    ["password: 'x'Geheim42", '5:18', 'write all of the text in quotes'],
    ['password: [Geheim42', '5:15', 'opens here is not closed: .* in quotes$'],
    ['password: {Geheim42', '5:15', 'opens here is not closed: .* in quotes$'],
    ['password: ]Geheim42', '5:15', 'in quotes$'],
    ['password: - Geheim42', '5:15', 'in quotes$'],
    ['password:Geheim42', '5:5', 'a blank behind the : of a key'],
    ['password: x: Geheim42', '5:15', 'a : and a blank in it in quotes'],
    ['password:Geheim42: x', '5:5', 'is not a known key'],
    ['password：Geheim42: x', '5:5', 'is not a known key'],
    ['password Geheim42: x', '5:5', 'is not a known key'],
    ['[Geheim42]: x', '5:5', 'a key has to be a text'],
    ['!Geheim42 password: x', '5:5', 'in quotes$'],
    ['password: #Geheim42', '5:5', 'has no value: .* in quotes'],
    ['password: &Geheim42', '5:5', 'has no value: .* in quotes'],
    ['password: ""', '5:5', 'must not be empty'],
  ])(
    'a secret whose quotes were forgotten is not told, but its place and what to do: %s',
    (line, place, words) => {
      const text = `brokers:\n  - name: a\n    subscribe: [a]\n    username: u\n    ${line}\n`;
      for (const rest of ['', '    url: mqtt://h\n']) {
        const problems = problemsOf(`${text}${rest}`).filter((each) => !/ needs (?:url)$/.test(each));
        expect(problems).toHaveLength(1);
        expect(problems[0]).toMatch(new RegExp(`^${place} .*${words}`));
        expect(problems[0]).not.toMatch(/Geh|42/);
      }
    },
  );

  test('a flow map whose blank was forgotten keeps the secret out of the name of its key', () => {
    const problems = problemsOf(
      'brokers:\n  - { name: a, url: mqtt://h, subscribe: [a], username: u, password:Ge/heim42 }\n',
    );
    expect(problems.join()).toMatch(/^2:\d+ \/brokers\/0\/password:… is not a known key/);
    expect(problems.join()).not.toMatch(/Ge|heim/);
  });

  test('a token without a value is told too; an empty variable leaves the key out, as before', () => {
    expect(problemsOf(`${INFLUX}    token: #Geheim42\n`).join()).toMatch(/\/sinks\/0\/token has no value/);
    expect(problemsOf(`${INFLUX}    password: \${P:-}\n`)).toEqual([]);
    expect(problemsOf(`${INFLUX}    org:\n`)).toEqual([]);
  });

  test('an alias of what has an anchor is no mistake', () => {
    const text = 'peers:\n  name: &n here\n  others: []\n';
    expect(problemsOf(text)).toEqual(problemsOf(text.replace('&n ', '')));
    expect(problemsOf('data: &d x\nschemas: *d\n')).toEqual([]);
  });

  test('aliases cannot blow it up', () => {
    const bomb = Array.from({ length: 9 }, (_, i) =>
      i === 0 ? 'a0: &a0 [x, x, x, x, x, x, x, x, x]' : `a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}]`,
    );
    expect(problemsOf(bomb.join('\n'))).toEqual([
      expect.stringMatching(/^2:10 {2}stands for too much: an alias .* 100 times at most/),
    ]);
  });

  test('keys named after the language’s own are unknown keys', () => {
    expect(problemsOf('__proto__: { polluted: 1 }\nconstructor: 1\n')).toHaveLength(2);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test('a file that is not there, or no file, says so', () => {
    const cwd = temporaryFolder();
    expect(() => loadConfig({ file: 'nope.yaml', cwd, environment: {} })).toThrow(
      'nope.yaml cannot be read: it does not exist',
    );
    expect(() => loadConfig({ file: '.', cwd, environment: {} })).toThrow('it is a folder');
  });

  test('bounds hold', () => {
    expect(problemsOf('store: { commitDelay: 2s }')[0]).toMatch(/at most 1s/);
    expect(problemsOf('mqtt: { limits: { keepalive: 100000s } }')[0]).toMatch(/65535s/);
    expect(problemsOf('mqtt: { limits: { topicLevels: 101 } }')[0]).toMatch(/at most 100/);
    expect(problemsOf('http: { port: 65536 }')[0]).toMatch(/at most 65535/);
  });
});
