/** One measurement each: throughput of a contender, latency at a fixed rate, memory of idle connections, start time. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { GatewayStatus } from '../gateway/operations-contract.ts';
import { rssAnonBytes, startGateway } from '../test/support/gateway-process.ts';
import { start, until } from '../test/support/processes.ts';
import { endAndClean } from './clean.ts';
import { CONTENDERS, type Contender, type ContenderName } from './contenders.ts';
import { syncLatencies } from './sync-latency.ts';

/** What the generator prints. */
export interface Generated {
  readonly sent: number;
  readonly acknowledged: number;
  readonly unacknowledged: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly coreShare: number;
  readonly broken: number;
  /** Of so many seconds each as `--each` said; empty without it. */
  readonly windows: readonly LoadWindow[];
}

export interface LoadWindow {
  /** ms since the epoch. */
  readonly endMs: number;
  readonly perSecond: number;
  /** From PUBLISH to PUBACK; null where nothing was acknowledged in it. */
  readonly p99Ms: number | null;
}

export interface Throughput {
  readonly acknowledgedPerSecond: number;
  /** Found in InfluxDB, per second of the load; null where there is none. */
  readonly foundPerSecond: number | null;
  /** Acknowledged but not written when the load ended, in seconds of that load. */
  readonly backlogSeconds: number | null;
  /** Acknowledged, and never found. */
  readonly lost: number | null;
  readonly generatorCoreShare: number;
  readonly cores: number;
}

const GENERATOR = fileURLToPath(new URL('./generator.js', import.meta.url));
const DRAIN_MS = 120_000;

export interface Load {
  readonly connections: number;
  readonly window: number;
  readonly seconds: number;
  /** 0: one a connection. */
  readonly devices: number;
}

export function generatorArgs(port: number, load: Load, ...more: string[]): string[] {
  return [
    GENERATOR,
    ...['--port', String(port), '--connections', String(load.connections), '--window', String(load.window)],
    ...['--seconds', String(load.seconds), '--devices', String(load.devices), ...more],
  ];
}

export async function generate(port: number, load: Load, ...more: string[]): Promise<Generated> {
  const child = start(process.execPath, generatorArgs(port, load, ...more));
  await child.exited;
  if (child.stdout() === '') throw new Error(`the generator failed: ${child.stderr()}`);
  // Its own program printed it.
  return JSON.parse(child.stdout()) as Generated;
}

/** Runs one contender under full load. */
export async function throughputOf(name: ContenderName, load: Load): Promise<Throughput> {
  const contender = await CONTENDERS[name]();
  try {
    const hasDatabase = (await contender.found()) !== null;
    const child = start(process.execPath, generatorArgs(contender.port, load, '--warmup', '1.5'));
    await until('the generator is connected', () => child.stderr().includes('connected'));
    await sleep(1500);
    const from = await lookAt(contender);
    await sleep(load.seconds * 1000 - 200);
    const to = await lookAt(contender);
    await child.exited;
    // Its own program printed it.
    const generated = JSON.parse(child.stdout()) as Generated;
    const seconds = (to.atMs - from.atMs) / 1000;
    const base = {
      acknowledgedPerSecond: generated.perSecond,
      generatorCoreShare: generated.coreShare,
      cores: (to.cpu - from.cpu) / seconds,
    };
    if (!hasDatabase) return { ...base, foundPerSecond: null, backlogSeconds: null, lost: null };
    const foundPerSecond = (to.found - from.found) / seconds;
    const backlog = generated.acknowledged - ((await contender.found()) ?? 0);
    const found = await settled(contender, generated.acknowledged);
    return {
      ...base,
      foundPerSecond,
      backlogSeconds: Math.max(0, backlog) / generated.perSecond,
      lost: Math.max(0, generated.acknowledged - found),
    };
  } finally {
    await contender.stop();
    await endAndClean();
  }
}

/**
 * Counts in InfluxDB itself, for every contender alike: a count that a contender keeps of itself comes late when its
 * event loop is busy, and would make it look slower than it is.
 */
async function lookAt(contender: Contender): Promise<{ atMs: number; found: number; cpu: number }> {
  const atMs = performance.now();
  const cpu = cpuSeconds(contender.pids);
  return { atMs, cpu, found: (await contender.found()) ?? 0 };
}

/** Waits until all acknowledged readings are found, or their number has not grown for 5 s; returns the number. */
async function settled(
  contender: { found(): Promise<number | null> },
  acknowledged: number,
): Promise<number> {
  const deadline = performance.now() + DRAIN_MS;
  let found = (await contender.found()) ?? 0;
  let grewAt = performance.now();
  while (found < acknowledged && performance.now() < deadline && performance.now() - grewAt < 5000) {
    await sleep(500);
    const now = (await contender.found()) ?? 0;
    if (now > found) grewAt = performance.now();
    found = now;
  }
  return found;
}

/** p99 from PUBLISH to PUBACK at a rate, and of the disk's own sync just before. */
export async function latencyAt(
  perSecond: number,
  load: Load,
): Promise<{ p50Ms: number; p99Ms: number; syncP50Ms: number; syncP99Ms: number }> {
  const contender = await CONTENDERS['gateway-influx']();
  try {
    const sync = syncLatencies(3000);
    const generated = await generate(
      contender.port,
      load,
      '--rate',
      String(Math.max(1, Math.round(perSecond))),
    );
    return {
      p50Ms: generated.p50Ms ?? Number.NaN,
      p99Ms: generated.p99Ms ?? Number.NaN,
      syncP50Ms: sync.percentile(50) ?? Number.NaN,
      syncP99Ms: sync.percentile(99) ?? Number.NaN,
    };
  } finally {
    await contender.stop();
    await endAndClean();
  }
}

/** V8 gives back what the rush of connecting took about half a minute after it is over. */
const SETTLED_AFTER_MS = 50_000;

/** Memory that idle connections cost the gateway, bytes each, above its bare start: just after they came, and settled. */
export async function idleConnectionBytes(
  connections: number,
): Promise<{ atFirst: number; settled: number }> {
  const nobody = { type: 'influxdb', url: 'http://127.0.0.1:1', version: 1, database: 'none' };
  const gateway = await startGateway({ config: { sinks: [nobody] } });
  try {
    await sleep(1500);
    const before = rssAnonBytes(gateway.pid());
    const load = { connections, window: 1, seconds: 75, devices: 0 };
    const child = start(process.execPath, generatorArgs(gateway.port, load, '--idle', '--prefix', 'idle'));
    await until('all are connected', () => child.stderr().includes('connected') || child.ended() !== null, {
      timeoutMs: 60_000,
    });
    if (child.ended() !== null) throw new Error(`the generator failed: ${child.stderr()}`);
    await sleep(8000);
    const atFirst = (rssAnonBytes(gateway.pid()) - before) / connections;
    await sleep(SETTLED_AFTER_MS);
    const settled = (rssAnonBytes(gateway.pid()) - before) / connections;
    // The shape is the program's own.
    const { sources } = (await gateway.get('/api/status')) as GatewayStatus;
    const open = sources.reduce((sum, source) => sum + source.connections, 0);
    if (open !== connections) throw new Error(`${open} of ${connections} connections were open`);
    await child.kill();
    return { atFirst, settled };
  } finally {
    await gateway.stop();
    await endAndClean();
  }
}

/** From the start of the process until it accepts connections and answers health, ms; on an empty data folder. */
export async function startToListeningMs(): Promise<number> {
  const began = performance.now();
  const gateway = await startGateway({ config: {}, pollMs: 2 });
  const took = performance.now() - began;
  await gateway.stop();
  await endAndClean();
  return took;
}

/** User and system time of processes so far, s (Linux: 100 ticks a second). */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}
