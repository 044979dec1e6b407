import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { savedText, unsavedText } from '../../gateway/commands/family-text.ts';
import { readSamples } from '../../gateway/commands/sample-file.ts';
import { saveDrafts } from '../../gateway/commands/save-drafts.ts';
import { infer } from '../infer/inference.ts';
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

  test('may be one JSON document over several lines', () => {
    const list = JSON.stringify([{ topic: 'a/b', payload: { t: 1 } }, { topic: 'a/c' }], null, 2);
    expect(read(list)).toEqual(['a/b {"t":1}']);
    expect(readSamples(list, { file: 'f', topic: null }).problems).toEqual([
      'f, element 2, has no "payload"',
    ]);
    expect(() => read('{\n  "temperature": 21.5\n}\n')).toThrow(
      'f has no "topic"; for payloads alone give --topic',
    );
  });

  test('do not begin with a blank: what does is a part of something else', () => {
    expect(() => read('{\n  "t": 1\n}\n{\n  "t": 2\n}\n')).toThrow('f:1 is no JSON');
    expect(readSamples('a/b 1\n  "t": 1,\n\tx 2\n', { file: 'f', topic: null })).toMatchObject({
      messages: [{ topic: 'a/b' }],
      problems: [expect.stringContaining('f:2 begins with a blank'), expect.stringContaining('f:3 begins')],
    });
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
  test('says what helps where a file is too large', async () => {
    const file = join(cwd, 'large.txt');
    writeFileSync(file, 'a/b 1\n');
    truncateSync(file, 64 * 1024 * 1024 + 1);
    expect(await run(['schema', 'infer', 'large.txt'])).toMatchObject({
      err: expect.stringContaining('larger than 64 MiB; a part of it is enough: head -n 50000 large.txt |'),
    });
    writeFileSync(file, `[${' '.repeat(16 * 1024 * 1024)}1]`);
    expect(await run(['schema', 'infer', 'large.txt', '--topic', 'a/b'])).toMatchObject({
      err: expect.stringContaining('a JSON list of more than 16 MiB; make lines of it'),
    });
  });

  test('takes a topic, and no filter', async () => {
    writeFileSync(join(cwd, 'samples.txt'), '{"t":4.5}\n');
    expect(await run(['schema', 'infer', 'samples.txt', '--topic', 'a/#'])).toMatchObject({
      err: expect.stringContaining('--topic a/#: holds a wildcard'),
    });
    expect(await run(['schema', 'infer', 'samples.txt', '--topic', '$share/g/a/b'])).toMatchObject({
      err: expect.stringContaining(
        'is a subscription, and no topic; what comes over it has topics such as a/b',
      ),
    });
  });

  test('prints the one draft, and saves drafts without ever writing over a file', async () => {
    writeFileSync(join(cwd, 'samples.txt'), 'cold/berlin/r1 {"t":4.5}\ncold/berlin/r2 {"t":5}\n');
    const printed = await run(['schema', 'infer', 'samples.txt']);
    expect(printed).toMatchObject({ code: 0, err: '' });
    expect(printed.out).toMatch(/^2 samples\n.* takes all 2 samples, 2 series\n/s);
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

  test('drafts nothing for topics that a schema has already: says what that makes of them', async () => {
    const GOOD = 'sensors/kitchen/environment {"temperature":21.5}\n';
    const all = await run(['schema', 'infer', '-', '--save', 'drafts'], { input: GOOD });
    expect(all).toMatchObject({ code: 0, err: '' });
    expect(all.out).toContain('your schemas have all these topics already: nothing to do for them\n');
    expect(all.out).toMatch(/^environment\.v1 +1 +1 +1 +0 +1$/m);
    expect(all.out).not.toContain('draft ');
    expect(readdirSync(join(cwd, 'drafts'))).toEqual([]);

    const input = `${GOOD}sensors/attic/environment {"temperature":"x"}\ncold/berlin/r1 {"t":4.5}\n`;
    const some = await run(['schema', 'infer', '-'], { input });
    expect(some.code).toBe(0);
    expect(some.out).toMatch(
      /^3 samples\n\nyour schemas have some of these topics already: no draft for them/,
    );
    expect(some.out).toContain('1 × invalid under environment.v1: /temperature must be number');
    expect(some.out.match(/^ +draft .*$/gm)).toEqual([
      '    draft cold-berlin.v1: takes the one sample, 1 series',
    ]);
    expect(JSON.parse((await run(['schema', 'infer', '-', '--json'], { input })).out)).toMatchObject({
      ...{ messages: 3, rejected: 1, schemas: [{ schema: 'environment.v1', stored: 1, rejected: 1 }] },
      families: [{ pattern: 'cold/berlin/{device}' }],
    });
  });

  test('says that a schema which cannot be used is not among them', async () => {
    writeFileSync(join(cwd, 'gateway.yaml'), 'schemas: ./mine\n');
    mkdirSync(join(cwd, 'mine'));
    writeFileSync(join(cwd, 'mine', 'x.json'), '{');
    const { out, code } = await run(['schema', 'infer', '-'], { input: 'cold/berlin/r1 {"t":4.5}\n' });
    expect(code).toBe(0);
    expect(out).toMatch(/^WARNING: 1 problem\(s\) in .*mine: `check` tells them$/m);
  });

  test('counts one sample as one', async () => {
    writeFileSync(join(cwd, 'samples.txt'), 'cold/berlin/r1 {"t":4.5}\n');
    const { out } = await run(['schema', 'infer', 'samples.txt']);
    expect(out).toMatch(/^1 sample\n.*: takes the one sample, 1 series\n/s);
  });

  test('writes whole drafts or none, and leaves nothing else behind', async () => {
    writeFileSync(join(cwd, 'samples.txt'), 'cold/berlin/r1 {"t":4.5}\nwarm/r2 {"t":5}\nwarm/r3 {"t":5}\n');
    await run(['schema', 'infer', 'samples.txt', '--save', 'a/b']);
    expect(readdirSync(join(cwd, 'a', 'b')).length).toBeGreaterThan(0);
    for (const name of readdirSync(join(cwd, 'a', 'b')))
      expect(JSON.parse(readFileSync(join(cwd, 'a', 'b', name), 'utf8')).$id).toBeTruthy();
  });

  test('where nothing can be written, says so before it reads anything', async () => {
    writeFileSync(join(cwd, 'file'), '');
    for (const folder of ['file', 'file/drafts', '/proc/nowhere'])
      expect(await run(['schema', 'infer', 'none.txt', '--save', folder])).toMatchObject({
        ...{ code: 2, out: '' },
        err: expect.stringContaining(`--save ${folder}: `),
      });
  });

  test('tells which drafts could not be written, and writes the others', () => {
    const sent = [
      { topic: 'cold/r1', payload: '{"t":4.5}' },
      { topic: 'status/r1/x', payload: '{"level":"high","v":1}' },
    ];
    const families = infer(sent);
    writeFileSync(join(cwd, 'file'), '');
    const failed = saveDrafts(families, 'file', cwd);
    expect(failed.length).toBeGreaterThan(0);
    for (const each of failed) expect(each).toMatchObject({ kept: false, problem: expect.any(String) });
    expect(savedText(failed, failed.length)).toMatch(/^FAILED .*file/);
    expect(unsavedText(failed, 'file')).toContain(`--save file: ${failed.length} of ${failed.length} drafts`);
    const saved = saveDrafts(families, 'drafts', cwd);
    expect(unsavedText(saved, 'drafts')).toBeNull();
    expect(readdirSync(join(cwd, 'drafts')).length).toBe(saved.length);
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
      [['--live', 'me:geheim@127.0.0.1:1883'], '--password-file'],
      [['--live', 'mqtt:/me:geheim@h'], '--password-file'],
      [['--live', 'mqtt:\\\\me:geheim@h'], '--password-file'],
      [['--live', 'mqtt://me:12/geheim@h'], '--password-file'],
      [['--live', 'mqtt://me:geheim%40h'], '--password-file'],
      [['--live', 'mqt://h?token=geheim'], 'neither a URL such as'],
      [['--live', 'mqtt://h/path'], 'which only ws:// and wss:// have'],
      [['--liv=mqtt://me:geheim@h'], 'unknown option'],
      [['--live', 'h', '--for', 'me:geheim@h'], 'must be a duration'],
      [['--live', 'mqtt://h', '--client-id', ''], '--client-id: is empty'],
      [['--live', 'mqtt://h', '--client-id', 'x'.repeat(129)], 'at most 128 bytes'],
      [['--live', 'house', '--save', '/proc/nowhere/drafts'], '--save /proc/nowhere/drafts'],
      [['--live', 'house', '--save', 'file'], '--save file'],
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
