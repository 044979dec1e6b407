/** Real servers for tests and the bench: on the loopback, in folders of their own, on ports the system chose. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, freePort, freePorts, type Running, run, start, until } from './processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface Server {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly pid: () => number;
  /** SIGTERM, and waits for its end. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data, after `stop` or `kill`. */
  restart(): Promise<void>;
  /** What it wrote to its log. */
  log(): string;
}

export interface InfluxRow {
  readonly [column: string]: string | number | boolean | null;
}

export interface InfluxServer extends Server {
  /** Rows of an InfluxQL statement, tags and columns together; times as ns digits or ISO text as asked by `epoch`. */
  query(q: string, db?: string): Promise<InfluxRow[]>;
  /** Points held in a database: counts one always-present field, or the most counted one, per measurement. */
  count(db: string, measurement: string, field: string): Promise<number>;
  createDatabase(db: string): Promise<void>;
}

/** InfluxDB 1.x as Debian ships it. Ready when `/ping` answers 204. */
export async function startInfluxd(options: InfluxdOptions = {}): Promise<InfluxServer> {
  const dir = options.dir ?? temporaryFolder('influxd');
  const [httpPort, rpcPort] = await freePorts(2);
  const port = options.port ?? httpPort ?? 0;
  const config = join(dir, 'influxdb.conf');
  mkdirSync(dir, { recursive: true });
  writeFileSync(config, influxdConfig(dir, port, rpcPort ?? 0, options.http ?? {}));
  const url = `http://127.0.0.1:${port}`;
  const server = await supervise({
    url,
    port,
    dir,
    launch: () => start('influxd', ['-config', config]),
    ready: async () => (await fetch(`${url}/ping`)).status === 204,
  });
  const query = async (q: string, db = ''): Promise<InfluxRow[]> => {
    const response = await fetch(`${url}/query?db=${encodeURIComponent(db)}&epoch=ns`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `q=${encodeURIComponent(q)}`,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return rowsOf(text);
  };
  return {
    ...server,
    query,
    count: async (db, measurement, field) => {
      const rows = await query(`SELECT count("${field}") AS n FROM "${measurement}"`, db);
      return Number(rows[0]?.n ?? 0);
    },
    createDatabase: async (db) => {
      await query(`CREATE DATABASE "${db}"`);
    },
  };
}

export interface InfluxdOptions {
  readonly dir?: string;
  readonly port?: number;
  /** More settings of its `[http]` section: `{ 'auth-enabled': true, 'max-body-size': 1000 }`. */
  readonly http?: Readonly<Record<string, string | number | boolean>>;
}

/** VictoriaMetrics, single node. Its writes are found after `flush()`; it keeps milliseconds. */
export async function startVictoriaMetrics(
  options: { dir?: string; port?: number } = {},
): Promise<Server & { export(match: string): Promise<string[]>; flush(): Promise<void> }> {
  const dir = options.dir ?? temporaryFolder('victoria');
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const server = await supervise({
    url,
    port,
    dir,
    launch: () =>
      start('victoria-metrics', [
        `-httpListenAddr=127.0.0.1:${port}`,
        `-storageDataPath=${join(dir, 'data')}`,
        '-memory.allowedBytes=256MB',
        '-retentionPeriod=100y',
        '-loggerLevel=ERROR',
      ]),
    ready: async () => (await fetch(`${url}/health`)).ok,
  });
  const flush = async (): Promise<void> => {
    await (await fetch(`${url}/internal/force_flush`)).text();
  };
  return {
    ...server,
    flush,
    /** One JSON document a series: `{ metric, values, timestamps }`. */
    export: async (match) => {
      await flush();
      const response = await fetch(`${url}/api/v1/export?match[]=${encodeURIComponent(match)}`);
      return (await response.text()).split('\n').filter((line) => line !== '');
    },
  };
}

/** Mosquitto; anonymous on the loopback, nothing persisted, unless `conf` says otherwise. `PORT` in it is replaced. */
export async function startMosquitto(
  options: {
    readonly conf?: string;
    readonly dir?: string;
    readonly port?: number;
    /** A program that becomes it, with its arguments: `prlimit`. */
    readonly under?: readonly string[];
  } = {},
): Promise<Server> {
  const [program, ...before] = [...(options.under ?? []), 'mosquitto'] as const;
  const dir = options.dir ?? temporaryFolder('mosquitto');
  const port = options.port ?? (await freePort());
  const conf = join(dir, 'mosquitto.conf');
  writeFileSync(conf, (options.conf ?? MOSQUITTO_CONF).replaceAll('PORT', String(port)));
  return await supervise({
    url: `mqtt://127.0.0.1:${port}`,
    port,
    dir,
    launch: () => start(program, [...before, '-c', conf]),
    ready: async () => await accepts(port),
  });
}

/** As in the bench: no limit of its own on what may be in flight or queued. */
const MOSQUITTO_CONF = `
listener PORT 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
log_dest stderr
log_type error
log_type warning
user root
`;

/** Sends one message by `mosquitto_pub`. @throws Error with its words where it fails. */
export async function mosquittoPub(
  port: number,
  topic: string,
  payload: string,
  ...more: string[]
): Promise<void> {
  const { code, stderr } = await run('mosquitto_pub', [
    ...['-h', '127.0.0.1', '-p', String(port), '-t', topic, '-m', payload, '-q', '1', ...more],
  ]);
  if (code !== 0) throw new Error(`mosquitto_pub: ${stderr}`);
}

async function supervise(how: {
  url: string;
  port: number;
  dir: string;
  launch: () => Running;
  ready: () => Promise<boolean>;
}): Promise<Server> {
  let child: Running;
  const begin = async (): Promise<void> => {
    child = how.launch();
    try {
      await until(`${how.url} is ready`, async () => {
        const ended = child.ended();
        if (ended !== null) return new Error(`ended with ${ended}: ${child.stderr().slice(-2000)}`);
        return await how.ready();
      }).then((answer) => {
        if (answer instanceof Error) throw answer;
      });
    } catch (error) {
      await child.kill();
      throw error;
    }
  };
  await begin();
  return {
    url: how.url,
    port: how.port,
    dir: how.dir,
    pid: () => child.pid,
    stop: async () => void (await child.stop()),
    kill: async () => void (await child.kill('SIGKILL')),
    restart: begin,
    log: () => child.stdout() + child.stderr(),
  };
}

function influxdConfig(
  dir: string,
  port: number,
  rpcPort: number,
  http: InfluxdOptions['http'] = {},
): string {
  const settings = Object.entries(http).map(([key, value]) => `  ${key} = ${JSON.stringify(value)}`);
  return `
reporting-disabled = true
bind-address = "127.0.0.1:${rpcPort}"
[meta]
  dir = "${join(dir, 'meta')}"
[data]
  dir = "${join(dir, 'data')}"
  wal-dir = "${join(dir, 'wal')}"
  query-log-enabled = false
  index-version = "inmem"
[coordinator]
[retention]
[shard-precreation]
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:${port}"
  log-enabled = false
${settings.join('\n')}
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
`;
}

/** Flattens InfluxQL's answer: one object a row, with the series' tags. */
function rowsOf(text: string): InfluxRow[] {
  // The shape is InfluxDB's documented answer; a test server we started ourselves gives it.
  const answer = JSON.parse(text) as {
    results: {
      error?: string;
      series?: {
        name: string;
        tags?: Record<string, string>;
        columns: string[];
        values: InfluxRow[string][][];
      }[];
    }[];
  };
  const rows: InfluxRow[] = [];
  for (const result of answer.results) {
    if (result.error !== undefined) throw new Error(result.error);
    for (const series of result.series ?? []) {
      for (const values of series.values) {
        const row: Record<string, InfluxRow[string]> = { ...series.tags };
        series.columns.forEach((column, i) => {
          row[column] = values[i] ?? null;
        });
        rows.push(row);
      }
    }
  }
  return rows;
}
