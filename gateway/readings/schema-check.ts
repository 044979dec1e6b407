import type { Problem } from '../errors.ts';
import { createPayloadAjv, KNOWN_FORMATS } from './ajv-setup.ts';
import { escapePointer, type JsonDocument } from './json-document.ts';
import { safePattern } from './safe-pattern.ts';
import { resolveReference } from './schema-reference.ts';
import { isSchemaObject, type SchemaObject } from './telemetry.ts';

/** Subschemas seen, each as often as it is referred to: what one value may be held against. */
const MAX_SUBSCHEMAS = 5000;
const MAX_DEPTH = 32;

const MAPS = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const SINGLES = [
  'items',
  'additionalProperties',
  'propertyNames',
  'contains',
  'not',
  'if',
  'then',
  'else',
  'unevaluatedProperties',
  'unevaluatedItems',
];
const UNSUPPORTED = new Set([
  '$anchor',
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  '$vocabulary',
  'dependencies',
]);
const SCALARS = new Set(['string', 'number', 'integer', 'boolean', 'null']);

/**
 * What JSON Schema allows and a gateway should not: keywords nobody knows (a misspelling checks nothing), references
 * out of the file or in circles, patterns and checks whose cost grows faster than the payload. Every problem at its
 * place.
 */
export function checkSchema(document: JsonDocument, root: SchemaObject): Problem[] {
  const problems: Problem[] = [];
  const known = createPayloadAjv().RULES.keywords;
  let seen = 0;

  const visit = (schema: unknown, pointer: string, references: readonly string[], depth: number): void => {
    seen += 1;
    if (seen > MAX_SUBSCHEMAS || !isSchemaObject(schema)) return;
    if (depth > MAX_DEPTH) {
      problems.push(document.problem(pointer, `is nested deeper than ${MAX_DEPTH} levels`));
      return;
    }
    checkKeywords(schema, pointer);
    for (const name of MAPS) {
      if (name === '$defs' || name === 'definitions') continue;
      const map = schema[name];
      if (!isSchemaObject(map)) continue;
      for (const [key, value] of Object.entries(map)) {
        visit(value, `${pointer}/${name}/${escapePointer(key)}`, references, depth + 1);
      }
    }
    for (const name of LISTS) {
      const list = schema[name];
      if (!Array.isArray(list)) continue;
      for (const [i, value] of list.entries()) visit(value, `${pointer}/${name}/${i}`, references, depth + 1);
    }
    for (const name of SINGLES) {
      if (schema[name] !== undefined) visit(schema[name], `${pointer}/${name}`, references, depth + 1);
    }
    const reference = schema.$ref;
    if (typeof reference === 'string') follow(reference, pointer, references, depth);
  };

  const follow = (reference: string, pointer: string, references: readonly string[], depth: number): void => {
    const target = resolveReference(root, reference);
    if (typeof target === 'string') problems.push(document.problem(`${pointer}/$ref`, target));
    else if (references.includes(reference) || reference === '#') {
      problems.push(
        document.problem(
          `${pointer}/$ref`,
          'refers to itself; a reading has a fixed set of fields, so it cannot',
        ),
      );
    } else visit(target.schema, target.pointer, [...references, reference], depth + 1);
  };

  const checkKeywords = (schema: SchemaObject, pointer: string): void => {
    const at = (key: string, message: string): void => {
      problems.push(document.problem(`${pointer}/${escapePointer(key)}`, message));
    };
    for (const key of Object.keys(schema)) {
      const nested = pointer !== '' && ['$id', '$schema', 'telemetry'].includes(key);
      if (UNSUPPORTED.has(key)) at(key, 'is not supported in a reading schema');
      else if (nested) at(key, 'belongs at the top of the file');
      else if (!Object.hasOwn(known, key)) {
        problems.push(
          document.problemAtKey(pointer, key, 'is no keyword of JSON Schema; check its spelling'),
        );
      }
    }
    if (typeof schema.pattern === 'string') {
      const pattern = safePattern(schema.pattern);
      if (typeof pattern === 'string') at('pattern', pattern);
    }
    if (isSchemaObject(schema.patternProperties)) {
      for (const key of Object.keys(schema.patternProperties)) {
        const pattern = safePattern(key);
        if (typeof pattern === 'string') {
          problems.push(document.problemAtKey(`${pointer}/patternProperties`, key, pattern));
        }
      }
    }
    if (isSchemaObject(schema.properties)) {
      for (const key of Object.keys(schema.properties)) {
        if (!(key in Object.prototype)) continue;
        problems.push(
          document.problemAtKey(`${pointer}/properties`, key, 'is a name that every object has; use another'),
        );
      }
    }
    if (typeof schema.format === 'string' && !KNOWN_FORMATS.has(schema.format)) {
      at('format', `is not known; known are ${[...KNOWN_FORMATS].join(', ')}`);
    }
    if (schema.uniqueItems === true && !hasScalarItems(schema)) {
      at('uniqueItems', 'needs items of one scalar type: comparing all with all would take too long');
    }
  };

  visit(root, '', [], 0);
  for (const name of ['$defs', 'definitions']) {
    const map = root[name];
    if (!isSchemaObject(map)) continue;
    for (const [key, value] of Object.entries(map)) visit(value, `/${name}/${escapePointer(key)}`, [], 1);
  }
  if (seen > MAX_SUBSCHEMAS) {
    problems.push(
      document.problem('', `holds a value against more than ${MAX_SUBSCHEMAS} subschemas; make it smaller`),
    );
  }
  return unique(problems);
}

function hasScalarItems({ items }: SchemaObject): boolean {
  return isSchemaObject(items) && typeof items.type === 'string' && SCALARS.has(items.type);
}

/** A definition that is referred to twice has its problems once. */
function unique(problems: readonly Problem[]): Problem[] {
  const seen = new Map(
    problems.map((problem) => [`${problem.line}:${problem.column}:${problem.message}`, problem]),
  );
  return [...seen.values()].slice(0, 50);
}
