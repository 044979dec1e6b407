import { stringify } from 'yaml';
import type { FormatConfig, Guess, StreamKind } from '../sniff/guess-parts.ts';
import type { FramingOptions } from '../sources/framing/framing-options.ts';

const DEFAULT_BAUD_RATE = 115_200;
/** To begin with, where the format is for the user to write. */
const STARTERS: Partial<Record<StreamKind, FormatConfig>> = {
  nmea: { regex: { pattern: '^(?<sentence>.*)$' } },
  text: { regex: { pattern: '^(?<line>.*)$' } },
  slip: { binary: { fields: [{ name: 'value', offset: 0, type: 'u16' }] } },
  cobs: { binary: { fields: [{ name: 'value', offset: 0, type: 'u16' }] } },
};

/** What to put under `serial:` in gateway.yaml for a port that sends this; null where that cannot be told. */
export function sniffedConfig(
  { path, baudRate, topic }: { readonly path: string; readonly baudRate: number; readonly topic: string },
  { kind, framing, format }: Guess,
): string | null {
  const formatConfig = format ?? STARTERS[kind];
  if (framing === null || formatConfig === undefined) return null;
  const lines = [
    'serial:',
    '  - name: my-board # and the device, unless `device` says otherwise',
    `    path: ${flow(path)}`,
    ...(baudRate === DEFAULT_BAUD_RATE ? [] : [`    baudRate: ${baudRate}`]),
    ...(isPlainLine(framing) ? [] : [`    framing: ${flow(shortest(framing))}`]),
    `    format: ${flow(formatConfig)}${format === null ? ' # yours to write: docs/formats.md' : ''}`,
    `    topic: ${flow(topic)}`,
  ];
  return `${lines.join('\n')}\n`;
}

function isPlainLine(framing: FramingOptions): boolean {
  return framing.kind === 'line' && Object.keys(framing).length === 1;
}

function shortest(framing: FramingOptions): unknown {
  return Object.keys(framing).length === 1 ? framing.kind : framing;
}

/** On one line. */
function flow(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}
