import { isSchemaObject, type SchemaObject } from './reading-schemas.ts';

/** A subschema and what always holds with it: what it refers to, and its `allOf`; itself first. */
export function layersOf(root: SchemaObject, schema: SchemaObject, depth = 0): readonly SchemaObject[] {
  const layers: SchemaObject[] = [schema];
  if (depth > 16) return layers;
  const target = typeof schema.$ref === 'string' ? referredTo(root, schema.$ref) : null;
  if (target !== null) layers.push(...layersOf(root, target, depth + 1));
  for (const part of listOf(schema.allOf)) layers.push(...layersOf(root, part, depth + 1));
  return layers;
}

export function listOf(value: unknown): readonly SchemaObject[] {
  return Array.isArray(value) ? value.filter(isSchemaObject) : [];
}

/** The first value of a keyword among layers. */
export function firstOf(layers: readonly SchemaObject[], keyword: string): unknown {
  return layers.find((layer) => layer[keyword] !== undefined)?.[keyword];
}

/** The types declared, or those of the values it lists; without `null`. */
export function typesOf(layers: readonly SchemaObject[]): readonly string[] {
  const declared = firstOf(layers, 'type');
  const types = Array.isArray(declared)
    ? declared.map(String)
    : declared === undefined
      ? []
      : [String(declared)];
  if (types.length === 0) {
    for (const layer of layers) {
      const values = [...(Array.isArray(layer.enum) ? layer.enum : [])];
      if (layer.const !== undefined) values.push(layer.const);
      types.push(
        ...values.map((value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)),
      );
    }
  }
  return [...new Set(types)].filter((type) => type !== 'null');
}

function referredTo(root: SchemaObject, reference: string): SchemaObject | null {
  if (reference === '#') return root;
  if (!reference.startsWith('#/')) return null;
  let found: unknown = root;
  for (const level of decodeURIComponent(reference.slice(2)).split('/')) {
    const name = level.replaceAll('~1', '/').replaceAll('~0', '~');
    found = Array.isArray(found) ? found[Number(name)] : isSchemaObject(found) ? found[name] : undefined;
  }
  return isSchemaObject(found) ? found : null;
}
