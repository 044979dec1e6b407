import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { readSamples } from '../../gateway/commands/sample-file.ts';
import { type CommandWorld, commandWorld } from './command-world.ts';

let cwd = '';
let run: CommandWorld['run'];

beforeEach(() => {
  ({ cwd, run } = commandWorld());
});

describe('samples', () => {
  const read = (text: string, topic: string | null = null) =>
    readSamples(text, { file: 'f', topic }).messages.map(
      (each) => `${each.topic} ${each.payload.toString()}`,
    );

  test('are lines of mosquitto_sub -v, perhaps with a time', () => {
    expect(read('a/b {"t": 1}\nc/d 21.5 x\r\n\ne/f\n')).toEqual(['a/b {"t": 1}', 'c/d 21.5 x', 'e/f ']);
    expect(
      readSamples('2026-03-01T12:00:00.500Z a/b 1\n', { file: 'f', topic: null }).messages[0],
    ).toMatchObject({
      topic: 'a/b',
      atMs: Date.UTC(2026, 2, 1, 12) + 500,
    });
  });

  test('may have blanks in their topics, as names of devices have them', () => {
    expect(
      read('zigbee2mqtt/Living room sensor {"t": 1}\na/b one {two}\na/b {"t": "x {1}"}\na/b "x [1]"\n'),
    ).toEqual([
      'zigbee2mqtt/Living room sensor {"t": 1}',
      'a/b one {two}',
      'a/b {"t": "x {1}"}',
      'a/b "x [1]"',
    ]);
    expect(
      readSamples('zigbee2mqtt/Living room sensor {"t": 1}', { file: 'f', topic: null }).messages[0]?.topic,
    ).toBe('zigbee2mqtt/Living room sensor');
  });

  test('are JSON lines with topic and payload', () => {
    const text =
      '{"topic":"a/b","payload":{"t":1},"at":1772366400000,"retained":true,"contentType":"x/y"}\n{"topic":"a/c","payload":"on"}';
    expect(read(text)).toEqual(['a/b {"t":1}', 'a/c on']);
    expect(readSamples(text, { file: 'f', topic: null }).messages[0]).toMatchObject({
      atMs: 1772366400000,
      retained: true,
      contentType: 'x/y',
    });
  });

  test('are payloads of one topic: a JSON list, CSV with a header, or one on each line', () => {
    expect(read('[{"t":1},\n{"t":2}]', 'x')).toEqual(['x {"t":1}', 'x {"t":2}']);
    expect(read('{"t":1}\n{"t":2}\n', 'x')).toEqual(['x {"t":1}', 'x {"t":2}']);
    expect(read('t,h\n1,2\n3,4\n', 'x')).toEqual(['x t,h\n1,2\n', 'x t,h\n3,4\n']);
    expect(read('21.5\n22\n', 'x')).toEqual(['x 21.5', 'x 22']);
  });

  test('that cannot be read are told by line', () => {
    expect(
      readSamples('a/b 1\nnonsense\n{"topic":1}\n{bad\n', { file: 'f.txt', topic: null }).problems,
    ).toEqual([
      expect.stringMatching(/^f\.txt:2 must be "topic payload"/),
      expect.stringMatching(/^f\.txt:3 has no "topic"/),
      expect.stringMatching(/^f\.txt:4 is no JSON/),
    ]);
    expect(() => readSamples('nonsense', { file: 'f.txt', topic: null })).toThrow(/f\.txt:1/);
    expect(() => readSamples('', { file: 'f.txt', topic: null })).toThrow('f.txt: there is no sample in it');
  });
});

describe('schema infer', () => {
  test('takes a topic, and no filter', async () => {
    writeFileSync(join(cwd, 'samples.txt'), '{"t":4.5}\n');
    expect(await run(['schema', 'infer', 'samples.txt', '--topic', 'a/#'])).toMatchObject({
      err: expect.stringContaining('--topic a/#: holds a wildcard'),
    });
  });

  test('prints the one draft, and saves drafts without ever writing over a file', async () => {
    writeFileSync(join(cwd, 'samples.txt'), 'cold/berlin/r1 {"t":4.5}\ncold/berlin/r2 {"t":5}\n');
    const printed = await run(['schema', 'infer', 'samples.txt']);
    expect(printed).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(printed.out.slice(printed.out.indexOf('\n{\n')))).toMatchObject({
      $id: 'cold-berlin.v1',
      telemetry: { topics: ['cold/berlin/{device}'] },
    });
    const file = join(cwd, 'drafts', 'cold-berlin.v1.json');
    expect((await run(['schema', 'infer', 'samples.txt', '--save', 'drafts'])).out).toContain(
      `wrote  ${file}`,
    );
    writeFileSync(file, 'mine');
    expect((await run(['schema', 'infer', 'samples.txt', '--save', 'drafts'])).out).toContain(
      `kept   ${file}`,
    );
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('answers in JSON, reads standard input, and ends with 1 where there is nothing to draft', async () => {
    const { out, code } = await run(['schema', 'infer', '-', '--topic', 'a/b', '--json'], {
      input: '21.5\n22\n',
    });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ messages: 2, families: [{ pattern: '{device}/{field}' }] });
    expect(await run(['schema', 'infer', '-'], { input: 'cmnd/x/POWER ON\n' })).toMatchObject({ code: 1 });
    expect(await run(['schema', 'infer', 'none.txt'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('none.txt'),
    });
  });

  test('shows what somebody sent as harmless text', async () => {
    const { out } = await run(['schema', 'infer', '-'], {
      input: 'a/\u001b[31mred/x \u001b]0;t\u0007{"t":1}\na/b/x {"\u001bk":1}\n',
    });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(out.split('\n{\n')[0]).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

describe('check --live', () => {
  test('refuses what would take messages or a connection from somebody, and secrets in the URL', async () => {
    writeFileSync(
      join(cwd, 'gateway.yaml'),
      [
        'brokers: [{ name: house, url: "mqtt://127.0.0.1:1", clientId: gw-1, subscribe: ["home/#"] }]',
        'peers: { name: attic, others: [{ name: cellar, url: "mqtt://127.0.0.1:1", clientId: gw-2 }] }',
      ].join('\n'),
    );
    writeFileSync(join(cwd, 'file'), '');
    for (const [args, words] of [
      [['--live', 'house', '--topic', '$share/g/#'], 'take messages away'],
      [['--live', 'mqtt://h', '--topic', 'a/#/b'], '--topic a/#/b'],
      [['--live', 'mqtt://h', '--client-id', 'gw-1'], 'is that of "house"'],
      [['--live', 'mqtt://h', '--client-id', 'gw-2'], 'is that of "peer/cellar"'],
      [['--live', 'house', '--protocol', '4'], '--protocol: must be 3.1.1 or 5'],
      [['--live', 'house', '--save', 'file/drafts'], '--save file/drafts'],
      [['--live', 'mqtt://me:geheim@h'], '--password-file'],
      [['--live', 'nobody'], 'configured are house'],
      [['--live', 'mqtt://h', '--for', 'ever'], 'must be a duration'],
      [['--topic', 'a'], '--topic means something with --live'],
    ] as const) {
      const { code, out, err } = await run(['check', ...args]);
      expect({ code, out }, args.join(' ')).toEqual({ code: 2, out: '' });
      expect(err).toContain(words);
      expect(err).not.toContain('geheim');
    }
    expect(existsSync(join(cwd, 'data'))).toBe(false);
  });
});
