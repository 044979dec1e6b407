import { isSchemaObject, propertyPath, type ReadingSchema } from './reading-schemas.ts';
import { typesOf } from './schema-layers.ts';
import type { StoredLeaf } from './stored-leaves.ts';
import { isAllowed } from './text-values.ts';
import { valueRules } from './value-rules.ts';

/** The time that a reading carries, in the unit of its schema. */
export interface OwnTime {
  readonly path: readonly string[];
  readonly isAge: boolean;
  /** What one step of what is sent has, ns. */
  readonly unitNs: number;
  readonly policy: 'trust' | 'arrival' | 'correct' | 'reject';
  /** The window, µs: the earliest time, and how far ahead of the gateway's clock. */
  readonly fromUs: number;
  readonly aheadUs: number;
  /** The field that holds the device's time where another is stored; null where none does. */
  readonly original: string | null;
  /** How long ago, in ns, an age says that it was. */
  ageNs(age: number): bigint;
  /** As it is sent. @param us since 1970 @param subNs what is left below, where the unit shows it */
  valueOf(us: number, subNs: number): number | string;
  /** µs since 1970 of any value; NaN where it is no time. */
  parse(value: unknown): number;
}

const US_PER: Readonly<Record<'s' | 'ms' | 'us', number>> = { s: 1e6, ms: 1e3, us: 1 };
const DURATION_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1e3],
  ['m', 6e4],
  ['h', 36e5],
  ['d', 864e5],
]);
/** `2026-03-01T12:00:00.123Z` and shorter. */
const ISO_FORMS: readonly { readonly end: number; readonly tail: string; readonly unitNs: number }[] = [
  { end: 23, tail: 'Z', unitNs: 1e6 },
  { end: 19, tail: 'Z', unitNs: 1e9 },
  { end: 23, tail: '+00:00', unitNs: 1e6 },
  { end: 19, tail: '+00:00', unitNs: 1e9 },
];
/** For schemas with the zone UTC that allow no other text. */
const ISO_BARE_FORMS: typeof ISO_FORMS = [
  { end: 23, tail: '', unitNs: 1e6 },
  { end: 19, tail: '', unitNs: 1e9 },
];

/** Null where the schema has no rule for the time. @throws Error where it names no property */
export function ownTime(schema: ReadingSchema, leaves: readonly StoredLeaf[]): OwnTime | null {
  const rule = schema.telemetry.time;
  if (rule === undefined) return null;
  const path = propertyPath(rule.property);
  const leaf = leaves.find((candidate) => candidate.path.join('\u0000') === path.join('\u0000'));
  if (leaf === undefined)
    throw new Error(`${schema.$id}: telemetry.time.property names no declared property`);
  const isNumber = typesOf(leaf.layers).some((type) => type === 'integer' || type === 'number');
  const isFraction = typesOf(leaf.layers).includes('number');
  const isAge = rule.kind === 'age';
  const policy = rule.clock ?? 'trust';
  const form = isoForm(schema, leaf);
  const { unit } = rule;
  const asSent = (value: number): number | string => (isNumber ? value : String(value));
  return {
    path,
    isAge,
    unitNs:
      unit === 'iso'
        ? form.unitNs
        : unit === 'ns'
          ? 1
          : unit === 's' && isFraction
            ? 1e6
            : US_PER[unit] * 1000,
    policy,
    fromUs: Date.parse(rule.window?.from ?? '2000-01-01T00:00:00Z') * 1000,
    aheadUs: durationUs(rule.window?.ahead ?? '1h'),
    original: policy === 'arrival' || policy === 'correct' ? (rule.original ?? 'device_time') : null,
    ageNs: (age) =>
      unit === 'iso' ? 0n : BigInt(Math.round(age * (unit === 'ns' ? 1 : US_PER[unit] * 1000))),
    valueOf(us, subNs) {
      if (unit === 'iso') return new Date(Math.floor(us / 1000)).toISOString().slice(0, form.end) + form.tail;
      // Whole µs since 1970 have fewer than 53 bits.
      if (unit === 'ns') return us === 0 ? String(subNs) : `${us}${String(subNs).padStart(3, '0')}`;
      if (unit === 's' && isFraction) return asSent(Math.floor(us / 1000) / 1000);
      return asSent(Math.floor(us / US_PER[unit]));
    },
    parse(value) {
      if (unit === 'iso') return typeof value === 'string' ? Date.parse(value) * 1000 : Number.NaN;
      if (typeof value !== 'number' && (typeof value !== 'string' || !/^-?\d+$/.test(value)))
        return Number.NaN;
      return unit === 'ns' ? Number(value) / 1000 : Number(value) * US_PER[unit];
    },
  };
}

function isoForm(schema: ReadingSchema, { layers }: StoredLeaf): (typeof ISO_FORMS)[number] {
  const rules = valueRules(schema.root, layers.slice(0, 1), { choose: () => 0 });
  const { time } = schema.root.telemetry as { readonly time?: unknown };
  const isUtc =
    isSchemaObject(time) && typeof time.zone === 'string' && /^(utc|z|[+-]00:?00)$/i.test(time.zone);
  const sample = new Date(1_767_225_601_234).toISOString();
  const forms = [...ISO_FORMS, ...(isUtc ? ISO_BARE_FORMS : [])];
  const usual = { end: 23, tail: 'Z', unitNs: 1e6 };
  return forms.find(({ end, tail }) => isAllowed(rules, sample.slice(0, end) + tail)) ?? usual;
}

function durationUs(text: string): number {
  const [, digits, unit = ''] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  return Number(digits) * (DURATION_MS.get(unit) ?? Number.NaN) * 1000;
}
