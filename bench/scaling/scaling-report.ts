/** What a section of the scaling bench comes to, and the words they share. */
import type { Plot } from '../plots.ts';
import { thousands } from '../report.ts';

export interface ScalingReport {
  /** Markdown. */
  readonly table: string;
  readonly plots: readonly NamedPlot[];
}

export interface NamedPlot {
  /** Without folder: `payload-rate.svg`. */
  readonly file: string;
  readonly plot: Plot;
}

const MB = 1e6;
const KB = 1e3;

/** The text of a section between its markers: machine and day, table, plots. */
export function sectionText(machine: string, { table, plots }: ScalingReport): string {
  const images = plots.map(({ file, plot }) => `![${plot.title}. ${plot.says}](plots/${file})`);
  return [machine, '', table, '', images.join('\n\n')].join('\n');
}

/** A markdown table; `null` is a dash. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): string {
  const line = (cells: readonly (string | null)[]): string =>
    `| ${cells.map((cell) => cell ?? '–').join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** `3.1 ×`, `0.45 ×`, `120 ×`: how often `part` goes into `whole`; – where that cannot be said. */
export function times(whole: number | null, part: number | null): string {
  if (whole === null || part === null || !(part > 0) || !Number.isFinite(whole)) return '–';
  return `${figures(whole / part)} ×`;
}

/** Two digits that count, and no exponent: 0.045, 3.1, 120. */
export function figures(value: number): string {
  if (value >= 100) return thousands(value);
  return String(Number(value.toPrecision(2)));
}

export function megabytes(bytes: number): string {
  return `${figures(bytes / MB)} MB`;
}

/** 50 B, 1 KB, 64 KB; a KB has 1000. */
export function bytesText(bytes: number): string {
  return bytes >= KB ? `${figures(bytes / KB)} KB` : `${bytes} B`;
}

export function milliseconds(ms: number | null): string {
  return ms === null ? '–' : `${ms} ms`;
}

/** `falls`, `rises` or `stays`: from the one to the other; within a tenth it stays. */
export function course(from: number, to: number): 'falls' | 'rises' | 'stays' {
  if (Math.abs(to - from) <= 0.1 * Math.abs(from)) return 'stays';
  return to < from ? 'falls' : 'rises';
}

/** `falls from A to B`, `stays at A to B`. */
export function courseText(from: number, to: number, unit: string): string {
  const how = course(from, to);
  if (how === 'stays') return `stays about the same, ${figures(from)} and ${figures(to)} ${unit}`;
  return `${how} from ${figures(from)} to ${figures(to)} ${unit}`;
}

/** The first and the last of what has at least two. @throws Error otherwise. */
export function ends<T>(rows: readonly T[]): readonly [T, T] {
  const first = rows[0];
  const last = rows.at(-1);
  if (first === undefined || last === undefined || rows.length < 2)
    throw new Error('a series needs two measurements at least');
  return [first, last];
}
