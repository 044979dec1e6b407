/** What a value has to be: all keywords that hold for it, put together. */
import { isSchemaObject, type SchemaObject } from './reading-schemas.ts';
import { layersOf, listOf } from './schema-layers.ts';

export interface ValueRules {
  /** Empty: any. Without `null`. */
  readonly types: readonly string[];
  /** The only values allowed; null: no such list. */
  readonly values: readonly unknown[] | null;
  readonly minimum: number;
  readonly maximum: number;
  readonly aboveMinimum: number;
  readonly belowMaximum: number;
  readonly multiples: readonly number[];
  readonly minLength: number;
  readonly maxLength: number;
  readonly patterns: readonly string[];
  readonly format: string | null;
  readonly properties: ReadonlyMap<string, readonly SchemaObject[]>;
  readonly required: ReadonlySet<string>;
  /** What other branches than the chosen ones require. */
  readonly ofOthers: ReadonlySet<string>;
  /** No other properties than the declared ones. */
  readonly isClosed: boolean;
  readonly maxProperties: number;
  readonly prefix: readonly (readonly SchemaObject[])[];
  readonly items: readonly SchemaObject[];
  readonly contains: readonly SchemaObject[];
  readonly minItems: number;
  readonly maxItems: number;
  readonly examples: readonly unknown[];
  readonly unit: string;
  readonly missing: readonly unknown[];
}

/** Decides at each fork (`anyOf`, `oneOf`, `if`) which way a device goes; the first way is 0. */
export interface Chooser {
  choose(ways: number): number;
}

const MAX_DEPTH = 40;
/** A keyword of our own: what branches that are not taken require. */
const NOT_TAKEN = '\u0000notTaken';

/** The rules of a value that all of `schemas` hold for. */
export function valueRules(
  root: SchemaObject,
  schemas: readonly SchemaObject[],
  chooser: Chooser,
): ValueRules {
  const layers = schemas.flatMap((schema) => expand(root, schema, chooser, 0));
  const numbers = (keyword: string): number[] =>
    layers.map((layer) => layer[keyword]).filter((value) => typeof value === 'number');
  const lists = layers.flatMap((layer) => [
    ...(Array.isArray(layer.enum) ? [layer.enum as readonly unknown[]] : []),
    ...(layer.const === undefined ? [] : [[layer.const]]),
  ]);
  const properties = new Map<string, SchemaObject[]>();
  const required = new Set<string>();
  for (const layer of layers) {
    for (const [name, property] of entriesOf(layer.properties)) {
      const known = properties.get(name) ?? [];
      properties.set(name, [
        ...known,
        isSchemaObject(property) ? property : property === false ? { not: {} } : {},
      ]);
    }
    for (const name of textsOf(layer.required)) required.add(name);
  }
  for (const layer of layers) {
    for (const [pattern, property] of entriesOf(layer.patternProperties)) {
      const expression = new RegExp(pattern, 'u');
      for (const [name, known] of properties) {
        if (expression.test(name) && isSchemaObject(property)) properties.set(name, [...known, property]);
      }
    }
    for (const [name, others] of entriesOf(layer.dependentRequired)) {
      if (required.has(name)) for (const other of textsOf(others)) required.add(other);
    }
  }
  return {
    types: commonTypes(layers),
    values: lists.length === 0 ? null : commonValues(lists),
    minimum: Math.max(Number.NEGATIVE_INFINITY, ...numbers('minimum')),
    maximum: Math.min(Number.POSITIVE_INFINITY, ...numbers('maximum')),
    aboveMinimum: Math.max(Number.NEGATIVE_INFINITY, ...numbers('exclusiveMinimum')),
    belowMaximum: Math.min(Number.POSITIVE_INFINITY, ...numbers('exclusiveMaximum')),
    multiples: numbers('multipleOf'),
    minLength: Math.max(0, ...numbers('minLength')),
    maxLength: Math.min(Number.POSITIVE_INFINITY, ...numbers('maxLength')),
    patterns: layers.flatMap(({ pattern }) => (typeof pattern === 'string' ? [pattern] : [])),
    format: layers.flatMap(({ format }) => (typeof format === 'string' ? [format] : []))[0] ?? null,
    properties,
    required,
    ofOthers: new Set(layers.flatMap((layer) => textsOf(layer[NOT_TAKEN]))),
    isClosed: layers.some(
      (layer) => layer.additionalProperties === false || layer.unevaluatedProperties === false,
    ),
    maxProperties: Math.min(Number.POSITIVE_INFINITY, ...numbers('maxProperties')),
    prefix: prefixOf(layers),
    items: layers.flatMap(({ items }) => (isSchemaObject(items) ? [items] : [])),
    contains: layers.flatMap(({ contains }) => (isSchemaObject(contains) ? [contains] : [])),
    minItems: Math.max(0, ...numbers('minItems')),
    maxItems: Math.min(Number.POSITIVE_INFINITY, ...numbers('maxItems')),
    examples: layers.flatMap(({ examples, default: usual }) => [
      ...(Array.isArray(examples) ? (examples as readonly unknown[]) : []),
      ...(usual === undefined ? [] : [usual]),
    ]),
    unit: layers.flatMap(({ unit }) => (typeof unit === 'string' ? [unit] : []))[0] ?? '',
    missing: layers.flatMap(({ missing }) => (Array.isArray(missing) ? (missing as readonly unknown[]) : [])),
  };
}

/** With the branches that are gone, each expanded in turn. */
function expand(root: SchemaObject, schema: SchemaObject, chooser: Chooser, depth: number): SchemaObject[] {
  if (depth > MAX_DEPTH) return [schema];
  const layers: SchemaObject[] = [];
  for (const layer of layersOf(root, schema)) {
    layers.push(layer);
    for (const branches of [listOf(layer.anyOf), listOf(layer.oneOf)]) {
      const branch = branches[branches.length > 1 ? chooser.choose(branches.length) : 0];
      if (branch === undefined) continue;
      layers.push(...expand(root, branch, chooser, depth + 1));
      const others = branches
        .filter((other) => other !== branch)
        .flatMap(({ required }) => textsOf(required));
      layers.push({ [NOT_TAKEN]: others });
    }
    for (const [, dependent] of entriesOf(layer.dependentSchemas)) {
      if (isSchemaObject(dependent)) layers.push(...expand(root, dependent, chooser, depth + 1));
    }
    if (!isSchemaObject(layer.if)) continue;
    // What comes last is met first: a device that sends everything most often is in the `else`.
    const ways = isSchemaObject(layer.then)
      ? [[layer.if, layer.then], [layer.else]]
      : [[layer.else], [layer.if]];
    for (const way of ways[chooser.choose(2)] ?? []) {
      if (isSchemaObject(way)) layers.push(...expand(root, way, chooser, depth + 1));
    }
  }
  return layers;
}

function commonTypes(layers: readonly SchemaObject[]): readonly string[] {
  let common: readonly string[] | null = null;
  for (const { type } of layers) {
    if (type === undefined) continue;
    const types = Array.isArray(type) ? type.map(String) : [String(type)];
    common =
      common === null
        ? types
        : [...common, ...types].filter((name, i, all) => {
            const isIn = (list: readonly string[]): boolean =>
              list.includes(name) || (name === 'integer' && list.includes('number'));
            return isIn(common ?? []) && isIn(types) && all.indexOf(name) === i;
          });
  }
  return (common ?? []).filter((name) => name !== 'null');
}

function commonValues(lists: readonly (readonly unknown[])[]): readonly unknown[] {
  const [first = [], ...others] = lists;
  const keysOf = (list: readonly unknown[]): Set<string> =>
    new Set(list.map((value) => JSON.stringify(value)));
  const others_ = others.map(keysOf);
  return first.filter((value) => others_.every((keys) => keys.has(JSON.stringify(value))));
}

function prefixOf(layers: readonly SchemaObject[]): readonly (readonly SchemaObject[])[] {
  const prefix: SchemaObject[][] = [];
  for (const { prefixItems } of layers) {
    for (const [i, item] of listOf(prefixItems).entries()) {
      prefix[i] ??= [];
      prefix[i].push(item);
    }
  }
  return prefix;
}

function entriesOf(value: unknown): [string, unknown][] {
  return isSchemaObject(value) ? Object.entries(value) : [];
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}
