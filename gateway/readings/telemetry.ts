import type { ClockPolicy } from '../ledger-contract.ts';

/** The `telemetry` vocabulary as the code sees it; `schemas/telemetry-vocabulary.schema.json` holds the rules. */
export interface Telemetry {
  readonly measurement: string;
  readonly topics: readonly string[];
  /** `{capture}`, a JSON Pointer, or one of `clientId`, `username`, `port`. */
  readonly device?: string;
  readonly deviceTag?: string | false;
  readonly tags?: readonly (string | UserPropertyTag)[];
  readonly constants?: Readonly<Record<string, string>>;
  readonly time?: TimeRule;
  readonly select?: Readonly<Record<string, string | number | boolean>>;
  readonly identity?: readonly string[];
  readonly receipts?: 'rejected' | 'all';
  /** A name, or one with options: `{"csv": {"columns": ["a"]}}`. */
  readonly format?: string | Readonly<Record<string, unknown>>;
  /** A duration. */
  readonly expectEvery?: string;
}

/** A tag from an MQTT 5 user property. */
export interface UserPropertyTag {
  readonly userProperty: string;
  /** The tag's name; left out: the property's. */
  readonly as?: string;
}

export interface TimeRule {
  readonly property: string;
  readonly unit: TimeUnit;
  readonly kind?: 'time' | 'age';
  readonly zone?: string;
  readonly window?: { readonly from?: string; readonly ahead?: string };
  readonly clock?: ClockPolicy;
  /** A duration. */
  readonly tolerance?: string;
  /** The field that keeps the device's own time. */
  readonly original?: string;
}

export type TimeUnit = 's' | 'ms' | 'us' | 'ns' | 'iso';

/** A schema, or a part of one. Values are unknown until looked at. */
export type SchemaObject = Readonly<Record<string, unknown>>;

export function isSchemaObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
