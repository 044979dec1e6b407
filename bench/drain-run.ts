/** Fills the store while InfluxDB is away, brings it back while live readings come in, and watches what that does. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SinkLedger } from '../gateway/store-contract.ts';
import { accountOf, type GatewayProcess, startGateway } from '../test/support/gateway-process.ts';
import { type Running, start, until } from '../test/support/processes.ts';
import { type InfluxServer, startInfluxd } from '../test/support/servers.ts';
import { benchSchemas } from './contenders.ts';
import { type Generated, generate, generatorArgs, type LoadWindow } from './measure.ts';
import { progress } from './progress.ts';

export interface DrainOptions {
  /** Waiting before InfluxDB comes back, at least. */
  readonly points: number;
  /** Live readings per second while it drains. */
  readonly livePerSecond: number;
  /** What the gateway runs under: a memory limit. */
  readonly under?: readonly string[];
}

export interface DrainSample {
  /** ms since the epoch. */
  readonly atMs: number;
  readonly waiting: number;
  readonly rssAnonBytes: number;
}

export interface DrainRun {
  readonly livePerSecond: number;
  /** RssAnon before anything was stored. */
  readonly bareBytes: number;
  readonly filling: readonly DrainSample[];
  readonly draining: readonly DrainSample[];
  /** When InfluxDB was back and when hardly anything waited any more, ms since the epoch. */
  readonly beganMs: number;
  readonly endedMs: number;
  /** Until when the gateway had not yet tried InfluxDB again, as near as half a second; ms since the epoch. */
  readonly idleUntilMs: number;
  /** When InfluxDB was back. */
  readonly waitingAtFirst: number;
  /** Written by the sink, from then on. */
  readonly drainedPerSecond: number;
  /** Live readings just before, with InfluxDB away. */
  readonly p99BeforeMs: number | null;
  /** Live readings of each second, from a little before InfluxDB was back to a few seconds after the drain. */
  readonly liveSeconds: readonly LoadWindow[];
  readonly stored: number;
  readonly found: number;
}

const DATABASE = 'bench';
const SAMPLE_MS = 500;
/** What the slowest drain that is worth a plot takes for a reading, and some time to begin. */
const SLOWEST_MS_PER_POINT = 0.2;
const BEGIN_MS = 60_000;
const HOUR_S = 3600;

/** @throws Error where a server does not start, or nothing drains. */
export async function drainWithLiveLoad(options: DrainOptions): Promise<DrainRun> {
  const influx = await startInfluxd();
  await influx.createDatabase(DATABASE);
  await influx.stop();
  const sink = { type: 'influxdb', name: 'influx', url: influx.url, version: 1, database: DATABASE };
  const gateway = await startGateway({
    config: { schemas: benchSchemas(), store: { maxBytes: '16GiB' }, sinks: [sink] },
    ...(options.under === undefined ? {} : { under: options.under }),
  });
  try {
    await sleep(1000);
    return await drained(gateway, influx, options);
  } finally {
    await gateway.stop();
    await influx.stop();
  }
}

/** The highest p99 that the live readings had in any second of the drain, ms. */
export function worstSecondMs({ liveSeconds, beganMs, endedMs }: DrainRun): number {
  // The window in which it ended counts.
  const during = liveSeconds.filter(({ endMs }) => endMs > beganMs && endMs <= endedMs + 1000);
  return Math.max(0, ...during.map(({ p99Ms }) => p99Ms ?? 0));
}

async function drained(
  gateway: GatewayProcess,
  influx: InfluxServer,
  { points, livePerSecond }: DrainOptions,
): Promise<DrainRun> {
  const bareBytes = gateway.rssAnonBytes();
  const filling = watch(gateway);
  await fill(gateway, points);
  // What fell due while it was filled (writing back, collecting garbage) is not what live readings feel of a backlog.
  await sleep(5000);
  const p99BeforeMs = (await finished(await liveLoad(gateway, 5, livePerSecond, 'before'))).p99Ms;
  const whileFilling = await filling.stop();
  progress(`live alone: p99 ${p99BeforeMs} ms`);

  const live = await liveLoad(gateway, HOUR_S, livePerSecond, 'live');
  await influx.restart();
  const first = await ledgerOf(gateway);
  const beganMs = Date.now();
  let idleUntilMs = beganMs;
  const draining = watch(gateway);
  const timeoutMs = BEGIN_MS + points * SLOWEST_MS_PER_POINT;
  const last = await until(
    'the backlog drains',
    async () => {
      const ledger = await ledgerOf(gateway);
      if (ledger.written === first.written) idleUntilMs = Date.now();
      return ledger.pending > livePerSecond * 2 ? null : ledger;
    },
    { timeoutMs, everyMs: SAMPLE_MS },
  );
  const endedMs = Date.now();
  // Some seconds with nothing waiting, for comparison.
  await sleep(3000);
  live.child.kill('SIGTERM');
  const generated = await finished(live);
  await until('all is written', async () => (await ledgerOf(gateway)).pending === 0, { timeoutMs: 60_000 });
  return {
    livePerSecond,
    bareBytes,
    filling: whileFilling,
    draining: await draining.stop(),
    beganMs,
    endedMs,
    idleUntilMs,
    waitingAtFirst: first.pending,
    drainedPerSecond: ((last.written - first.written) * 1000) / (endedMs - idleUntilMs),
    p99BeforeMs,
    liveSeconds: generated.windows,
    stored: (await ledgerOf(gateway)).stored,
    found: await influx.count(DATABASE, 'environment', 'seq'),
  };
}

async function ledgerOf(gateway: GatewayProcess): Promise<SinkLedger> {
  const [ledger] = (await accountOf(gateway)).sinks;
  if (ledger === undefined) throw new Error('no sink');
  return ledger;
}

/** Looks at the backlog and the memory again and again. */
function watch(gateway: GatewayProcess): { stop(): Promise<readonly DrainSample[]> } {
  const samples: DrainSample[] = [];
  let on = true;
  let saidMs = 0;
  const watching = (async (): Promise<void> => {
    while (on) {
      const { pending } = await ledgerOf(gateway);
      const rssAnonBytes = gateway.rssAnonBytes();
      const atMs = Date.now();
      samples.push({ atMs, waiting: pending, rssAnonBytes });
      if (atMs - saidMs >= 1000) {
        progress(`${pending} waiting, RssAnon ${(rssAnonBytes / 1e6).toFixed(0)} MB`);
        saidMs = atMs;
      }
      await sleep(SAMPLE_MS);
    }
  })();
  // It is told by stop(), which may come late.
  watching.catch(() => undefined);
  return {
    stop: async () => {
      on = false;
      await watching;
      return samples;
    },
  };
}

async function fill(gateway: GatewayProcess, points: number): Promise<void> {
  let before = -1;
  for (;;) {
    const { pending } = await ledgerOf(gateway);
    if (pending >= points) return;
    if (pending <= before) throw new Error(`the backlog does not grow beyond ${pending}`);
    before = pending;
    const seconds = points - pending > 500_000 ? 5 : 1;
    const load = { connections: 50, window: 50, seconds, devices: 0 };
    await generate(gateway.port, load, '--warmup', '0', '--prefix', `fill${pending}`);
  }
}

async function liveLoad(
  gateway: GatewayProcess,
  seconds: number,
  livePerSecond: number,
  prefix: string,
): Promise<Running> {
  const load = { connections: 50, window: 50, seconds, devices: 0 };
  const more = ['--warmup', '0', '--rate', String(livePerSecond), '--prefix', prefix, '--each', '1'];
  const child = start(process.execPath, generatorArgs(gateway.port, load, ...more));
  await until('the live load is connected', () => child.stderr().includes('connected'));
  return child;
}

async function finished(child: Running): Promise<Generated> {
  await child.exited;
  if (child.stdout() === '') throw new Error(`the generator failed: ${child.stderr()}`);
  // Its own program printed it.
  return JSON.parse(child.stdout()) as Generated;
}
