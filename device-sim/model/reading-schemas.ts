/** The reading schemas as the simulator sees them: enough to imitate a device and to know what becomes of its readings. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type SchemaObject = Readonly<Record<string, unknown>>;

export interface TimeRule {
  readonly property: string;
  readonly unit: 's' | 'ms' | 'us' | 'ns' | 'iso';
  readonly kind?: 'time' | 'age';
  readonly window?: { readonly from?: string; readonly ahead?: string };
  readonly clock?: 'trust' | 'arrival' | 'correct' | 'reject';
  readonly original?: string;
}

export interface TelemetryRule {
  readonly measurement: string;
  readonly topics: readonly string[];
  readonly device?: string;
  readonly deviceTag?: string | false;
  /** Entries that are no text come from the message, and the simulator has none of them. */
  readonly tags?: readonly unknown[];
  readonly constants?: Readonly<Record<string, string>>;
  readonly time?: TimeRule;
  readonly select?: Readonly<Record<string, unknown>>;
  readonly identity?: readonly string[];
  readonly format?: unknown;
}

export interface ReadingSchema {
  readonly $id: string;
  readonly telemetry: TelemetryRule;
  /** The whole file. */
  readonly root: SchemaObject;
}

/**
 * The schemas of folders (each file that ends in `.json`, by name) and of single files, in the order given.
 * @throws Error naming the file that is no reading schema, or the second one of a `$id`.
 */
export function loadReadingSchemas(paths: readonly string[]): ReadingSchema[] {
  const files = paths.flatMap((path) =>
    statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => name.endsWith('.json'))
          .sort()
          .map((name) => join(path, name))
      : [path],
  );
  const schemas = new Map<string, ReadingSchema>();
  for (const file of files) {
    let value: unknown;
    try {
      value = JSON.parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    const schema = readingSchema(value);
    if (schema === null) throw new Error(`${file} is no reading schema: it needs "$id" and "telemetry"`);
    if (schemas.has(schema.$id)) throw new Error(`${file} has the $id of another file: ${schema.$id}`);
    schemas.set(schema.$id, schema);
  }
  return [...schemas.values()];
}

/** The schema a value is; null where it is none. */
export function readingSchema(value: unknown): ReadingSchema | null {
  if (!isSchemaObject(value)) return null;
  const { $id, telemetry } = value;
  if (typeof $id !== 'string' || !isTelemetryRule(telemetry)) return null;
  return { $id, telemetry, root: value };
}

export function isSchemaObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The parts that everything depends on; the gateway's own check is the thorough one. */
function isTelemetryRule(value: unknown): value is TelemetryRule {
  if (!isSchemaObject(value)) return false;
  const { measurement, topics, time } = value;
  const goodTime = time === undefined || (isSchemaObject(time) && typeof time.property === 'string');
  return (
    typeof measurement === 'string' &&
    Array.isArray(topics) &&
    topics.length > 0 &&
    topics.every((topic) => typeof topic === 'string') &&
    goodTime
  );
}

/** A name, or a JSON Pointer where it begins with a slash, as property names from the top. */
export function propertyPath(nameOrPointer: string): readonly string[] {
  if (!nameOrPointer.startsWith('/')) return [nameOrPointer];
  return nameOrPointer
    .slice(1)
    .split('/')
    .map((level) => level.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Names a path in a map: no property name holds the separator. */
export function pathKey(path: readonly string[]): string {
  return path.join('\u0000');
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (!isSchemaObject(found) || !Object.hasOwn(found, name)) return undefined;
    found = found[name];
  }
  return found;
}
