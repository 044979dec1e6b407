import { canonicalSpec } from '../canonical-spec.ts';
import type { SerialPortConfig } from '../config/gateway-config.ts';
import type { Formats } from '../contracts.ts';
import { GatewayError } from '../errors.ts';
import { formatProblem } from '../formats/formats.ts';
import type { FramingOptions } from '../sources/framing/framing-options.ts';
import { framingProblem } from '../sources/framing/framing-problem.ts';
import type { HeaderKind } from '../sources/serial/csv-header.ts';
import type { SerialEntry } from '../sources/serial/serial-entry.ts';

/** The configured ports as the serial source takes them. @throws GatewayError `config-invalid`: see `serialProblems`. */
export function serialEntries(ports: readonly SerialPortConfig[]): readonly SerialEntry[] {
  const problems = serialProblems(ports);
  if (problems.length > 0) throw new GatewayError('config-invalid', problems.join('\n'));
  return ports.map((port) => {
    const format = port.format === null ? null : canonicalSpec(port.format);
    return { ...port, framing: framingOf(port), format, csvHeader: headerKind(format) };
  });
}

/** What the schema of the configuration cannot say: options of a framing or a format that make no sense together. */
export function serialProblems(ports: readonly SerialPortConfig[]): readonly string[] {
  return ports.flatMap((port) => {
    const framing = framingProblem(framingOf(port));
    const format = port.format === null ? null : formatProblem(canonicalSpec(port.format));
    return [
      ...(framing === null ? [] : [`serial port ${port.name}: framing: ${framing}`]),
      ...(format === null ? [] : [`serial port ${port.name}: format: ${format}`]),
    ];
  });
}

/** The `seq` of a reading that was refused before it was looked at; null where there is none to find. */
export function createSeqReader(formats: Formats): (payload: Buffer, format: string | null) => number | null {
  return (payload, format) => {
    let value: unknown;
    try {
      value = formats.get(format ?? 'json')?.decode(payload);
    } catch {
      return null;
    }
    const reading: unknown = Array.isArray(value) ? value[0] : value;
    if (typeof reading !== 'object' || reading === null || !('seq' in reading)) return null;
    const { seq } = reading;
    return typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : null;
  };
}

/** Its kind and its options were held against `schemas/framing.schema.json`, which a test holds to the type. */
function framingOf({ framing }: SerialPortConfig): FramingOptions {
  return framing as FramingOptions;
}

function headerKind(format: string | null): HeaderKind | null {
  if (format === 'csv') return 'marks';
  if (format?.startsWith('{"csv":') !== true) return null;
  const { csv }: { csv: { columns?: unknown; delimiter?: unknown } } = JSON.parse(format);
  if (csv.columns !== undefined && csv.columns !== 'header') return null;
  return csv.delimiter === 'space' ? 'blanks' : 'marks';
}
