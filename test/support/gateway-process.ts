/** The real gateway as users run it: the compiled program in a process of its own. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AccountReport } from '../../gateway/operations-contract.ts';
import type { SinkLedger, Tally } from '../../gateway/store-contract.ts';
import { accepts, freePorts, type Running, run, start, until } from './processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The program, whether this file runs from the sources or compiled. */
const ROOT = fileURLToPath(
  new URL(import.meta.url.includes('/dist/') ? '../../..' : '../..', import.meta.url),
);
export const GATEWAY_MAIN = join(ROOT, 'dist/gateway/main.js');
export const SIMULATOR_MAIN = join(ROOT, 'dist/device-sim/main.js');
export const REPOSITORY = ROOT;

const STOP_MS = 20_000;

type Settings = Readonly<Record<string, unknown>>;

export interface GatewayOptions {
  /** Keys of gateway.yaml. `data`, the MQTT listener and `http.port` are filled in; `mqtt`, `http` merge one level deep. */
  readonly config?: Settings;
  /** Its folder; a temporary one unless given. */
  readonly dir?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A program to run it under: `['strace', '-f', …]`. */
  readonly under?: readonly string[];
  readonly nodeFlags?: readonly string[];
  readonly readyTimeoutMs?: number;
  /** How often to look whether it listens. */
  readonly pollMs?: number;
}

export interface GatewayProcess {
  readonly port: number;
  readonly httpPort: number;
  readonly url: string;
  readonly dir: string;
  readonly dataDir: string;
  readonly configFile: string;
  pid(): number;
  stdout(): string;
  stderr(): string;
  /** Both, for messages. */
  log(): string;
  exitCode(): number | string | null;
  /** Sends a signal and waits for its end. */
  kill(signal?: NodeJS.Signals): Promise<number | string>;
  /** SIGTERM; resolves with its exit code. */
  stop(): Promise<number | string>;
  /** Starts it again with the same folder, config and ports; `config` replaces keys of the file. */
  restart(config?: Settings): Promise<void>;
  /** GET of a path, as JSON. */
  get(path: string): Promise<unknown>;
  /** Memory that only it has (VmRSS is shared with the map of the store), bytes. Linux. */
  rssAnonBytes(): number;
  /** Runs a command of the program with this config; `--json` is for the caller to add. */
  command(...args: string[]): Promise<{ code: number | string; stdout: string; stderr: string }>;
}

/**
 * Starts `telemetry-gateway start --config …` and waits until it listens.
 * @throws Error with its output when it ends, or does not listen in time.
 */
export async function startGateway(options: GatewayOptions = {}): Promise<GatewayProcess> {
  if (!existsSync(GATEWAY_MAIN)) throw new Error(`${GATEWAY_MAIN} is missing: npm run build`);
  const dir = options.dir ?? temporaryFolder('gateway');
  const [port = 0, httpPort = 0] = await freePorts(2);
  const configFile = join(dir, 'gateway.yaml');
  const dataDir = join(dir, 'data');
  const env = { ...process.env, ...options.env };
  let config: Settings = {
    data: dataDir,
    ...options.config,
    mqtt: { listeners: [{ port }], ...asSettings(options.config?.mqtt) },
    http: { port: httpPort, ...asSettings(options.config?.http) },
  };
  const command = [
    ...(options.under ?? []),
    process.execPath,
    ...(options.nodeFlags ?? []),
    GATEWAY_MAIN,
    'start',
    '--config',
    configFile,
  ];
  const url = `http://127.0.0.1:${httpPort}`;
  let child: Running;
  const begin = async (): Promise<void> => {
    mkdirSync(dir, { recursive: true });
    // JSON is YAML.
    writeFileSync(configFile, JSON.stringify(config, null, 2));
    const [program = process.execPath, ...args] = command;
    child = start(program, args, { env, cwd: dir });
    const died = await until(
      'the gateway listens',
      async () => {
        if (child.ended() !== null) return child.ended();
        return (await accepts(port)) && (await fetch(`${url}/health/live`)).ok;
      },
      { timeoutMs: options.readyTimeoutMs ?? 20_000, everyMs: options.pollMs ?? 25 },
    ).catch(async (error: unknown) => {
      await child.kill('SIGKILL');
      throw new Error(`${String(error)}\n${child.stdout()}\n${child.stderr()}`);
    });
    if (died !== true) throw new Error(`the gateway ended: ${died}\n${child.stdout()}\n${child.stderr()}`);
  };
  await begin();

  return {
    port,
    httpPort,
    url,
    dir,
    dataDir,
    configFile,
    pid: () => (options.under === undefined ? child.pid : childOf(child.pid)),
    stdout: () => child.stdout(),
    stderr: () => child.stderr(),
    log: () => child.stdout() + child.stderr(),
    exitCode: () => child.ended(),
    kill: async (signal = 'SIGKILL') => await end(child, signal, options.under !== undefined),
    stop: async () => await end(child, 'SIGTERM', options.under !== undefined),
    restart: async (changes = {}) => {
      config = { ...config, ...changes };
      await begin();
    },
    get: async (path) => await getJson(url + path),
    rssAnonBytes: () => rssAnonBytes(child.pid),
    command: async (...args) =>
      await run(process.execPath, [GATEWAY_MAIN, ...args, '--config', configFile], { env, cwd: dir }),
  };
}

/** A program it runs under may keep signals to itself: the gateway gets them. */
async function end(child: Running, signal: NodeJS.Signals, under: boolean): Promise<number | string> {
  if (child.ended() !== null) return await child.exited;
  process.kill(under ? childOf(child.pid) : child.pid, signal);
  const timer = setTimeout(() => child.child.kill('SIGKILL'), STOP_MS);
  try {
    return await child.exited;
  } finally {
    clearTimeout(timer);
  }
}

/** The program that runs under another; the same process where that one has become it. */
function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return Number(children[0]) || pid;
}

/** What `/api/account` says. */
export async function accountOf(gateway: GatewayProcess): Promise<AccountReport> {
  // The shape is the program's own; a wrong one fails the test that reads it.
  return (await gateway.get('/api/account')) as AccountReport;
}

/** Waits until what the door counted is the sum of where readings ended, and equals `received`. */
export async function untilReceived(
  gateway: GatewayProcess,
  received: number,
  timeoutMs = 20_000,
): Promise<void> {
  await until(
    `the account holds ${received} readings`,
    async () => {
      const { total } = await accountOf(gateway);
      if (sumOf(total) !== received) throw new Error(JSON.stringify(total));
      return true;
    },
    { timeoutMs, everyMs: 50 },
  );
}

/** Waits until a sink has nothing left to write. */
export async function untilDrained(
  gateway: GatewayProcess,
  sink?: string,
  timeoutMs = 30_000,
): Promise<SinkLedger> {
  return await until(
    'the sink has written everything',
    async () => {
      const { sinks } = await accountOf(gateway);
      const ledger = sink === undefined ? sinks[0] : sinks.find(({ name }) => name === sink);
      if (ledger === undefined) throw new Error(`no sink ${sink ?? ''} in ${JSON.stringify(sinks)}`);
      if (ledger.pending !== 0) throw new Error(JSON.stringify(ledger));
      return ledger;
    },
    { timeoutMs, everyMs: 50 },
  );
}

export function sumOf(tally: Tally): number {
  return tally.stored + tally.duplicate + tally.rejected + tally.forwarded + tally.refused;
}

async function getJson(url: string): Promise<unknown> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${url}: ${text}`);
  return JSON.parse(text);
}

/** Anonymous memory of a process, bytes; 0 where the system does not tell (other than Linux). */
export function rssAnonBytes(pid: number): number {
  if (process.platform !== 'linux') return 0;
  const match = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) * 1024;
}

function asSettings(value: unknown): Settings {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
