/** What a run offered and what came of it, as it is printed and as `--json` has it. */
import type { Scenario } from '../contracts.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import type { Counts, Measurements } from './measurements.ts';

/** ms that so many of all stay within. */
export interface Percentiles {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface Outcome extends Readonly<Omit<Counts, 'reconnects'>> {
  /** Sent, and nothing was heard of it. */
  readonly unacknowledged: number;
  /** From the time at which it was due; what was never answered counts with the time that it waited. Null: no reading. */
  readonly latency: Percentiles | null;
  /** From its sending. */
  readonly service: Percentiles | null;
}

export interface Summary extends Outcome {
  readonly scenario: string;
  readonly seed: number;
  readonly devices: number;
  /** Of the schedule. */
  readonly seconds: number;
  /** What the simulator itself was late, for want of processor; a part of `latency`. */
  readonly ownDelay: Percentiles | null;
  readonly offeredPerSecond: number;
  readonly acknowledgedPerSecond: number;
  /** Due in time, and not sent at all by the end. */
  readonly waiting: number;
  /** Messages sent once more. */
  readonly resent: number;
  readonly connections: {
    readonly wanted: number;
    readonly opened: number;
    /** Until all were up; null: they never were. */
    readonly openSeconds: number | null;
    readonly reconnects: number;
  };
  readonly fleets: readonly (Outcome & { readonly name: string; readonly devices: number })[];
}

export function summaryOf(scenario: Scenario, measurements: Measurements): Summary {
  const latency = new LatencyHistogram();
  const service = new LatencyHistogram();
  for (const fleet of measurements.fleets) {
    latency.add(fleet.latency);
    service.add(fleet.service);
  }
  const total = measurements.total();
  const seconds = Number(((measurements.elapsedMs ?? 0) / 1000).toFixed(1));
  const perSecond = (count: number): number => (seconds === 0 ? 0 : Math.round(count / seconds));
  return {
    scenario: scenario.name,
    seed: scenario.seed,
    devices: scenario.fleets.reduce((sum, { devices }) => sum + devices, 0),
    seconds,
    ...outcomeOf(total, latency, service),
    ownDelay: percentilesOf(measurements.ownDelay),
    offeredPerSecond: perSecond(total.offered),
    acknowledgedPerSecond: perSecond(total.acknowledged),
    waiting: measurements.waiting,
    resent: measurements.resent(),
    connections: {
      wanted: measurements.connections,
      opened: measurements.opened,
      openSeconds: measurements.openMs === null ? null : Number((measurements.openMs / 1000).toFixed(2)),
      reconnects: total.reconnects,
    },
    fleets: scenario.fleets.flatMap(({ name, devices }, i) => {
      const fleet = measurements.fleets[i];
      return fleet === undefined
        ? []
        : [{ name, devices, ...outcomeOf(fleet.counts, fleet.latency, fleet.service) }];
    }),
  };
}

function outcomeOf(counts: Counts, latency: LatencyHistogram, service: LatencyHistogram): Outcome {
  const { reconnects: _, ...rest } = counts;
  return {
    ...rest,
    unacknowledged: counts.sent - counts.acknowledged - counts.refused,
    latency: percentilesOf(latency),
    service: percentilesOf(service),
  };
}

function percentilesOf(histogram: LatencyHistogram): Percentiles | null {
  const [p50Ms, p90Ms, p99Ms, p999Ms, maxMs] = [50, 90, 99, 99.9, 100].map((percent) =>
    histogram.percentile(percent),
  );
  if (p50Ms == null || p90Ms == null || p99Ms == null || p999Ms == null || maxMs == null) return null;
  return { p50Ms, p90Ms, p99Ms, p999Ms, maxMs };
}

export function describeSummary(summary: Summary): string {
  const { connections, offered, heldBack, waiting, sent, acknowledged, unacknowledged, refused } = summary;
  const notSent = [
    heldBack > 0 ? `${heldBack} held back: too many were waiting` : '',
    waiting > 0 ? `${waiting} still waited at the end` : '',
  ].filter((words) => words !== '');
  const lines = [
    `${summary.scenario}, seed ${summary.seed}: ${summary.devices} devices, ${summary.seconds} s`,
    `connections  ${connections.opened} of ${connections.wanted}${connections.openSeconds === null ? '' : `, all up after ${connections.openSeconds} s`}${connections.reconnects > 0 ? `; ${connections.reconnects} came again` : ''}`,
    `offered      ${offered} (${summary.offeredPerSecond}/s)${notSent.length > 0 ? `; ${notSent.join('; ')}` : ''}`,
    `sent         ${sent}, of them ${summary.badSent} bad on purpose${summary.resent > 0 ? `; ${summary.resent} sent once more` : ''}`,
    `acknowledged ${acknowledged} (${summary.acknowledgedPerSecond}/s)${unacknowledged > 0 ? `; ${unacknowledged} NOT` : ', all of them'}${refused > 0 ? `; ${refused} refused` : ''}`,
  ];
  if (summary.receipts > 0)
    lines.push(`receipts     ${summary.receipts} (one tells a device why its reading was rejected)`);
  lines.push(...latencyTable(summary));
  return lines.join('\n');
}

function latencyTable(summary: Summary): string[] {
  if (summary.latency === null) return [];
  const rows: [string, Percentiles | null][] = [['from its due time', summary.latency]];
  if (summary.service !== null) rows.push(['from its sending', summary.service]);
  rows.push(['late by ourselves', summary.ownDelay]);
  if (summary.fleets.length > 1)
    rows.push(
      ...summary.fleets.map(({ name, latency }): [string, Percentiles | null] => [`  ${name}`, latency]),
    );
  const width = Math.max(...rows.map(([name]) => name.length), 'acknowledged after'.length);
  const head = ['p50', 'p90', 'p99', 'p99.9', 'max'].map((name) => name.padStart(9)).join('');
  return [
    '',
    `${'acknowledged after'.padEnd(width)}${head}  ms`,
    ...rows.map(([name, at]) => {
      const cells = at === null ? [] : [at.p50Ms, at.p90Ms, at.p99Ms, at.p999Ms, at.maxMs];
      return `${name.padEnd(width)}${cells.map((ms) => String(ms).padStart(9)).join('')}`;
    }),
  ];
}
