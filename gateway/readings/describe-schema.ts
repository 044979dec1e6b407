import type { FieldType } from './field-shape.ts';
import type { ReadingSchema, SchemaStats } from './reading-schema.ts';

/** A schema as `check`, `topics` and the API show it. */
export interface SchemaDescription {
  readonly id: string;
  readonly title: string;
  readonly file: string;
  /** A name, or `{capture}`. */
  readonly measurement: string;
  readonly topics: readonly string[];
  readonly fields: readonly {
    readonly name: string;
    readonly type: FieldType;
    readonly unit: string | null;
  }[];
  readonly tags: readonly string[];
  /** Declared, but stored nowhere: JSON Pointer and why. */
  readonly ignored: readonly { readonly pointer: string; readonly why: string }[];
  readonly stats: Readonly<SchemaStats>;
}

export function describeSchema({ id, title, file, plan, stats }: ReadingSchema): SchemaDescription {
  return {
    id,
    title,
    file,
    measurement: plan.measurement,
    topics: plan.patterns.map(({ text }) => text),
    fields: plan.fields.map(({ field, name, type, unit }) => ({ name: field ?? name, type, unit })),
    tags: [...plan.series.tags.keys()],
    ignored: plan.unmapped.map(({ path, why }) => ({ pointer: `/${path.join('/')}`, why })),
    stats: { ...stats },
  };
}
