import type { FieldType } from '../contracts.ts';
import type { ReadingSchema, SchemaStats } from './reading-schema.ts';

/** A schema as `check`, `topics` and the API show it. */
export interface SchemaDescription {
  readonly id: string;
  readonly title: string;
  readonly file: string;
  /** Names its text: see `ReadingSchema`. */
  readonly version: string;
  /** A name, or `{capture}`. */
  readonly measurement: string;
  readonly topics: readonly string[];
  readonly fields: readonly {
    readonly name: string;
    readonly type: FieldType;
    readonly unit: string | null;
  }[];
  readonly tags: readonly string[];
  /** The format spec; null: `json`, or `scalar` on a {field} topic. */
  readonly format: string | null;
  /** How often a device sends it; null where the schema does not say. */
  readonly expectEveryMs: number | null;
  /** Declared, but stored nowhere: JSON Pointer and why. */
  readonly ignored: readonly { readonly pointer: string; readonly why: string }[];
  readonly stats: Readonly<SchemaStats>;
}

export function describeSchema(schema: ReadingSchema): SchemaDescription {
  const { id, title, file, version, plan, stats } = schema;
  const { format, expectEveryMs, time } = plan;
  const original = time?.original ?? null;
  const kept = original === null ? [] : [{ name: original, type: 'integer' as const, unit: 'us' }];
  return {
    id,
    title,
    file,
    version,
    measurement: plan.measurement,
    topics: plan.patterns.map(({ text }) => text),
    fields: [
      ...plan.fields.map(({ field, name, type, unit }) => ({ name: field ?? name, type, unit })),
      ...kept,
    ],
    tags: [...plan.series.tags.keys()],
    format,
    expectEveryMs,
    ignored: plan.unmapped.map(({ path, why }) => ({ pointer: `/${path.join('/')}`, why })),
    stats: { ...stats },
  };
}
