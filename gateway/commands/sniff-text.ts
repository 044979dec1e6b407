import { printable, printableBytes } from '../printable.ts';
import type { FormatConfig, Guess, Sample, StreamKind } from '../sniff/guess-parts.ts';
import type { FramingOptions } from '../sources/framing/framing-options.ts';
import { starterSchema } from './sniff-schema.ts';
import { bytes, count } from './wording.ts';

/** What was heard at a port. */
export interface SniffReport {
  readonly path: string;
  readonly baudRate: number;
  /** False: it was asked for, or is none. */
  readonly baudRateIsGuessed: boolean;
  /** False on a pseudo terminal. */
  readonly baudRateMatters: boolean;
  readonly tried: readonly number[];
  readonly kind: Guess['kind'];
  readonly framing: FramingOptions | null;
  readonly format: FormatConfig | null;
  readonly bytes: number;
  readonly explainedBytes: number;
  readonly frames: number;
  readonly samples: readonly ShownSample[];
  readonly beginningHex: string;
  /** To paste into gateway.yaml; null where nothing is known that would work. */
  readonly config: string | null;
  /** The schema that takes these values; null: none does. */
  readonly schema: string | null;
  /** Values that it does not know. */
  readonly unknown: readonly string[];
  /** Of the last reading; null where there is none. */
  readonly values: Readonly<Record<string, unknown>> | null;
}

export interface ShownSample {
  /** Printable. */
  readonly frame: string;
  readonly reading: unknown;
}

const KIND_WORDS: Readonly<Record<StreamKind, string>> = {
  json: 'lines of JSON',
  'csv-header': 'CSV with a header line',
  csv: 'CSV without a header line: name the columns',
  plotter: 'lines for the Arduino Serial Plotter (label:value)',
  'key-value': 'lines of key=value',
  nmea: 'NMEA 0183 sentences',
  pms5003: 'frames of a PMS5003 dust sensor',
  sds011: 'frames of an SDS011 dust sensor',
  cobs: 'COBS packets',
  slip: 'SLIP packets',
  text: 'lines of text in no format that is known',
  binary: 'bytes that make no sense',
  nothing: 'nothing',
};
const MAX_SHOWN = 160;

export function shownSample({ frame, reading }: Sample): ShownSample {
  return { frame: printableBytes(frame, MAX_SHOWN), reading };
}

export function sniffText(report: SniffReport): string {
  const { kind, config, values, schema } = report;
  const parts = [`${printable(report.path)} ${rateText(report)}: ${KIND_WORDS[kind]}\n${amountText(report)}`];
  if (report.samples.length > 0) parts.push(report.samples.map(sampleText).join(''));
  else if (report.beginningHex !== '') parts.push(`  ${report.beginningHex.replace(/../g, '$& ').trim()}\n`);
  if (config !== null) parts.push(`for gateway.yaml:\n\n${config}`);
  else parts.push(`${adviceText(report)}\n`);
  if (config !== null && values !== null) {
    if (schema === null)
      parts.push(
        `no schema takes these values; one to begin with:\n\n${printableLines(starterSchema(values))}`,
      );
    else parts.push(`the schema ${printable(schema)} takes these values${unknownText(report)}\n`);
  }
  return parts.join('\n');
}

function rateText({ baudRate, baudRateIsGuessed, baudRateMatters, tried }: SniffReport): string {
  if (!baudRateMatters) return `(a pseudo terminal has no baud rate: ${baudRate} is assumed)`;
  const others = tried.filter((each) => each !== baudRate);
  const why = baudRateIsGuessed && others.length > 0 ? ` (${others.join(', ')} made no sense)` : '';
  return `at ${baudRate} baud${why}`;
}

function amountText({ kind, bytes: all, explainedBytes, frames }: SniffReport): string {
  if (kind === 'nothing') return '';
  if (frames === 0) return `${bytes(all)} came\n`;
  const part = Math.floor((explainedBytes / all) * 100);
  return `${count(frames)} readings in ${bytes(all)}, which explain ${part} % of it\n`;
}

function sampleText({ frame, reading }: ShownSample): string {
  return `  ${frame}\n${reading === null ? '' : `    ${printable(JSON.stringify(reading), MAX_SHOWN)}\n`}`;
}

function unknownText({ unknown }: SniffReport): string {
  if (unknown.length === 0) return '';
  return `, except ${printable(unknown.join(', '), MAX_SHOWN)}: it does not know ${unknown.length === 1 ? 'it' : 'them'}`;
}

function adviceText({ kind, tried, baudRateMatters }: SniffReport): string {
  if (kind === 'nothing') return 'is the device powered, and its TX line connected? --seconds listens longer';
  return baudRateMatters
    ? `tried ${tried.join(', ')} baud. Another rate: --baud. A binary protocol of its own: framing length or fixed, docs/formats.md`
    : 'a binary protocol of its own: framing length or fixed, docs/formats.md';
}

/** Names in it are the sender's. */
function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line))
    .join('\n');
}
