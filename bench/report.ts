/** Turns measurements into the one table, with the marks of the design beside them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { CONTENDER_TITLES, type ContenderName } from './contenders.ts';
import type { Throughput } from './measure.ts';
import type { SerialRun } from './serial-ports.ts';

export interface Measured {
  readonly rounds: Readonly<Record<ContenderName, readonly Throughput[]>>;
  readonly latency: {
    p50Ms: number;
    p99Ms: number;
    syncP50Ms: number;
    syncP99Ms: number;
    perSecond: number;
  } | null;
  /** Bytes each: just after they connected, and once the process has settled. */
  readonly idle: { connections: number; atFirst: number; settled: number } | null;
  readonly startMs: readonly number[];
  readonly serial: SerialRun | null;
  readonly seconds: number;
}

/** The middle one; NaN where there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** Readings per second that count for a contender: found in its database; where it has none, acknowledged. */
export function rateOf(rounds: readonly Throughput[]): number {
  return median(rounds.map((round) => round.foundPerSecond ?? round.acknowledgedPerSecond));
}

export function tableOf(measured: Measured): string {
  const { rounds, latency, idle, startMs, serial } = measured;
  const gateway = rateOf(rounds['gateway-influx']);
  const paused = rateOf(rounds['gateway-paused']);
  const ratio = (title: string, value: number, mark: number, more: number, detail: string): string =>
    `| ${title} | ${detail} | **${value.toFixed(2)}×** | ≥ ${mark}× | ${more}× | ${value >= mark ? 'yes' : 'no'} |`;
  const atMost = (
    title: string,
    value: number,
    unit: string,
    mark: number,
    more: number,
    detail: string,
  ): string =>
    `| ${title} | ${detail} | **${format(value)}${unit}** | ≤ ${mark}${unit} | ${more}${unit} | ${value <= mark ? 'yes' : 'no'} |`;
  const lines = [
    '| what (readings at QoS 1, about 100 bytes of JSON) | readings/s (each round) | acknowledged/s | backlog at the end | lost | CPU cores | generator’s core |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...Object.entries(CONTENDER_TITLES).flatMap(([name, title]) => {
      const runs = isContender(name) ? rounds[name] : [];
      return runs.length === 0 ? [] : [contenderRow(title, runs)];
    }),
    '',
    '| mark | measured | ratio | mark | and then | met |',
    '| --- | --- | --- | --- | --- | --- |',
    ratio(
      'found in InfluxDB, sustained, against Mosquitto that only acknowledges',
      gateway / rateOf(rounds.mosquitto),
      0.6,
      1,
      `${thousands(gateway)} : ${thousands(rateOf(rounds.mosquitto))}`,
    ),
    ratio(
      'the same against the stack a Node user would build',
      gateway / rateOf(rounds['node-stack']),
      2,
      3,
      `${thousands(gateway)} : ${thousands(rateOf(rounds['node-stack']))}`,
    ),
    ratio(
      'acknowledged and stored, sink away, against bare aedes',
      paused / rateOf(rounds.aedes),
      0.7,
      0.9,
      `${thousands(paused)} : ${thousands(rateOf(rounds.aedes))}`,
    ),
  ];
  if (latency !== null) {
    lines.push(
      atMost(
        'p99 from PUBLISH to PUBACK at a quarter of the sustained rate, against the disk’s own sync p99',
        latency.p99Ms / latency.syncP99Ms,
        '×',
        5,
        3,
        `${latency.p99Ms} ms (p50 ${latency.p50Ms}) at ${thousands(latency.perSecond)}/s : ${latency.syncP99Ms} ms (p50 ${latency.syncP50Ms})`,
      ),
    );
  }
  if (idle !== null) {
    lines.push(
      atMost(
        `memory with ${thousands(idle.connections)} idle connections`,
        idle.settled / 1024,
        ' KB',
        12,
        9,
        `each, above bare start, after a minute; ${(idle.atFirst / 1024).toFixed(1)} KB just after they connected`,
      ),
    );
  }
  if (startMs.length > 0) {
    lines.push(
      atMost('start to listening', median(startMs) / 1000, ' s', 1, 0.5, `median of ${startMs.length}`),
    );
  }
  if (serial !== null) {
    const { ports, perSecond, sent, found, cores } = serial;
    lines.push(
      ratio(
        `${ports} serial ports at ${perSecond} lines/s each, found in InfluxDB against sent`,
        found / sent,
        1,
        1,
        `${thousands(found)} : ${thousands(sent)}, with ${cores.toFixed(2)} cores`,
      ),
    );
  }
  // What was not measured this time has no row.
  return lines.filter((line) => !line.includes('NaN')).join('\n');
}

function contenderRow(title: string, runs: readonly Throughput[]): string {
  const each = runs.map((run) => thousands(run.foundPerSecond ?? run.acknowledgedPerSecond)).join(', ');
  const backlogs = runs.map((run) => run.backlogSeconds).filter((backlog) => backlog !== null);
  const backlog = median(backlogs);
  const losses = runs.map((run) => run.lost).filter((lost) => lost !== null);
  return [
    '',
    title,
    `**${thousands(rateOf(runs))}** (${each})`,
    thousands(median(runs.map((run) => run.acknowledgedPerSecond))),
    backlogs.length === 0 ? '–' : `${backlog.toFixed(1)} s${backlog > 1 ? ', growing' : ''}`,
    losses.length === 0 ? '–' : thousands(Math.max(...losses)),
    median(runs.map((run) => run.cores)).toFixed(2),
    median(runs.map((run) => run.generatorCoreShare)).toFixed(2),
    '',
  ]
    .join(' | ')
    .trim();
}

function isContender(name: string): name is ContenderName {
  return Object.hasOwn(CONTENDER_TITLES, name);
}

/** The machine and the day, in one line. */
export function machineLine(date: Date): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return (
    `${date.toISOString().slice(0, 10)}, ${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${memory} GiB, ` +
    `Linux ${release().split('-')[0]}, Node ${process.version}; load, contender and database share this machine.`
  );
}

/** Puts text between the two marker comments of a file. @throws Error where the file has no such markers. */
export function replaceBetweenMarkers(path: string, name: string, text: string): void {
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const whole = readFileSync(path, 'utf8');
  const from = whole.indexOf(begin);
  const to = whole.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${path} has no markers ${begin} … ${end}`);
  writeFileSync(path, `${whole.slice(0, from + begin.length)}\n${text}\n${whole.slice(to)}`);
}

/** 1234.5 → 1,235; – where it is no number. */
export function thousands(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

function format(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}
