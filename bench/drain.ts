/**
 * `npm run bench:drain`: fills the store while InfluxDB is away, brings it back while live readings come in, and
 * watches memory, the speed of the drain, and what the live readings feel of it. `-- --points 1000000` for less,
 * `-- --memory 400` to run the gateway under a memory limit (MB; a control group, root).
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { SinkLedger } from '../gateway/store-contract.ts';
import { accountOf, type GatewayProcess, REPOSITORY, startGateway } from '../test/support/gateway-process.ts';
import { type Running, start, until } from '../test/support/processes.ts';
import { startInfluxd } from '../test/support/servers.ts';
import { endAndClean } from './clean.ts';
import { benchSchemas } from './contenders.ts';
import { type Generated, generate, generatorArgs } from './measure.ts';
import { machineLine, replaceBetweenMarkers } from './report.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    points: { type: 'string', default: '10000000' },
    /** Live readings per second while it drains. */
    live: { type: 'string', default: '5000' },
    /** MB; 0: no limit. */
    memory: { type: 'string', default: '0' },
    write: { type: 'boolean', default: true },
  },
});

const MB = 1e6;
const points = Number(values.points);
const live = Number(values.live);
const memory = Number(values.memory);
const GROUP_V2 = '/sys/fs/cgroup/telemetry-gateway-drain';
const GROUP_V1 = '/sys/fs/cgroup/memory/telemetry-gateway-drain';

function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

async function ledgerOf(gateway: GatewayProcess): Promise<SinkLedger> {
  const [ledger] = (await accountOf(gateway)).sinks;
  if (ledger === undefined) throw new Error('no sink');
  return ledger;
}

/** Runs a program under a memory limit that counts its page cache too, as a container's does: control groups 2 or 1. */
function underMemoryLimit(megabytes: number): string[] {
  const [group, limit] = existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? [GROUP_V2, 'memory.max']
    : [GROUP_V1, 'memory.limit_in_bytes'];
  mkdirSync(group, { recursive: true });
  writeFileSync(join(group, limit), String(megabytes * MB));
  return ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh'];
}

async function fill(gateway: GatewayProcess, highest: { rss: number }): Promise<void> {
  for (;;) {
    const { pending } = await ledgerOf(gateway);
    highest.rss = Math.max(highest.rss, gateway.rssAnonBytes());
    progress(`${pending} waiting, RssAnon ${(gateway.rssAnonBytes() / MB).toFixed(0)} MB`);
    if (pending >= points) return;
    const seconds = points - pending > 500_000 ? 5 : 1;
    await generate(
      gateway.port,
      { connections: 50, window: 50, seconds, devices: 0 },
      '--warmup',
      '0',
      '--prefix',
      `fill${pending}`,
    );
  }
}

async function liveLoad(gateway: GatewayProcess, seconds: number, prefix: string): Promise<Running> {
  const load = { connections: 50, window: 50, seconds, devices: 0 };
  const child = start(
    process.execPath,
    generatorArgs(gateway.port, load, '--warmup', '0', '--rate', String(live), '--prefix', prefix),
  );
  await until('the live load is connected', () => child.stderr().includes('connected'));
  return child;
}

async function generatedBy(child: Running): Promise<Generated> {
  await child.exited;
  // Its own program printed it.
  return JSON.parse(child.stdout()) as Generated;
}

async function main(): Promise<void> {
  const influx = await startInfluxd();
  await influx.createDatabase('bench');
  await influx.stop();
  const sink = { type: 'influxdb', name: 'influx', url: influx.url, version: 1, database: 'bench' };
  const gateway = await startGateway({
    config: { schemas: benchSchemas(), store: { maxBytes: '16GiB' }, sinks: [sink] },
    ...(memory > 0 ? { under: underMemoryLimit(memory) } : {}),
  });
  await sleep(1000);
  const bare = gateway.rssAnonBytes();
  const whileFilling = { rss: bare };
  await fill(gateway, whileFilling);
  const before = await generatedBy(await liveLoad(gateway, 5, 'before'));
  progress(`live alone: p99 ${before.p99Ms} ms`);

  await influx.restart();
  const first = await ledgerOf(gateway);
  const began = performance.now();
  let whileDraining = 0;
  const lives: Generated[] = [];
  let ledger = first;
  while (ledger.pending > live * 2) {
    const child = await liveLoad(gateway, 5, `live${lives.length}`);
    while (child.ended() === null) {
      await sleep(250);
      whileDraining = Math.max(whileDraining, gateway.rssAnonBytes());
    }
    lives.push(await generatedBy(child));
    ledger = await ledgerOf(gateway);
    progress(
      `${ledger.pending} waiting, RssAnon ${(gateway.rssAnonBytes() / MB).toFixed(0)} MB, live p99 ${lives.at(-1)?.p99Ms} ms`,
    );
  }
  const seconds = (performance.now() - began) / 1000;
  const perSecond = (ledger.written - first.written) / seconds;
  await until('all is written', async () => (await ledgerOf(gateway)).pending === 0, { timeoutMs: 60_000 });
  const { stored } = await ledgerOf(gateway);
  const found = await influx.count('bench', 'environment', 'seq');
  const liveP99 = Math.max(...lives.map(({ p99Ms }) => p99Ms ?? 0));
  await gateway.stop();
  await influx.stop();

  const limit = memory === 0 ? 'no memory limit' : `under a memory limit of ${memory} MB`;
  const text = [
    `${machineLine(new Date())} ${first.pending.toLocaleString('en-US')} readings waiting, ${limit}.`,
    '',
    '| what | measured | mark | and then |',
    '| --- | --- | --- | --- |',
    `| RssAnon at the start, highest while filling, highest while draining | ${[bare, whileFilling.rss, whileDraining].map((bytes) => `${(bytes / MB).toFixed(0)} MB`).join(', ')} | flat, ≤ 300 MB | 200 |`,
    `| drained per second, while ${live}/s came in live | ${Math.round(perSecond).toLocaleString('en-US')} | ≥ 80,000 | 150,000 |`,
    `| live p99 from PUBLISH to PUBACK, before and while draining (the worst 5 s) | ${before.p99Ms} ms, ${liveP99} ms | unhurt | |`,
    `| stored, found in InfluxDB | ${stored.toLocaleString('en-US')}, ${found.toLocaleString('en-US')} | equal | |`,
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (values.write) replaceBetweenMarkers(join(REPOSITORY, 'bench', 'README.md'), 'drain', text);
}

try {
  await main();
} catch (error) {
  process.stderr.write(
    `bench:drain: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
} finally {
  await endAndClean();
  for (const group of [GROUP_V1, GROUP_V2]) if (existsSync(group)) rmdirSync(group);
}
