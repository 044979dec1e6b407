/** Makes a good reading bad, in the ways that devices are: each result is refused by its schema, or cannot be read. */
import type { Random } from './random.ts';
import { type PropertySchema, type ReadingSchema, typeOf } from './reading-schemas.ts';

export const FAULTS = ['wrong-type', 'out-of-range', 'undecodable'] as const;
export type Fault = (typeof FAULTS)[number];

/** A bad payload made of a good reading of this schema. Falls back to `undecodable` where the wanted fault cannot be. */
export function badPayload(
  schema: ReadingSchema,
  reading: Readonly<Record<string, unknown>>,
  random: Random,
): { fault: Fault; payload: string } {
  const wanted = FAULTS[random.below(FAULTS.length)] ?? 'undecodable';
  const time = schema.telemetry.time?.property;
  const properties = Object.entries(schema.properties ?? {}).filter(
    ([name]) => name !== time && name in reading,
  );
  if (wanted === 'wrong-type') {
    const chosen = pick(
      properties.filter(([, property]) => isTyped(property)),
      random,
    );
    if (chosen !== null) return { fault: wanted, payload: withValue(reading, chosen[0], { broken: true }) };
  }
  if (wanted === 'out-of-range') {
    const chosen = pick(
      properties.filter(([, property]) => beyond(property) !== null),
      random,
    );
    if (chosen !== null) return { fault: wanted, payload: withValue(reading, chosen[0], beyond(chosen[1])) };
  }
  const whole = JSON.stringify(reading);
  return { fault: 'undecodable', payload: whole.slice(0, Math.max(1, whole.length >> 1)) };
}

function isTyped(property: PropertySchema): boolean {
  const type = typeOf(property);
  return type === 'number' || type === 'integer' || type === 'boolean' || type === 'string';
}

/** A value of the right type outside the range; null where there is no range. */
function beyond(property: PropertySchema): number | null {
  const type = typeOf(property);
  if (type !== 'number' && type !== 'integer') return null;
  const highest = property.maximum ?? property.exclusiveMaximum;
  if (highest !== undefined && highest < 1e12) return highest + 1;
  const lowest = property.minimum ?? property.exclusiveMinimum;
  return lowest === undefined ? null : lowest - 1;
}

function withValue(reading: Readonly<Record<string, unknown>>, name: string, value: unknown): string {
  return JSON.stringify({ ...reading, [name]: value });
}

function pick<T>(items: readonly T[], random: Random): T | null {
  return items[random.below(items.length)] ?? null;
}
