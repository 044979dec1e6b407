import type { FieldType } from '../contracts.ts';

/** What a database says: measurement → field → its types; several where its shards differ. */
export type DatabaseTypes = ReadonlyMap<string, ReadonlyMap<string, readonly FieldType[]>>;

export const DATABASE_PREFIX = 'database-types/';

/** Of one sink, bytes of JSON: what a document may hold (1 MiB), with room to spare. */
const MAX_BYTES = 1_000_000;
const FIELD_TYPES: readonly string[] = ['float', 'integer', 'string', 'boolean'] satisfies FieldType[];

/** The types that the databases of the sinks hold, as each answered last, also across a restart. */
export class DatabaseFieldTypes {
  readonly #bySink = new Map<string, DatabaseTypes>();
  /** Rises with each change. */
  version = 0;

  get isEmpty(): boolean {
    return this.#bySink.size === 0;
  }

  set(sink: string, types: DatabaseTypes): void {
    this.#bySink.set(sink, types);
    this.version += 1;
  }

  /** What it holds of one field is put out of mind until it answers again. Returns the sinks concerned. */
  forget(measurement: string, field: string): string[] {
    const changed: string[] = [];
    for (const [sink, types] of this.#bySink) {
      const fields = types.get(measurement);
      if (fields?.has(field) !== true) continue;
      const rest = new Map(fields);
      rest.delete(field);
      this.#bySink.set(sink, new Map(types).set(measurement, rest));
      this.version += 1;
      changed.push(sink);
    }
    return changed;
  }

  of(sink: string): DatabaseTypes | null {
    return this.#bySink.get(sink) ?? null;
  }

  /** Null where no database holds the field. */
  holding(measurement: string, field: string): { types: FieldType[]; sinks: string[] } | null {
    const types = new Set<FieldType>();
    const sinks: string[] = [];
    for (const [sink, held] of this.#bySink) {
      const found = held.get(measurement)?.get(field);
      if (found === undefined || found.length === 0) continue;
      for (const type of found) types.add(type);
      sinks.push(sink);
    }
    return sinks.length === 0 ? null : { types: [...types], sinks };
  }

  /** Every field that a database holds of a measurement. */
  *fieldsOf(measurement: string): Generator<string> {
    const names = new Set<string>();
    for (const held of this.#bySink.values())
      for (const name of held.get(measurement)?.keys() ?? []) names.add(name);
    yield* names;
  }
}

/** Only the measurements that `keep` names where all would be too much; null where even these are. */
export function encodeDatabaseTypes(
  types: DatabaseTypes,
  keep: (measurement: string) => boolean,
): string | null {
  const all = text(types, () => true);
  if (all.length <= MAX_BYTES && Buffer.byteLength(all) <= MAX_BYTES) return all;
  const some = text(types, keep);
  return Buffer.byteLength(some) <= MAX_BYTES ? some : null;
}

function text(types: DatabaseTypes, keep: (measurement: string) => boolean): string {
  return JSON.stringify(
    [...types].filter(([name]) => keep(name)).map(([name, fields]) => [name, [...fields]] as const),
  );
}

/** Null where it is not what `encodeDatabaseTypes` writes. */
export function decodeDatabaseTypes(json: string): DatabaseTypes | null {
  const types = new Map<string, ReadonlyMap<string, readonly FieldType[]>>();
  for (const [measurement, fields] of pairs(parse(json))) {
    const decoded = new Map<string, readonly FieldType[]>();
    for (const [field, held] of pairs(fields)) {
      if (!Array.isArray(held) || !held.every(isFieldType)) return null;
      decoded.set(field, held);
    }
    types.set(measurement, decoded);
  }
  return types;
}

export function isFieldType(value: unknown): value is FieldType {
  return typeof value === 'string' && FIELD_TYPES.includes(value);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function* pairs(value: unknown): Generator<[string, unknown]> {
  if (!Array.isArray(value)) return;
  for (const entry of value) {
    if (!Array.isArray(entry)) continue;
    const [name, rest]: unknown[] = entry;
    if (typeof name === 'string') yield [name, rest];
  }
}
