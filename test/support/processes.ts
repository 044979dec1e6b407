/**
 * Child processes of the tests and the bench: each is ended by its own id, also when a test fails (`endAll` runs
 * after every test file) and when the test runner itself is killed (the kernel's parent-death signal, on Linux).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const SETPRIV = '/usr/bin/setpriv';
const MAX_OUTPUT_CHARS = 4_000_000;

const running = new Set<Running>();

export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything it said so far (the first 4 MB). */
  stdout(): string;
  stderr(): string;
  /** Its exit code; the signal's name where a signal ended it; null while it runs. */
  ended(): number | string | null;
  readonly exited: Promise<number | string>;
  kill(signal?: NodeJS.Signals): Promise<number | string>;
  /** SIGTERM, and SIGKILL where that has no effect within `graceMs`. */
  stop(graceMs?: number): Promise<number | string>;
}

/** Starts a program. It never outlives this process on Linux. */
export function start(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Running {
  const bound = existsSync(SETPRIV);
  const child = spawn(
    bound ? SETPRIV : command,
    bound ? ['--pdeathsig', 'KILL', '--', command, ...args] : [...args],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    },
  );
  let stdout = '';
  let stderr = '';
  let ended: number | string | null = null;
  child.stdout?.on('data', (chunk: Buffer) => {
    if (stdout.length < MAX_OUTPUT_CHARS) stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < MAX_OUTPUT_CHARS) stderr += chunk.toString();
  });
  const exited = new Promise<number | string>((resolve) => {
    const settle = (code: number | null, signal: string | null): void => {
      ended = code ?? signal ?? 'unknown';
      running.delete(process_);
      resolve(ended);
    };
    child.once('error', (error) => settle(null, error.message));
    child.once('close', settle);
  });
  const process_: Running = {
    pid: child.pid ?? -1,
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended: () => ended,
    exited,
    kill: async (signal = 'SIGKILL') => {
      if (ended === null) child.kill(signal);
      return await exited;
    },
    stop: async (graceMs = 10_000) => {
      if (ended !== null) return ended;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      try {
        return await exited;
      } finally {
        clearTimeout(timer);
      }
    },
  };
  running.add(process_);
  return process_;
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const child = start(command, args, options);
  const code = await child.exited;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

/** Ends whatever was started and still runs, each by its id. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map(async (each) => await each.kill('SIGKILL')));
}

/** `count` different ports of the loopback that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  return port;
}

/** Whether something on the loopback accepts connections on this port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * Asks again and again until the answer is neither false, null nor undefined, and returns it.
 * @throws Error with `what` and the last error, after `timeoutMs`.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { timeoutMs = 15_000, everyMs = 25 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown = null;
  for (;;) {
    try {
      const answer = await ask();
      // What is left after the three tests is exactly the excluded type; TypeScript cannot see that of a T.
      if (answer !== false && answer !== null && answer !== undefined) {
        return answer as Exclude<T, false | null | undefined>;
      }
      last = null;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain: ${what}${last === null ? '' : ` (${String(last)})`}`);
    }
    await sleep(everyMs);
  }
}
