/**
 * `npm run bench:drain`: fills the store while InfluxDB is away, brings it back while live readings come in, and
 * watches memory, the speed of the drain, and what the live readings feel of it. `-- --points 1000000` for less,
 * `-- --memory 400` to run the gateway under a memory limit (MB; a control group, root).
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../test/support/gateway-process.ts';
import { endAndClean } from './clean.ts';
import { drainWithLiveLoad, worstSecondMs } from './drain-run.ts';
import { machineLine, replaceBetweenMarkers, thousands } from './report.ts';

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
const live = Number(values.live);
const memory = Number(values.memory);
const GROUP_V2 = '/sys/fs/cgroup/telemetry-gateway-drain';
const GROUP_V1 = '/sys/fs/cgroup/memory/telemetry-gateway-drain';

/** Runs a program under a memory limit that counts its page cache too, as a container's does: control groups 2 or 1. */
function underMemoryLimit(megabytes: number): string[] {
  const [group, limit] = existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? [GROUP_V2, 'memory.max']
    : [GROUP_V1, 'memory.limit_in_bytes'];
  mkdirSync(group, { recursive: true });
  writeFileSync(join(group, limit), String(megabytes * MB));
  return ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh'];
}

async function main(): Promise<void> {
  const run = await drainWithLiveLoad({
    points: Number(values.points),
    livePerSecond: live,
    ...(memory > 0 ? { under: underMemoryLimit(memory) } : {}),
  });
  const highest = (samples: readonly { rssAnonBytes: number }[]): number =>
    Math.max(...samples.map(({ rssAnonBytes }) => rssAnonBytes));
  const memories = [run.bareBytes, highest(run.filling), highest(run.draining)];
  const limit = memory === 0 ? 'no memory limit' : `under a memory limit of ${memory} MB`;
  const text = [
    `${machineLine(new Date())} ${thousands(run.waitingAtFirst)} readings waiting, ${limit}.`,
    '',
    '| what | measured | mark | and then |',
    '| --- | --- | --- | --- |',
    `| RssAnon at the start, highest while filling, highest while draining | ${memories.map((bytes) => `${(bytes / MB).toFixed(0)} MB`).join(', ')} | flat, ≤ 300 MB | 200 |`,
    `| drained per second, while ${live}/s came in live (after ${((run.idleUntilMs - run.beganMs) / 1000).toFixed(1)} s until the gateway tried again) | ${thousands(run.drainedPerSecond)} | ≥ 80,000 | 150,000 |`,
    `| live p99 from PUBLISH to PUBACK, before and while draining (the worst second) | ${run.p99BeforeMs} ms, ${worstSecondMs(run)} ms | unhurt | |`,
    `| stored, found in InfluxDB | ${thousands(run.stored)}, ${thousands(run.found)} | equal | |`,
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
