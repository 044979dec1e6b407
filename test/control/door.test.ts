import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { callControl, connectTo } from '../../gateway/control/call.ts';
import { createDispatch } from '../../gateway/control/dispatch.ts';
import { type Door, type DoorOptions, openDoor } from '../../gateway/control/door.ts';
import { MAX_REQUEST_BYTES } from '../../gateway/control/protocol.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { fakeOperations } from '../commands/fake-operations.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const doors: Door[] = [];

afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.close()));
});

async function open(dataDir: string, options: Partial<DoorOptions> = {}): Promise<Door> {
  const door = await openDoor(dataDir, { pid: 4711, onFailure: () => undefined, ...options });
  doors.push(door);
  return door;
}

/** A socket file without anyone behind it, as a killed gateway leaves it. */
async function leaveStale(dataDir: string): Promise<void> {
  const child = await listener(dataDir);
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(existsSync(join(dataDir, 'control.sock'))).toBe(true);
}

/** Another process that listens there and says nothing. */
async function listener(dataDir: string): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(join(dataDir, 'control.sock'))}, () => console.log('up'))`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  return child;
}

async function send(dataDir: string, bytes: Buffer | string): Promise<string> {
  const socket = connect(join(dataDir, 'control.sock'));
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

describe('the control socket as lock', () => {
  test('a second gateway is told who has the folder', async () => {
    const dataDir = join(temporaryFolder(), 'new', 'data');
    await open(dataDir);
    await expect(openDoor(dataDir, { pid: 1, onFailure: () => undefined })).rejects.toMatchObject({
      code: 'data-in-use',
      message: expect.stringContaining('(process 4711)'),
    });
  });

  test('what a killed gateway left behind is no obstacle', async () => {
    const dataDir = temporaryFolder();
    await leaveStale(dataDir);
    const door = await open(dataDir);
    door.serve(async () => 'here');
    expect(await callControl(dataDir, 'x')).toBe('here');
  });

  test('of many that start at once over a stale socket, one has it', async () => {
    const dataDir = temporaryFolder();
    await leaveStale(dataDir);
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => open(dataDir)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'data-in-use' });
  });

  test('a plain file in its place is replaced', async () => {
    const dataDir = temporaryFolder();
    writeFileSync(join(dataDir, 'control.sock'), '');
    await open(dataDir);
    expect(await callControl(dataDir, 'hello')).toEqual({ pid: 4711 });
  });

  test.runIf(process.platform === 'linux')('one whose socket was deleted still has the folder', async () => {
    const dataDir = temporaryFolder();
    const first = await open(dataDir);
    rmSync(join(dataDir, 'control.sock'));
    await expect(open(dataDir)).rejects.toMatchObject({ code: 'data-in-use' });
    await first.close();
    doors.length = 0;
    await open(dataDir);
  });

  test('one that lives but does not answer still has the folder', async () => {
    const dataDir = temporaryFolder();
    const silent = createServer(() => undefined).listen(join(dataDir, 'control.sock'));
    await once(silent, 'listening');
    try {
      await expect(openDoor(dataDir, { pid: 1, onFailure: () => undefined })).rejects.toMatchObject({
        code: 'data-in-use',
        message: expect.stringContaining('does not answer'),
      });
    } finally {
      silent.close();
    }
  });

  test('closed, it is free at once', async () => {
    const dataDir = temporaryFolder();
    const first = await open(dataDir);
    doors.length = 0;
    await first.close();
    await open(dataDir);
  });

  test('folder and socket are for their owner alone', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    await open(dataDir);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dataDir, 'control.sock')).mode & 0o777).toBe(0o600);
  });

  test('a path too long for a socket works all the same', async () => {
    const dataDir = join(temporaryFolder(), 'd'.repeat(90), 'e'.repeat(90));
    const door = await open(dataDir);
    door.serve(async () => 'here');
    expect(await callControl(dataDir, 'x')).toBe('here');
    await expect(openDoor(dataDir, { pid: 1, onFailure: () => undefined })).rejects.toMatchObject({
      code: 'data-in-use',
    });
    doors.length = 0;
    await door.close();
    expect(existsSync(join(dataDir, 'control.sock'))).toBe(false);
  });

  test('a folder that cannot be is one clear error', async () => {
    const base = temporaryFolder();
    writeFileSync(join(base, 'file'), '');
    for (const dataDir of [join(base, 'file'), join(base, 'file', 'data')])
      await expect(openDoor(dataDir, { pid: 1, onFailure: () => undefined })).rejects.toMatchObject({
        code: 'data-unwritable',
      });
  });

  test('a folder that the system will not make is one clear error', async () => {
    // Nobody, not even root, makes folders there.
    await expect(
      openDoor('/proc/telemetry/data', { pid: 1, onFailure: () => undefined }),
    ).rejects.toMatchObject({
      code: 'data-unwritable',
      message: expect.stringContaining('/proc/telemetry/data'),
    });
  });
});

describe('the control socket as door', () => {
  test('operations are answered, and their errors keep their code', async () => {
    const dataDir = temporaryFolder();
    const operations = fakeOperations();
    (await open(dataDir)).serve(createDispatch(operations));
    expect(await callControl(dataDir, 'account')).toMatchObject({ total: { stored: 1200 } });
    expect(await callControl(dataDir, 'forgetSink', { name: 'old' })).toMatchObject({ pending: 1_200 });
    await callControl(dataDir, 'rejected', { code: 'invalid', limit: 5 });
    expect(operations.asked.at(-1)).toEqual({ code: 'invalid', limit: 5 });
    await expect(callControl(dataDir, 'rejection', { id: 'x' })).rejects.toMatchObject({
      code: 'not-found',
      message: 'no rejection x',
    });
  });

  test('arguments that are none are refused, not passed on', async () => {
    const dataDir = temporaryFolder();
    const operations = fakeOperations();
    (await open(dataDir)).serve(createDispatch(operations));
    for (const [op, args] of [
      ['rejection', { id: 5 }],
      ['rejected', { code: 'nonsense' }],
      ['rejected', { limit: -1 }],
      ['explain', { topic: 't' }],
      ['constructor', {}],
      ['__proto__', {}],
      ['nope', {}],
    ] as const)
      await expect(callControl(dataDir, op, args), op).rejects.toMatchObject({ code: 'usage' });
    expect(operations.asked).toEqual([]);
  });

  test('while the gateway starts it says so', async () => {
    const dataDir = temporaryFolder();
    await open(dataDir);
    await expect(callControl(dataDir, 'account')).rejects.toMatchObject({ code: 'starting' });
  });

  test('where nobody listens, nothing runs', async () => {
    const dataDir = temporaryFolder();
    await expect(callControl(dataDir, 'account')).rejects.toMatchObject({ code: 'not-running' });
    await expect(callControl(join(dataDir, 'nope'), 'account')).rejects.toMatchObject({
      code: 'not-running',
    });
    await leaveStale(dataDir);
    await expect(callControl(dataDir, 'account')).rejects.toMatchObject({ code: 'not-running' });
  });

  test('garbage, silence, floods and early leavers leave it answering', async () => {
    const dataDir = temporaryFolder();
    (await open(dataDir, { requestTimeoutMs: 100 })).serve(async () => 'still here');
    expect(await send(dataDir, 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^\{"ok":false,"code":"usage"/);
    expect(await send(dataDir, Buffer.from([0, 255, 10]))).toMatch(/"usage"/);
    expect(await send(dataDir, '[]\nnull\n')).toMatch(/"usage"/);
    expect(await send(dataDir, `${'['.repeat(100_000)}\n`)).toMatch(/"usage"/);
    expect(await send(dataDir, Buffer.alloc(MAX_REQUEST_BYTES + 10, 0x61))).toBe('');
    expect(await send(dataDir, 'no end of line')).toBe('');
    for (let i = 0; i < 20; i += 1)
      connect(join(dataDir, 'control.sock'))
        .on('error', () => undefined)
        .destroy();
    expect(await callControl(dataDir, 'x')).toBe('still here');
  });

  test('idle clients cannot fill it for ever', async () => {
    const dataDir = temporaryFolder();
    (await open(dataDir, { requestTimeoutMs: 200 })).serve(async () => 'still here');
    const idle = Array.from({ length: 64 }, () =>
      connect(join(dataDir, 'control.sock')).on('error', () => undefined),
    );
    await Promise.all(idle.map((socket) => once(socket, 'close')));
    expect(await callControl(dataDir, 'x')).toBe('still here');
  });

  test('what fails inside is contained and reported', async () => {
    const dataDir = temporaryFolder();
    const failures: unknown[] = [];
    const door = await open(dataDir, { onFailure: (op, error) => failures.push([op, String(error)]) });
    door.serve(async () => {
      throw new TypeError('oops');
    });
    await expect(callControl(dataDir, 'account')).rejects.toBeInstanceOf(GatewayError);
    await expect(callControl(dataDir, 'account')).rejects.toMatchObject({ code: 'internal' });
    expect(failures[0]).toEqual(['account', 'TypeError: oops']);
  });

  test('a long answer arrives whole', async () => {
    const dataDir = temporaryFolder();
    const long = 'x'.repeat(5_000_000);
    (await open(dataDir)).serve(async () => long);
    expect(await callControl(dataDir, 'x')).toBe(long);
  });
});

test.runIf(process.platform === 'linux')(
  'a gateway killed while it is being called counts as none',
  async () => {
    const dataDir = temporaryFolder();
    const path = join(dataDir, 'control.sock');
    const child = await listener(dataDir);
    child.kill('SIGSTOP');
    const answer = connectTo(path);
    child.kill('SIGKILL');
    // Blocks this thread until the system has closed the other end: the connection is reset before anyone looks at it.
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 500 && readFileSync('/proc/net/unix', 'utf8').includes(path); i += 1)
      Atomics.wait(pause, 0, 0, 20);
    expect(await answer).toBeNull();
  },
);
