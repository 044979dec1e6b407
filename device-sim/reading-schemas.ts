/** The reading schemas as the simulator sees them: enough to imitate a device, nothing is validated. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PropertySchema {
  readonly type?: string | readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
  readonly maxLength?: number;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, PropertySchema>>;
  readonly required?: readonly string[];
  readonly items?: PropertySchema;
}

export interface ReadingSchema extends PropertySchema {
  readonly $id: string;
  readonly telemetry: {
    readonly topics: readonly string[];
    readonly select?: Readonly<Record<string, unknown>>;
    readonly time?: {
      readonly property: string;
      readonly unit?: 's' | 'ms' | 'us' | 'ns' | 'iso';
      readonly kind?: string;
    };
  };
}

/** Every schema of a folder, by file name. @throws Error naming the file that is no reading schema. */
export function loadReadingSchemas(folder: string): ReadingSchema[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort();
  return files.map((name) => {
    const path = join(folder, name);
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isReadingSchema(parsed))
      throw new Error(`${path} is no reading schema: it needs "$id" and "telemetry"`);
    return parsed;
  });
}

function isReadingSchema(value: unknown): value is ReadingSchema {
  if (typeof value !== 'object' || value === null || !('$id' in value) || !('telemetry' in value))
    return false;
  const { telemetry } = value;
  return (
    typeof value.$id === 'string' &&
    typeof telemetry === 'object' &&
    telemetry !== null &&
    'topics' in telemetry &&
    Array.isArray(telemetry.topics)
  );
}

/** The type a value of this property has; null where the schema leaves it open. */
export function typeOf(schema: PropertySchema): string | null {
  if (schema.type === undefined) return schema.properties === undefined ? null : 'object';
  if (typeof schema.type === 'string') return schema.type;
  return schema.type.find((type) => type !== 'null') ?? 'null';
}
