/** What larger payloads cost: the table, the plots and their sentences. */
import type { Line } from '../plots.ts';
import { thousands } from '../report.ts';
import {
  bytesText,
  courseText,
  ends,
  figures,
  markdownTable,
  type ScalingReport,
  times,
} from './scaling-report.ts';
import { SUBJECT_TITLES, type SubjectName } from './subjects.ts';
import type { LoadResult } from './under-load.ts';

export interface PayloadRow extends LoadResult {
  readonly subject: SubjectName;
  /** Of one payload. */
  readonly bytes: number;
}

const MB = 1e6;

/** @throws Error where there are not two measurements of each subject. */
export function payloadReport(rows: readonly PayloadRow[]): ScalingReport {
  const of = (subject: SubjectName): PayloadRow[] => rows.filter((row) => row.subject === subject);
  const lines = (pick: (row: PayloadRow) => number): Line[] =>
    (['gateway', 'gateway-paused', 'mosquitto'] as const).map((subject) => ({
      name: SUBJECT_TITLES[subject],
      points: of(subject).map((row) => [row.bytes, pick(row)] as const),
    }));
  const x = { name: 'payload, bytes', scale: 'log' } as const;
  return {
    table: table(rows),
    plots: [
      {
        file: 'payload-rate.svg',
        plot: {
          title: 'Acknowledged readings by size of the payload',
          says: rateSentence(of('gateway-paused'), of('gateway'), of('mosquitto')),
          x,
          y: { name: 'acknowledged readings/s', scale: 'log' },
          lines: lines(({ acknowledgedPerSecond }) => acknowledgedPerSecond),
        },
      },
      {
        file: 'payload-bytes.svg',
        plot: {
          title: 'Acknowledged bytes by size of the payload',
          says: bytesSentence(of('gateway-paused'), of('mosquitto')),
          x,
          y: { name: 'acknowledged payloads, MB/s', scale: 'log' },
          lines: lines(megabytesPerSecond),
        },
      },
    ],
  };
}

function table(rows: readonly PayloadRow[]): string {
  return markdownTable(
    [
      'payload',
      'what',
      'acknowledged readings/s',
      'MB/s',
      'written/s',
      'p99, ms',
      'cores',
      'generator’s cores',
    ],
    rows.map((row) => [
      bytesText(row.bytes),
      SUBJECT_TITLES[row.subject],
      thousands(row.acknowledgedPerSecond),
      figures(megabytesPerSecond(row)),
      row.writtenPerSecond === null ? null : thousands(row.writtenPerSecond),
      row.p99Ms === null ? null : String(row.p99Ms),
      row.cores.toFixed(2),
      row.generatorCores.toFixed(2),
    ]),
  );
}

export function rateSentence(
  paused: readonly PayloadRow[],
  gateway: readonly PayloadRow[],
  mosquitto: readonly PayloadRow[],
): string {
  const [small, large] = ends(paused);
  const [smallThere, largeThere] = ends(mosquitto);
  const [, withDatabase] = ends(gateway);
  const ratio = (a: PayloadRow, b: PayloadRow): string =>
    times(a.acknowledgedPerSecond, b.acknowledgedPerSecond);
  return (
    `The gateway stores and acknowledges ${ratio(small, smallThere)} what Mosquitto acknowledges at ${bytesText(small.bytes)}, ` +
    `and ${ratio(large, largeThere)} at ${bytesText(large.bytes)} ` +
    `(${ratio(withDatabase, largeThere)} while InfluxDB writes beside it).`
  );
}

export function bytesSentence(paused: readonly PayloadRow[], mosquitto: readonly PayloadRow[]): string {
  const [small, large] = ends(paused);
  const [smallThere, largeThere] = ends(mosquitto);
  return (
    `From ${bytesText(small.bytes)} to ${bytesText(large.bytes)} what the gateway makes durable ` +
    `${courseText(megabytesPerSecond(small), megabytesPerSecond(large), 'MB/s')}; what Mosquitto acknowledges ` +
    `${courseText(megabytesPerSecond(smallThere), megabytesPerSecond(largeThere), 'MB/s')}.`
  );
}

function megabytesPerSecond({ acknowledgedPerSecond, bytes }: PayloadRow): number {
  return (acknowledgedPerSecond * bytes) / MB;
}
