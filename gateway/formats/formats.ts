import type { Format } from '../contracts.ts';
import { createJsonFormat, createScalarFormat } from './json.ts';
import { DEFAULT_JSON_BOUNDS, type JsonBounds } from './json-bounds.ts';

/** Every payload format, by the name a route asks for. */
export function createFormats(limits: Partial<JsonBounds> = {}): ReadonlyMap<string, Format> {
  const bounds = { ...DEFAULT_JSON_BOUNDS, ...limits };
  return new Map(
    [createJsonFormat(bounds), createScalarFormat(bounds)].map((format) => [format.name, format]),
  );
}
