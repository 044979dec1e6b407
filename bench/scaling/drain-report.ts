/** A backlog that drains while live readings come in: the series, the table, the plots and their sentences. */
import type { DrainRun, DrainSample } from '../drain-run.ts';
import { worstSecondMs } from '../drain-run.ts';
import { thousands } from '../report.ts';
import {
  bytesText,
  figures,
  markdownTable,
  megabytes,
  milliseconds,
  type ScalingReport,
} from './scaling-report.ts';

export interface DrainSecond {
  /** Since InfluxDB was back: the end of this second. */
  readonly second: number;
  /** At its end; null where the gateway said nothing in it. */
  readonly waiting: number | null;
  readonly rssAnonBytes: number | null;
  /** Live readings acknowledged in it. */
  readonly livePerSecond: number | null;
  readonly liveP99Ms: number | null;
}

const MB = 1e6;
/** Of the table; the plots have all. */
const MAX_ROWS = 15;

/** @throws Error where nothing was seen of the drain. */
export function drainReport(run: DrainRun): ScalingReport {
  const series = drainSeries(run);
  const since = { name: 'since InfluxDB is back, s', scale: 'linear' } as const;
  const waited = [[0, run.waitingAtFirst] as const, ...series.map((at) => [at.second, at.waiting] as const)];
  return {
    table: table(run, series),
    plots: [
      {
        file: 'drain-backlog.svg',
        plot: {
          title: 'A backlog drains while live readings come in',
          says: drainSentence(run),
          x: since,
          y: { name: 'readings that wait', scale: 'linear' },
          lines: [{ name: 'waiting', points: waited }],
        },
      },
      {
        file: 'drain-live.svg',
        plot: {
          title: 'What live readings feel of the drain',
          says: liveSentence(run, series),
          x: since,
          y: { name: 'p99 from PUBLISH to PUBACK, ms', scale: 'log' },
          lines: [
            { name: 'each second', points: series.map((at) => [at.second, at.liveP99Ms] as const) },
            { name: 'before, with InfluxDB away', points: levelLine(run.p99BeforeMs, series) },
          ],
        },
      },
      {
        file: 'drain-memory.svg',
        plot: {
          title: 'Memory by backlog',
          says: memorySentence(run),
          x: { name: 'readings that wait', scale: 'linear' },
          y: { name: 'RssAnon, MB', scale: 'linear' },
          lines: [
            { name: 'while it grows', points: memoryPoints(run.filling) },
            { name: 'while it drains', points: memoryPoints(run.draining) },
          ],
        },
      },
    ],
  };
}

/** Second by second from when InfluxDB was back. @throws Error where nothing was seen. */
export function drainSeries({ draining, liveSeconds, beganMs }: DrainRun): DrainSecond[] {
  const lastMs = Math.max(...draining.map(({ atMs }) => atMs), ...liveSeconds.map(({ endMs }) => endMs));
  const count = Math.ceil((lastMs - beganMs) / 1000);
  if (!Number.isFinite(count) || count < 1) throw new Error('nothing was seen of the drain');
  return Array.from({ length: count }, (_, i) => {
    const within = (ms: number): boolean => ms > beganMs + i * 1000 && ms <= beganMs + (i + 1) * 1000;
    const sample = draining.findLast(({ atMs }) => within(atMs));
    const live = liveSeconds.findLast(({ endMs }) => within(endMs));
    return {
      second: i + 1,
      waiting: sample?.waiting ?? null,
      rssAnonBytes: sample?.rssAnonBytes ?? null,
      livePerSecond: live?.perSecond ?? null,
      liveP99Ms: live?.p99Ms ?? null,
    };
  });
}

export function drainSentence(run: DrainRun): string {
  const idle = (run.idleUntilMs - run.beganMs) / 1000;
  const seconds = (run.endedMs - run.idleUntilMs) / 1000;
  const missing = run.stored - run.found;
  return (
    (idle < 1 ? '' : `The gateway tries again after ${figures(idle)} s. `) +
    `${thousands(run.waitingAtFirst)} readings are written in ${figures(seconds)} s, ${thousands(run.drainedPerSecond)}/s, ` +
    `while ${thousands(run.livePerSecond)}/s more come in; ` +
    (missing === 0
      ? `all ${thousands(run.stored)} are found in InfluxDB.`
      : `${thousands(Math.abs(missing))} of ${thousands(run.stored)} are ${missing > 0 ? 'NOT found' : 'found too often'} in InfluxDB.`)
  );
}

export function liveSentence(run: DrainRun, series: readonly DrainSecond[]): string {
  const during = series.filter(({ second }) => (second - 1) * 1000 < run.endedMs - run.beganMs);
  const rates = during.map(({ livePerSecond }) => livePerSecond).filter((rate) => rate !== null);
  const slowest =
    rates.length === 0 ? '' : ` The slowest second acknowledged ${thousands(Math.min(...rates))} of them.`;
  return (
    `Live readings at ${thousands(run.livePerSecond)}/s: p99 ${milliseconds(run.p99BeforeMs)} before, ` +
    `${milliseconds(worstSecondMs(run))} in the worst second of the drain.${slowest}`
  );
}

export function memorySentence({ bareBytes, filling, draining, waitingAtFirst }: DrainRun): string {
  const full = highest(filling);
  return (
    `${megabytes(bareBytes)} with nothing waiting, at most ${megabytes(full)} while ${thousands(waitingAtFirst)} readings pile up ` +
    `(${bytesText(Math.max(0, Math.round((full - bareBytes) / Math.max(1, waitingAtFirst))))} for each), at most ${megabytes(highest(draining))} while they drain.`
  );
}

function table(run: DrainRun, series: readonly DrainSecond[]): string {
  const step = Math.max(1, Math.ceil(series.length / MAX_ROWS));
  const rows = series.filter((_, i) => i % step === step - 1 || i === series.length - 1);
  return markdownTable(
    ['s since InfluxDB is back', 'waiting', 'RssAnon', 'live readings acknowledged/s', 'their p99, ms'],
    [
      ['0', thousands(run.waitingAtFirst), megabytes(highest(run.filling)), null, text(run.p99BeforeMs)],
      ...rows.map((at) => [
        String(at.second),
        at.waiting === null ? null : thousands(at.waiting),
        at.rssAnonBytes === null ? null : megabytes(at.rssAnonBytes),
        at.livePerSecond === null ? null : thousands(at.livePerSecond),
        text(at.liveP99Ms),
      ]),
    ],
  );
}

function text(ms: number | null): string | null {
  return ms === null ? null : String(ms);
}

function highest(samples: readonly DrainSample[]): number {
  return Math.max(0, ...samples.map(({ rssAnonBytes }) => rssAnonBytes));
}

function levelLine(ms: number | null, series: readonly DrainSecond[]): (readonly [number, number | null])[] {
  return [0, series.at(-1)?.second ?? 0].map((second) => [second, ms] as const);
}

function memoryPoints(samples: readonly DrainSample[]): (readonly [number, number | null])[] {
  return samples.map(({ waiting, rssAnonBytes }) => [waiting, rssAnonBytes / MB] as const);
}
