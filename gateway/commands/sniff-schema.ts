import type { GatewayConfig } from '../config/gateway-config.ts';
import { isGatewayError } from '../errors.ts';
import type { CommandParts } from './command-parts.ts';

/** The schema that fits what was read. */
export interface FittingSchema {
  readonly id: string;
  /** With `{device}`. */
  readonly topic: string;
  /** Values that it does not know: they would not be stored. */
  readonly unknown: readonly string[];
}

/** The schema that knows most of these values, has all it needs and asks for little else; null where there is none. */
export function fittingSchema(
  values: Readonly<Record<string, unknown>>,
  config: GatewayConfig,
  parts: CommandParts,
): FittingSchema | null {
  const names = Object.keys(values);
  let best: (FittingSchema & { readonly unsent: number }) | null = null;
  for (const text of schemaTexts(config, parts)) {
    const { id, topics, required, properties } = partsOf(text);
    const topic = topics.find((each) => !/[{}]/.test(each.replaceAll('{device}', '')));
    const known = names.filter((name) => properties.has(name));
    if (id === null || topic === undefined || known.length === 0) continue;
    if (!required.every((name) => names.includes(name))) continue;
    const unknown = names.filter((name) => !properties.has(name));
    const unsent = properties.size - known.length;
    const isBetter =
      best === null ||
      unknown.length < best.unknown.length ||
      (unknown.length === best.unknown.length && unsent < best.unsent);
    if (isBetter) best = { id, topic, unknown, unsent };
  }
  return best;
}

function schemaTexts(config: GatewayConfig, parts: CommandParts): readonly string[] {
  try {
    const { readings, schemas } = parts.loadReadings(config);
    return schemas.flatMap((id) => readings.currentText(id) ?? []);
  } catch (error) {
    if (isGatewayError(error)) return [];
    throw error;
  }
}

/** Of a schema that was compiled, so it is JSON and of the shape that is asked for. */
function partsOf(text: string): {
  readonly id: string | null;
  readonly topics: readonly string[];
  readonly required: readonly string[];
  readonly properties: ReadonlySet<string>;
} {
  const schema: unknown = JSON.parse(text);
  const telemetry = memberOf(schema, 'telemetry');
  const id = memberOf(schema, '$id');
  return {
    id: typeof id === 'string' ? id : null,
    topics: textsOf(memberOf(telemetry, 'topics')),
    required: textsOf(memberOf(schema, 'required')),
    properties: new Set(Object.keys(Object(memberOf(schema, 'properties')))),
  };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

/** A schema to begin with. */
export function starterSchema(values: Readonly<Record<string, unknown>>): string {
  const properties = Object.entries(values).map(
    ([name, value]) => `    ${JSON.stringify(name)}: { "type": "${typeOf(value)}" }`,
  );
  return `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "my-board.v1",
  "telemetry": { "measurement": "my_board", "topics": ["boards/{device}"] },
  "type": "object",
  "properties": {
${properties.join(',\n')}
  }
}
`;
}

function typeOf(value: unknown): string {
  if (typeof value === 'boolean') return 'boolean';
  return typeof value === 'string' ? 'string' : 'number';
}
