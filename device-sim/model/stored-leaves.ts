import type { FieldKind } from '../contracts.ts';
import {
  isSchemaObject,
  pathKey,
  propertyPath,
  type ReadingSchema,
  type SchemaObject,
  valueAt,
} from './reading-schemas.ts';
import { firstOf, layersOf, typesOf } from './schema-layers.ts';

/** A declared property that holds one value: what `docs/schemas.md` says of it. */
export interface StoredLeaf {
  readonly path: readonly string[];
  /** JSON Pointer. */
  readonly pointer: string;
  /** Its name in the database; null: it is not stored. */
  readonly field: string | null;
  readonly kind: FieldKind;
  /** `"format": "int64"` or `"double"`: it may come as text. */
  readonly asText: boolean;
  /** All that always holds for it. */
  readonly layers: readonly SchemaObject[];
  readonly missing: readonly unknown[];
  read(reading: unknown): unknown;
}

const MAX_DEPTH = 30;

/** All of them, in the order they are declared. Arrays, and properties without one type, are stored nowhere. */
export function storedLeaves({ root }: ReadingSchema): readonly StoredLeaf[] {
  const leaves: StoredLeaf[] = [];
  const visit = (schema: SchemaObject, path: readonly string[], prefix: string): number => {
    const seen = new Set<string>();
    for (const layer of layersOf(root, schema)) {
      if (!isSchemaObject(layer.properties)) continue;
      for (const [name, property] of Object.entries(layer.properties)) {
        if (seen.has(name)) continue;
        seen.add(name);
        if (isSchemaObject(property)) visitProperty(property, [...path, name], `${prefix}${name}`);
      }
    }
    return seen.size;
  };
  const visitProperty = (property: SchemaObject, path: readonly string[], flatName: string): void => {
    const layers = layersOf(root, property);
    const field = firstOf(layers, 'field');
    const name = typeof field === 'string' ? field : flatName;
    const types = typesOf(layers);
    if (types.length === 1 && types[0] === 'object' && field !== false) {
      if (path.length <= MAX_DEPTH) visit(property, path, `${name}_`);
      return;
    }
    const kind = kindOf(types, firstOf(layers, 'format'));
    if (kind === null) return;
    const missing = firstOf(layers, 'missing');
    leaves.push({
      path,
      pointer: path.map((level) => `/${level.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
      field: field === false ? null : name,
      kind,
      asText: kind !== 's' && types.includes('string'),
      layers,
      missing: Array.isArray(missing) ? missing : [],
      read: readerOf(path),
    });
  };
  visit(root, [], '');
  return leaves;
}

/** Paths that are no fields: the time, and what became a tag. */
export function otherRoles({ telemetry }: ReadingSchema): ReadonlySet<string> {
  const { time, tags = [], device, deviceTag } = telemetry;
  const names = tags.filter((tag) => typeof tag === 'string');
  const paths = names.map(propertyPath);
  if (time !== undefined) paths.push(propertyPath(time.property));
  if (device?.startsWith('/') === true && deviceTag !== false) paths.push(propertyPath(device));
  return new Set(paths.map(pathKey));
}

function readerOf(path: readonly string[]): (reading: unknown) => unknown {
  return (reading) => valueAt(reading, path);
}

function kindOf(types: readonly string[], format: unknown): FieldKind | null {
  const key = [...types].sort((a, b) => (a < b ? -1 : 1)).join(' ');
  if (format === 'int64' && (key === 'string' || key === 'integer string')) return 'i';
  if (format === 'double' && (key === 'string' || key === 'number string')) return 'f';
  if (key === 'number' || key === 'integer number') return 'f';
  if (key === 'integer') return 'i';
  if (key === 'string') return 's';
  return key === 'boolean' ? 'b' : null;
}
