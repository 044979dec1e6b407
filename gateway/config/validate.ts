import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Problem } from '../errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { isSecret, wordsFor } from './words.ts';
import { escapeSegment, segmentsOf, type YamlSource } from './yaml-source.ts';

export const CONFIG_SCHEMA_FILE = join(PACKAGE_ROOT, 'schemas/gateway-config.schema.json');

let compiled: ValidateFunction | undefined;

function validator(): ValidateFunction {
  if (compiled !== undefined) return compiled;
  const ajv = createConfigAjv();
  // Their options exclude one another, so what is left out has to stay so.
  for (const part of ['framing', 'format'])
    ajv.addSchema(withoutDefaults(readSchema(join(PACKAGE_ROOT, `schemas/${part}.schema.json`))));
  const schema = readSchema(CONFIG_SCHEMA_FILE);
  compiled = ajv.compile(schema);
  return compiled;
}

/** For files that people write: what they leave out is filled in, and every problem is listed. */
export function createConfigAjv(): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    strictTypes: false,
    allowUnionTypes: true,
  });
  // The words for what is wanted stand beside the rule, so that an error can say them.
  ajv.addKeyword({ keyword: 'expected', schemaType: 'string' });
  return ajv;
}

function readSchema(file: string): object {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function withoutDefaults(schema: object): object {
  return JSON.parse(JSON.stringify(schema, (key, value: unknown) => (key === 'default' ? undefined : value)));
}

/**
 * Checks the configuration against its schema and fills the defaults in, in place. A key with no value counts as left
 * out, but for a secret: what was meant to be one may have begun with a `#`. Every problem is listed.
 */
export function validateConfig(
  source: YamlSource,
  validate: ValidateFunction = validator(),
): readonly Problem[] {
  if (validate(source.value)) return [];
  const repaired = (validate.errors ?? []).filter((error) => repair(source, error)).length > 0;
  if (repaired && validate(source.value)) return [];
  const problems = new Map<string, Problem>();
  for (const error of validate.errors ?? []) {
    const words = wordsFor(error);
    if (words === null) continue;
    const pointer =
      words.key === undefined ? error.instancePath : `${error.instancePath}/${escapeSegment(words.key)}`;
    problems.set(`${pointer} ${words.message}`, source.problem(pointer, words.message));
  }
  return [...problems.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}

/**
 * What YAML could not know: a key without a value (or with an empty variable) is left out, and `${PORT}` is text even
 * where a number is wanted.
 * Returns whether it changed something.
 */
function repair(
  { value, interpolated }: YamlSource,
  { instancePath, data, keyword, schema, parentSchema }: ErrorObject,
): boolean {
  if (data === null && isSecret(parentSchema)) return false;
  const segments = segmentsOf(instancePath);
  const last = segments.pop();
  let parent: unknown = value;
  for (const segment of segments) parent = isRecord(parent) ? parent[segment] : undefined;
  if (last === undefined || !isRecord(parent)) return false;
  const isEmpty = data === null || (data === '' && interpolated.has(instancePath));
  if (isEmpty && !Array.isArray(parent)) return delete parent[last];
  if (typeof data !== 'string' || !interpolated.has(instancePath)) return false;
  const plain = plainScalar(data);
  const wanted = keyword === 'enum' ? Array.isArray(schema) && schema.includes(plain) : keyword === 'type';
  if (plain === undefined || !wanted) return false;
  parent[last] = plain;
  return true;
}

function plainScalar(text: string): number | boolean | undefined {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
