import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import type { CommandParts } from '../../gateway/commands/command-parts.ts';
import { openDoor } from '../../gateway/control/door.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type CommandWorld, commandWorld } from './command-world.ts';

let cwd = '';
let run: CommandWorld['run'];
let running: CommandWorld['running'];
let stopRunning: CommandWorld['stopRunning'];

beforeEach(() => {
  ({ cwd, run, running, stopRunning } = commandWorld());
});

afterEach(async () => {
  await stopRunning();
});

describe('the command line', () => {
  test('help and version are no errors; what is not understood ends with 2', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('explain') });
    expect(await run(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n' });
    for (const args of [['nope'], ['account', '--nope'], ['explain'], ['rejected', 'list', '-n', '0']])
      expect(await run(args), args.join(' ')).toMatchObject({ code: 2, out: '' });
    expect((await run(['acount'])).err).toContain('account');
  });

  test('without a command it starts, with whatever options', async () => {
    const started: (string | null)[] = [];
    const runGateway: CommandParts['runGateway'] = async (config) => void started.push(config.file);
    writeFileSync(join(cwd, 'other.yaml'), 'data: ./elsewhere\n');
    expect((await run([], { parts: { runGateway } })).code).toBe(0);
    expect((await run(['--config', 'other.yaml'], { parts: { runGateway } })).code).toBe(0);
    expect(started).toEqual([join(cwd, 'gateway.yaml'), join(cwd, 'other.yaml')]);
  });

  test('every command takes --config and --json', async () => {
    await running();
    writeFileSync(join(cwd, 'other.yaml'), 'data: ./elsewhere\n');
    for (const args of [
      ['account'],
      ['account', '-d', 'kitchen'],
      ['topics'],
      ['account', '--series'],
      ['account', '--fields'],
      ['devices'],
      ['fields'],
      ['fields', 'forget', 'environment', 'temperature'],
      ['sinks'],
      ['sinks', 'forget', 'old'],
      ['serial'],
      ['rejected', 'list'],
      ['rejected', 'list', '--flat'],
      ['rejected', 'replay', 'r1'],
      ['rejected', 'replay', '--all', '--dry-run'],
      ['rejected', 'export'],
      ['rejected', 'discard', 'r1', '--yes'],
      ['rejected', 'show', 'r1'],
      ['explain', '-t', 'a/b'],
      ['check', '--offline'],
    ]) {
      const { code, out, err } = await run([...args, '--json']);
      expect(code, `${args.join(' ')}: ${err}`).toBe(0);
      expect(() => JSON.parse(out), args.join(' ')).not.toThrow();
      const elsewhere = await run([...args, '--config', 'nope.yaml']);
      expect(elsewhere.code, args.join(' ')).toBe(1);
      expect(elsewhere.out + elsewhere.err).toContain('nope.yaml cannot be read');
    }
    expect(await run(['account', '--config', 'other.yaml'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^telemetry-gateway: there is no store in .*elsewhere yet.*\n$/),
    });
  });

  test('an error is one line without a stack; in JSON with its code', async () => {
    await running();
    expect(await run(['rejected', 'show', 'x'])).toEqual({
      code: 1,
      out: '',
      err: 'telemetry-gateway: no rejection x\n',
    });
    const { err } = await run(['rejected', 'show', 'x', '--json']);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'not-found', message: 'no rejection x' } });
  });

  test('problems of the configuration are one line each, at their place', async () => {
    writeFileSync(join(cwd, 'gateway.yaml'), 'daat: x\nhttp: { port: 99999 }\n');
    const { code, err } = await run(['account']);
    expect(code).toBe(1);
    expect(err).toBe(
      'gateway.yaml:1:1 /daat is not a known key; did you mean data?\ngateway.yaml:2:9 /http/port must be at most 65535\n',
    );
  });

  test('what nobody expected is not dressed up', async () => {
    const parts = {
      runGateway: async () => {
        throw new TypeError('oops');
      },
    };
    await expect(run(['start'], { parts })).rejects.toThrow(TypeError);
  });
});

describe('start', () => {
  test('hands the configuration and what watches over it to the gateway; its events are the log', async () => {
    const lines: string[] = [];
    const seen: unknown[] = [];
    const parts: Partial<CommandParts> = {
      runGateway: async (config, deps, signal) => {
        seen.push(config.dataDir, deps.version, signal.reason);
        deps.events.emit('gateway.started', { version: deps.version });
      },
    };
    expect(await run(['start'], { parts, log: (text) => lines.push(text) })).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    expect(seen).toEqual([join(cwd, 'data'), '1.2.3', 'SIGTERM']);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'gateway.started' });
  });

  test('a port in use is one clear line', async () => {
    const parts: Partial<CommandParts> = {
      runGateway: async () => {
        throw new GatewayError(
          'address-in-use',
          'MQTT cannot listen on 127.0.0.1:1883: another program does',
        );
      },
    };
    expect(await run(['start'], { parts })).toMatchObject({
      code: 1,
      err: 'telemetry-gateway: MQTT cannot listen on 127.0.0.1:1883: another program does\n',
    });
  });
});

describe('commands beside a running gateway', () => {
  test('account shows where every reading went', async () => {
    await running();
    const { out } = await run(['account']);
    expect(out).toContain('1,206 readings received');
    expect(out).toMatch(/rejected +2 +invalid 2 \(1 open, 1 replayed\)$/m);
    expect(out).toContain('\nthe account closes\n');
    expect(out).toMatch(/^kitchen +1,206 +1,200 +3 +2 +1 +0$/m);
    expect(out).toMatch(/^influx +1,200 +1,100 +1 +0 +99$/m);
  });

  test('topics names the nearest schema where none claims', async () => {
    await running();
    expect((await run(['topics'])).out).toMatch(/a\/\\x07b +5 .*\(none\)[\s\S]*try environment\.v1/);
  });

  test('sinks says what waits and why, and how to let go of what is no longer configured', async () => {
    const operations = await running();
    const { out } = await run(['sinks']);
    expect(out).toMatch(/^influx +retrying/m);
    expect(out).toContain('influx: connection refused');
    expect(out).toContain('`telemetry-gateway sinks forget old`');
    expect(out).toMatch(/cloud +retrying +9 +5 +1 +3/);
    expect(out).toContain('cloud: nobody \\x07listens');
    expect(out).toContain('gone is no longer configured and keeps 2 messages');
    const { out: json } = await run(['sinks', '--json']);
    expect(JSON.parse(json)).toMatchObject([
      ...[{ kind: 'sink' }, { kind: 'sink', name: 'old' }],
      ...[
        { kind: 'forward', name: 'cloud', pending: 3 },
        { kind: 'forward', name: 'gone' },
      ],
    ]);
    expect(await run(['sinks', 'forget', 'old'])).toMatchObject({
      code: 0,
      out: 'forgot old; 1,200 points that waited for it are thrown away (47 KiB)\n',
    });
    const { out: forgotten } = await run(['sinks', 'forget', 'old', '--json']);
    expect(JSON.parse(forgotten)).toEqual({
      ...{ forgotten: 'old', kind: 'sink', pending: 1_200, pendingBytes: 48_000 },
    });
    expect(await run(['sinks', 'forget', 'influx'])).toMatchObject({ code: 1 });
    expect(operations.asked).toEqual(['old', 'old', 'influx']);
  });

  test('explain asks the running gateway, whose schemas are in force', async () => {
    const operations = await running();
    const { code, out } = await run(['explain', '-t', 'a/b', '--client', 'c9'], { input: '{}' });
    expect(code).toBe(0);
    expect(out).toContain('environment t=1 1');
    const plain = { topic: 'a/b', payloadBase64: 'e30=', client: 'c9', format: null };
    expect(operations.asked).toEqual([plain]);
    const relayed = ['--content-type', 'text/csv', '--user-property', 'site=a=b', 'x=', '--client', 'c9'];
    await run(['explain', '-t', 'a/b', ...relayed], { input: '{}' });
    const relay = {
      contentType: 'text/csv',
      userProperties: [
        ['site', 'a=b'],
        ['x', ''],
      ],
    };
    expect(operations.asked[1]).toEqual({ ...plain, relay });
    expect(await run(['explain', '-t', 'a/b', '--user-property', '=x'], { input: '{}' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('name=value'),
    });
  });
});

describe('commands where no gateway runs', () => {
  test('the store is opened, asked and closed, and is nobody else’s meanwhile', async () => {
    await running();
    await stopRunning();
    const store = createMemoryStore({}, { clock: systemClock, events: { emit: () => undefined } });
    const group = store.group();
    group.receive('mqtt', 'kitchen', 3);
    group.count('mqtt', 'kitchen', 'stored', 3);
    group.point('m f=1 1\n');
    await group.committed;
    const during: unknown[] = [];
    const parts: Partial<CommandParts> = {
      openStore: async (config) => {
        during.push(
          await openDoor(config.dataDir, { pid: 1, onFailure: () => undefined }).catch((error) => error.code),
        );
        return store;
      },
    };
    expect((await run(['account', '--json'], { parts })).out).toContain('"kitchen"');
    expect(during).toEqual(['data-in-use']);
    expect(() => store.group()).toThrow(expect.objectContaining({ code: 'stopping' }));
  });

  test('nothing is made where nothing is', async () => {
    expect(await run(['account'])).toMatchObject({ code: 1, err: expect.stringContaining('no store') });
    expect(existsSync(join(cwd, 'data'))).toBe(false);
  });

  test('topics are known to a running gateway only, and it says so', async () => {
    await running();
    await stopRunning();
    const openStore = async (): Promise<ReturnType<typeof createMemoryStore>> =>
      createMemoryStore({}, { clock: systemClock, events: { emit: () => undefined } });
    expect(await run(['topics'], { parts: { openStore } })).toMatchObject({
      code: 1,
      err: expect.stringContaining('while a gateway runs'),
    });
  });

  test('explain works from the files alone: route, points, violations, nearest', async () => {
    const topic = ['explain', '-t', 'sensors/kitchen/environment'];
    const good = await run([...topic, '-p', '{"temperature": 21.5}']);
    expect(good).toMatchObject({
      code: 0,
      out: expect.stringMatching(/device=kitchen temperature=21\.5 \d{19}/),
    });
    const bad = await run([...topic, '-p', '{"temperature": 999}']);
    expect(bad).toMatchObject({
      code: 1,
      out: expect.stringMatching(/invalid under environment\.v1\n +\/temperature /),
    });
    expect(await run([...topic, '--content-type', 'text/csv', '-p', 'temperature\n5'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/environment\.v1 \(csv\)\n(.*\n)+.*device=kitchen temperature=5 /),
    });
    expect(await run([...topic, '-p', '{'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('undecodable'),
    });
    expect(await run(topic)).toMatchObject({ code: 0, out: expect.stringContaining('environment.v1') });
    expect(await run(['explain', '-t', 'sensor/kitchen/environment', '-p', '1'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/none claims this topic\nnearest +environment\.v1/),
    });
    const huge = await run([...topic, '-p', '1'.repeat(300_000)]);
    expect(huge).toMatchObject({ code: 1, out: expect.stringContaining('too-large') });
  });
});

describe('check', () => {
  test('all in order ends with 0', async () => {
    const { code, out } = await run(['check']);
    expect(out.split('\n').filter((line) => line.startsWith('FAIL'))).toEqual([]);
    expect(code).toBe(0);
    expect(existsSync(join(cwd, 'data'))).toBe(false);
  });

  test('every problem of the configuration is listed', async () => {
    writeFileSync(join(cwd, 'gateway.yaml'), 'a: 1\nb: 2\n');
    const { code, out } = await run(['check']);
    expect(code).toBe(1);
    expect(out).toMatch(/gateway\.yaml:1:1 \/a [\s\S]*gateway\.yaml:2:1 \/b /);
    expect(JSON.parse((await run(['check', '--json'])).out)).toMatchObject({
      ok: false,
      checks: [{ name: 'config', problems: [{ line: 1 }, { line: 2 }] }],
    });
  });

  test('a broken schema is told with file, line and column', async () => {
    writeFileSync(
      join(cwd, 'gateway.yaml'),
      'schemas: ./s.d\nmqtt: { listeners: [{ port: 0 }] }\nhttp: false\n',
    );
    expect(await run(['check', '--offline'])).toMatchObject({ code: 1, out: expect.stringContaining('s.d') });
    const folder = temporaryFolder('schemas');
    writeFileSync(join(folder, 'x.json'), '{\n  "type": "object",,\n}');
    writeFileSync(
      join(cwd, 'gateway.yaml'),
      `schemas: ${folder}\nmqtt: { listeners: [{ port: 0 }] }\nhttp: false\n`,
    );
    expect(await run(['check', '--offline'])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/FAIL {2}schemas[\s\S]*x\.json:2:\d+ /),
    });
  });

  test('a taken address, a folder that is a file, too little disk and a sink that is away', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    writeFileSync(join(cwd, 'file'), '');
    writeFileSync(
      join(cwd, 'gateway.yaml'),
      `data: ./file\nmqtt: { listeners: [{ port: ${port} }] }\nhttp: false\n`,
    );
    const parts: Partial<CommandParts> = { probeSink: async () => 'connection refused' };
    const { code, out } = await run(['check'], { parts });
    taken.close();
    expect(code).toBe(1);
    expect(out).toMatch(/FAIL {2}data: .*file is no folder/);
    const other = port < 65_535 ? port + 1 : port - 1;
    expect(out).toContain(
      `FAIL  mqtt: 127.0.0.1:${port} is taken by another program; another port in gateway.yaml: mqtt: { listeners: [{ port: ${other} }] }\n`,
    );
    expect(out).toMatch(/FAIL {2}sink embedded: .*connection refused/);
    expect((await run(['check', '--offline'], { parts })).out).not.toContain('sink');
    writeFileSync(
      join(cwd, 'gateway.yaml'),
      'store: { minFreeDisk: 1000TiB }\nmqtt: { listeners: [{ port: 0 }] }\nhttp: false\n',
    );
    expect((await run(['check'])).out).toMatch(/FAIL {2}data: .*less than store\.minFreeDisk/);
  });

  test('beside a running gateway its own addresses are no problem', async () => {
    await running();
    expect(await run(['check'])).toMatchObject({ code: 0, out: expect.stringContaining('one runs') });
  });
});
