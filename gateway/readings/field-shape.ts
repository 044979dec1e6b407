import type { FieldType } from '../contracts.ts';
import type { Problem } from '../errors.ts';
import { type NumberRange, numberRangeOf } from './decimal-text.ts';
import { escapePointer, type JsonDocument } from './json-document.ts';
import { layersOf } from './schema-reference.ts';
import { isSchemaObject, type SchemaObject } from './telemetry.ts';

/** A declared property that holds one value. */
export interface LeafShape {
  readonly kind: 'leaf';
  readonly name: string;
  /** Property names from the top of a reading. */
  readonly path: readonly string[];
  /** Where the schema declares it. */
  readonly pointer: string;
  /** Its name in the database; null: checked, but not stored. */
  readonly field: string | null;
  readonly type: FieldType;
  /** An integer that may come as decimal digits (`"format": "int64"`). */
  readonly int64: boolean;
  /** A number that may come as text (`"format": "double"`), and the limits its text has to keep; else null. */
  readonly decimal: NumberRange | null;
  readonly unit: string | null;
  /** Values that mean "no value". */
  readonly missing: readonly unknown[];
}

export interface ObjectShape {
  readonly kind: 'object';
  readonly name: string;
  readonly path: readonly string[];
  readonly members: readonly Shape[];
}

/** Declared, checked, and nothing that a field could hold. */
export interface UnmappedShape {
  readonly kind: 'unmapped';
  readonly name: string;
  readonly path: readonly string[];
  /** Where the schema declares it. */
  readonly pointer: string;
  readonly why: string;
}

export type Shape = LeafShape | ObjectShape | UnmappedShape;

/** What a reading schema declares: the tree of its properties. Problems are added to `problems`. */
export function shapeOfSchema(document: JsonDocument, root: SchemaObject, problems: Problem[]): ObjectShape {
  const members = (
    schema: SchemaObject,
    pointer: string,
    path: readonly string[],
    prefix: string,
  ): Shape[] => {
    const shapes = new Map<string, Shape>();
    for (const layer of layersOf(root, schema)) {
      if (!isSchemaObject(layer.properties)) continue;
      for (const [name, property] of Object.entries(layer.properties)) {
        if (shapes.has(name)) continue;
        const own = layer === schema ? `${pointer}/properties/${escapePointer(name)}` : pointer;
        const shape = shapeOfProperty(property, own, [...path, name], `${prefix}${name}`);
        if (shape !== null) shapes.set(name, shape);
      }
    }
    return [...shapes.values()];
  };

  const shapeOfProperty = (
    property: unknown,
    pointer: string,
    path: readonly string[],
    flatName: string,
  ): Shape | null => {
    const name = path.at(-1) ?? '';
    // `false` forbids the property, `true` leaves it open: either way there is nothing to store.
    if (!isSchemaObject(property)) return { kind: 'unmapped', name, path, pointer, why: 'no type' };
    const layers = layersOf(root, property);
    const first = (key: string): unknown => layers.find((layer) => layer[key] !== undefined)?.[key];
    const field = first('field');
    const renamed = typeof field === 'string' ? field : flatName;
    const types = typesOf(layers);
    if (types.length === 1 && types[0] === 'object' && field !== false) {
      if (path.length > 30) return null;
      const inner = members(property, pointer, path, `${renamed}_`);
      if (inner.length > 0) return { kind: 'object', name, path, members: inner };
      return { kind: 'unmapped', name, path, pointer, why: 'an object without declared properties' };
    }
    if (types.includes('array')) return { kind: 'unmapped', name, path, pointer, why: 'an array' };
    const type = fieldTypeOf(types, first('format'));
    if (type === null) {
      if (field === false) return { kind: 'unmapped', name, path, pointer, why: 'field is false' };
      const found = types.length === 0 ? 'none' : types.join(' or ');
      problems.push(
        document.problem(
          pointer,
          `must have one type to be stored (number, integer, string or boolean, or null besides), has ${found}; or set "field": false`,
        ),
      );
      return null;
    }
    const unit = first('unit');
    const missing = first('missing');
    return {
      kind: 'leaf',
      name,
      path,
      pointer,
      field: field === false ? null : renamed,
      type,
      int64: type === 'integer' && types.includes('string'),
      decimal: type === 'float' && types.includes('string') ? numberRangeOf(first) : null,
      unit: typeof unit === 'string' ? unit : null,
      missing: Array.isArray(missing) ? missing : [],
    };
  };

  return { kind: 'object', name: '', path: [], members: members(root, '', [], '') };
}

/** The leaves of a tree, in the order they are declared. */
export function leavesOf(shape: ObjectShape): LeafShape[] {
  return shape.members.flatMap((member) =>
    member.kind === 'leaf' ? [member] : member.kind === 'object' ? leavesOf(member) : [],
  );
}

export function unmappedOf(shape: ObjectShape): UnmappedShape[] {
  return shape.members.flatMap((member) =>
    member.kind === 'unmapped' ? [member] : member.kind === 'object' ? unmappedOf(member) : [],
  );
}

/** The types a value may have besides null; from `enum` or `const` where none is declared. */
function typesOf(layers: readonly SchemaObject[]): string[] {
  const declared = layers.find(({ type }) => type !== undefined)?.type;
  const types = Array.isArray(declared)
    ? declared.map(String)
    : declared === undefined
      ? []
      : [String(declared)];
  if (types.length === 0) {
    const values = layers.flatMap((layer) => [
      ...(Array.isArray(layer.enum) ? layer.enum : []),
      ...(layer.const === undefined ? [] : [layer.const]),
    ]);
    types.push(...values.map(typeOfValue));
  }
  return [...new Set(types)].filter((type) => type !== 'null');
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function fieldTypeOf(types: readonly string[], format: unknown): FieldType | null {
  const key = [...types].sort(alphabetically).join(' ');
  if (format === 'int64' && (key === 'string' || key === 'integer string')) return 'integer';
  if (format === 'double' && (key === 'string' || key === 'number string')) return 'float';
  switch (key) {
    case 'number':
    case 'integer number':
      return 'float';
    case 'integer':
    case 'string':
    case 'boolean':
      return key;
    default:
      return null;
  }
}

function alphabetically(a: string, b: string): number {
  return a < b ? -1 : 1;
}
