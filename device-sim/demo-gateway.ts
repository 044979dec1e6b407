/** The demo's gateway: the real program in a process of its own, on free ports of the loopback. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

export interface DemoGateway {
  readonly mqttPort: number;
  readonly httpPort: number;
  /** SIGTERM, and waits for its end. Harmless when it has ended. */
  stop(): Promise<void>;
}

/** Readings by outcome, of all sources. */
export interface Totals {
  readonly stored: number;
  readonly duplicate: number;
  readonly rejected: number;
  readonly forwarded: number;
  readonly refused: number;
}

const READY_MS = 20_000;
const LAST_WORDS = 4000;

/** @throws Error with the gateway's own words when it does not come up. */
export async function startDemoGateway(
  options: { home: string; nodePath: string; seconds: number | null; signal: AbortSignal },
  folder: string,
  config: string,
): Promise<DemoGateway> {
  const usual = options.seconds === null;
  const mqttPort = await freePort(usual ? 1883 : 0);
  const httpPort = await freePort(usual ? 8080 : 0);
  const settings = {
    data: './data',
    mqtt: { listeners: [{ port: mqttPort }] },
    http: { port: httpPort },
    sinks: [{ type: 'embedded' }],
  };
  // JSON is YAML.
  await writeFile(config, `${JSON.stringify(settings, null, 2)}\n`);
  const child = spawn(
    options.nodePath,
    [join(options.home, 'dist', 'gateway', 'main.js'), 'start', '--config', config],
    // A group of its own: Ctrl+C is for the demo, which ends the gateway after the fleet.
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  let words = '';
  let ended = false;
  const keep = (chunk: Buffer): void => {
    words = (words + chunk.toString()).slice(-LAST_WORDS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<void>((resolve) => {
    const done = (): void => {
      ended = true;
      resolve();
    };
    child.once('error', done);
    child.once('close', done);
  });
  const stop = async (): Promise<void> => {
    if (!ended) child.kill('SIGTERM');
    await exited;
  };
  const deadline = performance.now() + READY_MS;
  while (!(await accepts(mqttPort)) || !(await answers(`http://127.0.0.1:${httpPort}/health/live`))) {
    if (ended || options.signal.aborted || performance.now() > deadline) {
      await stop();
      throw new Error(`the gateway did not start:\n${words}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { mqttPort, httpPort, stop };
}

/** What `/api/account` counts in all. */
export async function readAccount(gateway: DemoGateway): Promise<Totals> {
  const response = await fetch(`http://127.0.0.1:${gateway.httpPort}/api/account`);
  // The gateway of the same package answers.
  const account = (await response.json()) as { total: Totals };
  return account.total;
}

/** The port wished for, if it is free; else one the system chooses. */
async function freePort(wish: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if (wish === 0) reject(error);
      else freePort(0).then(resolve, reject);
    });
    server.listen(wish, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}
