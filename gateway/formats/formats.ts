import { canonicalSpec } from '../canonical-spec.ts';
import type { Format, Formats } from '../contracts.ts';
import { BINARY_OPTIONS, createBinaryFormat } from './binary.ts';
import { createCborFormat } from './cbor.ts';
import { CSV_OPTIONS, createCsvFormat } from './csv.ts';
import { createPms5003Format, createSds011Format } from './dust-sensors.ts';
import { createJsonFormat, createScalarFormat } from './json.ts';
import { DEFAULT_JSON_BOUNDS, type JsonBounds } from './json-bounds.ts';
import { createKeyValueFormat } from './key-value.ts';
import { createNmeaFormat } from './nmea.ts';
import { createPlotterFormat } from './plotter.ts';
import { createRegexFormat, REGEX_OPTIONS } from './regex.ts';
import { SpecOptions, SpecProblem } from './spec-options.ts';

interface Kind {
  /** The options it knows. */
  readonly known: readonly string[];
  create(options: SpecOptions, bounds: JsonBounds): Format;
}

/** Every format there is, by its name. */
const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['json', { known: [], create: (_, bounds) => createJsonFormat(bounds) }],
  ['scalar', { known: [], create: (_, bounds) => createScalarFormat(bounds) }],
  ['csv', { known: CSV_OPTIONS, create: createCsvFormat }],
  ['key-value', { known: [], create: (_, bounds) => createKeyValueFormat(bounds) }],
  ['plotter', { known: [], create: (_, bounds) => createPlotterFormat(bounds) }],
  ['regex', { known: REGEX_OPTIONS, create: createRegexFormat }],
  ['nmea', { known: [], create: createNmeaFormat }],
  ['binary', { known: BINARY_OPTIONS, create: createBinaryFormat }],
  ['pms5003', { known: [], create: createPms5003Format }],
  ['sds011', { known: [], create: createSds011Format }],
  ['cbor', { known: [], create: (_, bounds) => createCborFormat(bounds) }],
]);

export const FORMAT_NAMES: readonly string[] = [...KINDS.keys()];

const MAX_SPEC_CHARACTERS = 65_536;
/** Specs come from configuration, schemas and kept rejections: a few. When there are more, the oldest makes room. */
const MAX_CACHED = 256;

/**
 * Every payload format, by the spec that a route or a port asks for. Formats are made when they are first asked for; the
 * last 256 are kept.
 */
export function createFormats(limits: Partial<JsonBounds> = {}): Formats {
  const bounds = { ...DEFAULT_JSON_BOUNDS, ...limits };
  const cache = new Map<string, Format | null>();
  const keep = (spec: string, format: Format | null): Format | null => {
    const [oldest] = cache.keys();
    if (oldest !== undefined && cache.size >= MAX_CACHED) cache.delete(oldest);
    cache.set(spec, format);
    return format;
  };
  const get = (spec: string): Format | null => {
    const known = cache.get(spec);
    if (known !== undefined) return known;
    const canonical = canonicalSpec(spec);
    if (canonical !== spec) return keep(spec, get(canonical));
    const made = make(spec, bounds);
    return keep(spec, typeof made === 'string' ? null : made);
  };
  return { get };
}

/** In words why there is no such format or its options make no sense; null where it can be used. */
export function formatProblem(spec: string): string | null {
  const made = make(spec, DEFAULT_JSON_BOUNDS);
  return typeof made === 'string' ? made : null;
}

function make(spec: string, bounds: JsonBounds): Format | string {
  const parsed = parse(spec);
  if (typeof parsed === 'string') return parsed;
  const [name, value] = parsed;
  const kind = KINDS.get(name);
  if (kind === undefined)
    return `there is no format ${JSON.stringify(name.slice(0, 40))}; there are ${FORMAT_NAMES.join(', ')}`;
  try {
    return kind.create(new SpecOptions(name, value, kind.known), bounds);
  } catch (error) {
    if (error instanceof SpecProblem) return error.message;
    throw error;
  }
}

function parse(spec: string): readonly [name: string, options: unknown] | string {
  if (spec.length > MAX_SPEC_CHARACTERS) return `is longer than ${MAX_SPEC_CHARACTERS} characters`;
  if (!/^[{["]/.test(spec)) return [spec, {}];
  let value: unknown;
  try {
    value = JSON.parse(spec);
  } catch {
    return 'is neither a name nor JSON';
  }
  const entries =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  const [entry] = entries;
  return entry === undefined || entries.length > 1
    ? `must be the name of a format, or {"<name>": {options}} with one name: ${FORMAT_NAMES.join(', ')}`
    : entry;
}
