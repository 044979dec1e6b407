import { splitPointer } from './json-document.ts';
import { isSchemaObject, type SchemaObject } from './telemetry.ts';

/** What a `$ref` leads to within its own file, or in words why it leads nowhere. */
export function resolveReference(
  root: SchemaObject,
  reference: string,
): { readonly schema: unknown; readonly pointer: string } | string {
  if (reference === '#') return { schema: root, pointer: '' };
  if (!reference.startsWith('#/')) return 'must stay within the file: #/$defs/name';
  let pointer: string;
  try {
    pointer = decodeURIComponent(reference.slice(1));
  } catch {
    return 'is not a URI fragment';
  }
  let schema: unknown = root;
  for (const level of splitPointer(pointer)) {
    const next: unknown = isSchemaObject(schema)
      ? schema[level]
      : Array.isArray(schema)
        ? schema[Number(level)]
        : undefined;
    if (next === undefined || (isSchemaObject(schema) && !Object.hasOwn(schema, level))) {
      return 'leads nowhere in this file';
    }
    schema = next;
  }
  return { schema, pointer };
}

/** A subschema and all that always holds with it: what it refers to and its `allOf`, itself first. */
export function layersOf(root: SchemaObject, schema: SchemaObject, depth = 0): SchemaObject[] {
  const layers = [schema];
  // Circles are found by the schema check; this only has to end.
  if (depth > 16) return layers;
  if (typeof schema.$ref === 'string') {
    const target = resolveReference(root, schema.$ref);
    if (typeof target !== 'string' && isSchemaObject(target.schema)) {
      layers.push(...layersOf(root, target.schema, depth + 1));
    }
  }
  if (Array.isArray(schema.allOf)) {
    for (const part of schema.allOf)
      if (isSchemaObject(part)) layers.push(...layersOf(root, part, depth + 1));
  }
  return layers;
}
