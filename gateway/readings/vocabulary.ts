import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorObject, ValidateFunction } from 'ajv';
import type { Problem } from '../errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { createVocabularyAjv } from './ajv-setup.ts';
import type { JsonDocument } from './json-document.ts';
import { renewPatternBudget } from './safe-pattern.ts';
import { isSchemaObject, type SchemaObject, type Telemetry } from './telemetry.ts';
import { violationOf } from './violation-words.ts';

const FILE = join(PACKAGE_ROOT, 'schemas', 'telemetry-vocabulary.schema.json');
/** Errors of a wrapper say nothing that those within it do not. */
const WRAPPERS = new Set(['if', 'anyOf', 'oneOf', 'allOf', '$ref', '$dynamicRef']);

let compiled: ValidateFunction | undefined;

/** A schema file that keeps to the vocabulary. */
export interface SchemaSource {
  readonly id: string;
  readonly title: string;
  readonly root: SchemaObject;
  readonly telemetry: Telemetry;
}

/** Holds a schema file against the vocabulary. The schema, or every problem at its place. */
export function readSchemaSource(document: JsonDocument): SchemaSource | readonly Problem[] {
  const { value } = document;
  compiled ??= createVocabularyAjv().compile(vocabulary());
  renewPatternBudget();
  const validate: (value: unknown) => boolean = compiled;
  if (!validate(value)) {
    const errors = compiled.errors ?? [];
    const plain = errors.filter(({ keyword }) => !WRAPPERS.has(keyword));
    return (plain.length > 0 ? plain : errors).slice(0, 20).map((error) => problemOf(document, error));
  }
  if (!isSchemaObject(value)) return [document.problem('', 'must be an object')];
  const { $schema } = value;
  if (typeof $schema === 'string' && !/2020-12\/schema#?$|telemetry-vocabulary/.test($schema)) {
    return [document.problem('/$schema', 'must be JSON Schema 2020-12, or this vocabulary')];
  }
  const id = String(value.$id);
  return {
    id,
    title: typeof value.title === 'string' ? value.title : id,
    root: value,
    // The vocabulary has just said so.
    telemetry: value.telemetry as Telemetry,
  };
}

function vocabulary(): SchemaObject {
  const value: unknown = JSON.parse(readFileSync(FILE, 'utf8'));
  return isSchemaObject(value) ? value : {};
}

function problemOf(document: JsonDocument, error: ErrorObject): Problem {
  const { pointer, message } = violationOf(error);
  const key: unknown = error.params.additionalProperty;
  if (typeof key === 'string') {
    return document.problemAtKey(error.instancePath, key, 'is not known here; check its spelling');
  }
  return document.problem(pointer, message);
}
