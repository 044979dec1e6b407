/** What more schemas cost: the table, the plots and their sentences. */
import type { Line } from '../plots.ts';
import { thousands } from '../report.ts';
import { ends, figures, markdownTable, megabytes, type ScalingReport, times } from './scaling-report.ts';
import { SUBJECT_TITLES } from './subjects.ts';
import type { LoadResult } from './under-load.ts';

export interface SchemasRow extends LoadResult {
  readonly subject: 'gateway' | 'gateway-paused';
  readonly schemas: number;
  /** In all, over the schemas by turns. */
  readonly topics: number;
  /** From the start of the process until it listens. */
  readonly startMs: number;
}

/** @throws Error where there are not two measurements of each subject. */
export function schemasReport(rows: readonly SchemasRow[]): ScalingReport {
  const gateway = rows.filter(({ subject }) => subject === 'gateway');
  const paused = rows.filter(({ subject }) => subject === 'gateway-paused');
  const x = { name: 'schemas', scale: 'log' } as const;
  const line = (name: string, of: readonly SchemasRow[], pick: (row: SchemasRow) => number | null): Line => ({
    name,
    points: of.map((row) => [row.schemas, pick(row)] as const),
  });
  const topics = thousands(rows[0]?.topics ?? 0);
  return {
    table: table(rows),
    plots: [
      {
        file: 'schemas-rate.svg',
        plot: {
          title: `Readings by schemas, over ${topics} topics in all`,
          says: rateSentence(paused, gateway),
          x,
          y: { name: 'readings/s', scale: 'linear' },
          lines: [
            line('sink away, acknowledged', paused, ({ acknowledgedPerSecond }) => acknowledgedPerSecond),
            line(
              'with InfluxDB, acknowledged',
              gateway,
              ({ acknowledgedPerSecond }) => acknowledgedPerSecond,
            ),
            line('with InfluxDB, written', gateway, ({ writtenPerSecond }) => writtenPerSecond),
          ],
        },
      },
      {
        file: 'schemas-start.svg',
        plot: {
          title: 'Start by schemas',
          says: startSentence(paused),
          x,
          y: { name: 'from the start of the process until it listens, s', scale: 'linear' },
          lines: [line('start', paused, ({ startMs }) => startMs / 1000)],
        },
      },
    ],
  };
}

function table(rows: readonly SchemasRow[]): string {
  return markdownTable(
    [
      'schemas',
      'what',
      'acknowledged readings/s',
      'written/s',
      'p99, ms',
      'start',
      'RssAnon',
      'cores',
      'generator’s cores',
    ],
    rows.map((row) => [
      thousands(row.schemas),
      SUBJECT_TITLES[row.subject],
      thousands(row.acknowledgedPerSecond),
      row.writtenPerSecond === null ? null : thousands(row.writtenPerSecond),
      row.p99Ms === null ? null : String(row.p99Ms),
      `${figures(row.startMs / 1000)} s`,
      megabytes(row.rssAnonBytes),
      row.cores.toFixed(2),
      row.generatorCores.toFixed(2),
    ]),
  );
}

export function rateSentence(paused: readonly SchemasRow[], gateway: readonly SchemasRow[]): string {
  const [one, most] = ends(paused);
  const [oneThere, mostThere] = ends(gateway);
  return (
    `With ${thousands(most.schemas)} schemas the gateway acknowledges ${times(most.acknowledgedPerSecond, one.acknowledgedPerSecond)} ` +
    `what it does with ${thousands(one.schemas)}; with InfluxDB it writes ${times(mostThere.writtenPerSecond, oneThere.writtenPerSecond)}.`
  );
}

export function startSentence(rows: readonly SchemasRow[]): string {
  const [one, most] = ends(rows);
  const each = (most.startMs - one.startMs) / (most.schemas - one.schemas);
  return (
    `It listens after ${figures(one.startMs / 1000)} s with ${thousands(one.schemas)} and after ` +
    `${figures(most.startMs / 1000)} s with ${thousands(most.schemas)} schemas${each > 0 ? `: ${figures(each)} ms more for each` : ''}.`
  );
}
