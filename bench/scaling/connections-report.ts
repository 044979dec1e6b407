/** What connections cost: the table, the plots and their sentences. */
import type { Line } from '../plots.ts';
import { thousands } from '../report.ts';
import type { Usage } from './process-usage.ts';
import {
  bytesText,
  ends,
  figures,
  markdownTable,
  megabytes,
  milliseconds,
  type ScalingReport,
  times,
} from './scaling-report.ts';
import { SUBJECT_TITLES, type SubjectName } from './subjects.ts';

export interface ConnectionsRow {
  readonly subject: SubjectName;
  readonly connections: number;
  /** Readings per second over all connections, by the schedule. */
  readonly perSecond: number;
  readonly seconds: number;
  readonly opened: number;
  /** Until all were open; null: they never were. */
  readonly openSeconds: number | null;
  readonly offered: number;
  readonly acknowledged: number;
  /** From the due time; null where nothing was acknowledged. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  /** What the simulator itself was late. */
  readonly ownP99Ms: number | null;
  /** Null where it was too short to measure. */
  readonly server: Usage | null;
  readonly simulator: Usage | null;
}

const MB = 1e6;
/** So soon all connections are to be open. */
const OPEN_MARK_S = 60;

/** @throws Error where there are not two measurements of the gateway at one rate. */
export function connectionsReport(rows: readonly ConnectionsRow[]): ScalingReport {
  const rate = rows[0]?.perSecond ?? 0;
  const same = rows.filter(({ perSecond }) => perSecond === rate);
  const gateway = same.filter(({ subject }) => subject === 'gateway');
  const mosquitto = same.filter(({ subject }) => subject === 'mosquitto');
  const x = { name: 'connections', scale: 'log' } as const;
  return {
    table: [openingSentence(rows), '', table(rows)].join('\n'),
    plots: [
      {
        file: 'connections-latency.svg',
        plot: {
          title: `Acknowledgement by connections, ${thousands(rate)} readings/s in all`,
          says: latencySentence(gateway, mosquitto),
          x,
          y: { name: 'from due to acknowledged, ms', scale: 'log' },
          lines: [
            line('gateway + InfluxDB, p99', gateway, ({ p99Ms }) => p99Ms),
            line('gateway + InfluxDB, p50', gateway, ({ p50Ms }) => p50Ms),
            line('Mosquitto, p99', mosquitto, ({ p99Ms }) => p99Ms),
            line('Mosquitto, p50', mosquitto, ({ p50Ms }) => p50Ms),
          ].filter(({ points }) => points.length > 0),
        },
      },
      {
        file: 'connections-memory.svg',
        plot: {
          title: `Memory by connections, ${thousands(rate)} readings/s in all`,
          says: memorySentence(gateway, mosquitto),
          x,
          y: { name: 'RssAnon, MB', scale: 'log' },
          lines: [
            line('gateway', gateway, ({ server }) => inMegabytes(server)),
            line('Mosquitto', mosquitto, ({ server }) => inMegabytes(server)),
            line('simulator', gateway, ({ simulator }) => inMegabytes(simulator)),
          ].filter(({ points }) => points.length > 0),
        },
      },
    ],
  };
}

function table(rows: readonly ConnectionsRow[]): string {
  const head = [
    'what',
    'connections',
    'all open after',
    'readings/s',
    'acknowledged of offered',
    'p50',
    'p99',
    'max, ms from the due time',
    'p99 late by the simulator itself, ms',
    'server: cores, RssAnon',
    'simulator: cores, RssAnon',
  ];
  return markdownTable(
    head,
    rows.map((row) => [
      SUBJECT_TITLES[row.subject],
      row.opened === row.connections
        ? thousands(row.connections)
        : `${thousands(row.opened)} of ${thousands(row.connections)}`,
      row.openSeconds === null ? 'never' : `${row.openSeconds} s`,
      thousands(row.perSecond),
      row.acknowledged === row.offered
        ? `all ${thousands(row.offered)}`
        : `${thousands(row.acknowledged)} of ${thousands(row.offered)}`,
      ...[row.p50Ms, row.p99Ms, row.maxMs, row.ownP99Ms].map((ms) => (ms === null ? null : String(ms))),
      usageText(row.server),
      usageText(row.simulator),
    ]),
  );
}

/** How the most connections came up, and what they then did at the highest rate. */
export function openingSentence(rows: readonly ConnectionsRow[]): string {
  const gateway = rows.filter(({ subject }) => subject === 'gateway');
  const most = gateway.toSorted((a, b) => b.connections - a.connections || b.perSecond - a.perSecond)[0];
  if (most === undefined) return 'The gateway was not measured.';
  const { connections, opened, openSeconds, perSecond, seconds, acknowledged, offered, p99Ms } = most;
  const open =
    openSeconds === null
      ? `${thousands(opened)} of ${thousands(connections)} connections came up`
      : `${thousands(connections)} connections from one process were open after ${openSeconds} s (mark: under ${OPEN_MARK_S} s, ${openSeconds < OPEN_MARK_S ? 'met' : 'missed'})`;
  const answered =
    acknowledged === offered
      ? `all of them acknowledged`
      : `${thousands(offered - acknowledged)} of ${thousands(offered)} not acknowledged`;
  return `${open}; then ${thousands(perSecond)} readings/s for ${seconds} s, ${answered}, p99 ${milliseconds(p99Ms)} from the due time.`;
}

export function latencySentence(
  gateway: readonly ConnectionsRow[],
  mosquitto: readonly ConnectionsRow[],
): string {
  const [one, most] = ends(gateway);
  const beside = mosquitto.find(({ connections }) => connections === most.connections);
  const open = most.opened === most.connections ? '' : ` (of which ${thousands(most.opened)} came up)`;
  const parts = [
    `With ${thousands(most.connections)} connections${open} the gateway's p99 is ${times(most.p99Ms, one.p99Ms)} that with ${thousands(one.connections)} (${milliseconds(most.p99Ms)} and ${milliseconds(one.p99Ms)})`,
    beside === undefined ? '' : `; that of Mosquitto, which stores nothing, is ${milliseconds(beside.p99Ms)}`,
    '.',
  ];
  const missing = gateway.reduce((sum, { offered, acknowledged }) => sum + offered - acknowledged, 0);
  if (missing > 0) parts.push(` ${thousands(missing)} readings were never acknowledged.`);
  const late = most.ownP99Ms !== null && most.p99Ms !== null && most.ownP99Ms > most.p99Ms / 2;
  if (late) parts.push(` The simulator itself was late by ${milliseconds(most.ownP99Ms)} at p99.`);
  return parts.join('');
}

export function memorySentence(
  gateway: readonly ConnectionsRow[],
  mosquitto: readonly ConnectionsRow[],
): string {
  const beside = mosquitto.length < 2 ? null : perConnection(mosquitto);
  const [one, most] = ends(gateway);
  const each = perConnection(gateway);
  if (each === null || one.server === null || most.server === null) return 'Too short to measure.';
  const first = `The gateway has ${megabytes(one.server.rssAnonBytes)} with ${thousands(one.connections)} and ${megabytes(most.server.rssAnonBytes)} with ${thousands(most.connections)} connections that send: ${bytesText(each)} more for each`;
  return `${first}${beside === null ? '' : `, and Mosquitto ${bytesText(beside)}`}.`;
}

/** Bytes more for each connection, from the fewest to the most; null where it was not measured. */
function perConnection(rows: readonly ConnectionsRow[]): number | null {
  const [one, most] = ends(rows);
  if (one.server === null || most.server === null || most.connections === one.connections) return null;
  return Math.round(
    (most.server.rssAnonBytes - one.server.rssAnonBytes) / (most.connections - one.connections),
  );
}

function line(
  name: string,
  rows: readonly ConnectionsRow[],
  pick: (row: ConnectionsRow) => number | null,
): Line {
  return { name, points: rows.map((row) => [row.connections, pick(row)] as const) };
}

function inMegabytes(usage: Usage | null): number | null {
  return usage === null ? null : usage.rssAnonBytes / MB;
}

function usageText(usage: Usage | null): string | null {
  return usage === null ? null : `${figures(usage.cores)}, ${megabytes(usage.rssAnonBytes)}`;
}
