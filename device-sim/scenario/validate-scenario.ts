import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { editDistance } from '../../gateway/edit-distance.ts';
import type { Problem } from '../../gateway/errors.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import type { RawScenario } from './raw-scenario.ts';
import type { ScenarioFile } from './scenario-file.ts';

export const SCENARIO_SCHEMA_FILE = join(PACKAGE_ROOT, 'schemas/scenario.schema.json');

let compiled: ValidateFunction<RawScenario> | undefined;

function validator(): ValidateFunction<RawScenario> {
  if (compiled !== undefined) return compiled;
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    strictTypes: false,
    allowUnionTypes: true,
  });
  // What is wanted, in words, stands beside the rule.
  ajv.addKeyword({ keyword: 'expected', schemaType: 'string' });
  compiled = ajv.compile<RawScenario>(JSON.parse(readFileSync(SCENARIO_SCHEMA_FILE, 'utf8')));
  return compiled;
}

/** Checks a scenario against its schema and fills its defaults in, in place; else every problem at its place. */
export function validateScenario(file: ScenarioFile): RawScenario | readonly Problem[] {
  if (file.problems.length > 0) return file.problems;
  const { value } = file;
  speakMqttUnlessSaid(value);
  const validate = validator();
  if (validate(value)) return value;
  const problems = new Map<string, Problem>();
  for (const error of validate.errors ?? []) {
    const problem = problemOf(file, error);
    problems.set(`${problem.pointer} ${problem.message}`, problem);
  }
  return [...problems.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}

function problemOf(file: ScenarioFile, error: ErrorObject): Problem {
  const { instancePath, keyword, params, parentSchema } = error;
  if (keyword === 'additionalProperties') {
    const key = String(params.additionalProperty);
    const pointer = `${instancePath}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const near = nearest(key, Object.keys(parentSchema?.properties ?? {}));
    return file.problem(pointer, `is not known${near === null ? '' : `; did you mean ${near}?`}`);
  }
  if (keyword === 'required') return file.problem(instancePath, `needs ${String(params.missingProperty)}`);
  if (keyword === 'not')
    return file.problem(instancePath, 'has both mqtt and serial; a fleet is one of them');
  if (keyword === 'enum')
    return file.problem(instancePath, `must be one of ${params.allowedValues.join(', ')}`);
  const expected: unknown = parentSchema?.expected;
  if (typeof expected === 'string') return file.problem(instancePath, `must be ${expected}`);
  return file.problem(instancePath, error.message ?? `does not keep to "${keyword}"`);
}

/** Defaults are filled into what is there, and `mqtt` is there unless `serial` is. */
function speakMqttUnlessSaid(value: unknown): void {
  if (!isObject(value)) return;
  value.fleets ??= [{}];
  if (!Array.isArray(value.fleets)) return;
  for (const fleet of value.fleets) {
    if (isObject(fleet) && fleet.serial === undefined) fleet.mqtt ??= {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The known word that somebody may have meant; null where none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const each of known) {
    const distance = editDistance(word.toLowerCase(), each.toLowerCase());
    if (distance < least) [best, least] = [each, distance];
  }
  return best;
}
