import { createHash } from 'node:crypto';
import type { SchemaField } from '../contracts.ts';
import { messageOf, type Problem } from '../errors.ts';
import { createPayloadAjv } from './ajv-setup.ts';
import type { Calibration } from './calibration.ts';
import { type LeafShape, leavesOf, type ObjectShape, shapeOfSchema } from './field-shape.ts';
import { emptyWritten, objectWriter, type Writer } from './field-writer.ts';
import { escapePointer, type JsonDocument, parseJsonDocument } from './json-document.ts';
import { ANY_FORMAT, type FormatProblem } from './mapping-deps.ts';
import { createPayloadCheck, type PayloadCheck } from './payload-check.ts';
import { renewPatternBudget } from './safe-pattern.ts';
import { checkSchema } from './schema-check.ts';
import { isSchemaObject, type SchemaObject, type Telemetry } from './telemetry.ts';
import { planTelemetry, type TelemetryPlan } from './telemetry-plan.ts';
import { FIELD_CAPTURE } from './topic-pattern.ts';
import { readSchemaSource } from './vocabulary.ts';

/** How one kind of value is checked and written: a whole reading, or the bare value of one property. */
export interface Interpreter {
  readonly payload: PayloadCheck;
  readonly write: Writer;
  /** A writer for a device with a calibration. */
  calibrated(calibration: Calibration): Writer;
}

/** What the readings of a schema left out, since it was loaded. */
export interface SchemaStats {
  /** Properties that are stored nowhere: undeclared, arrays, `"field": false`. */
  ignored: number;
  /** Values that mean "no value". */
  missing: number;
}

/** One schema file, ready for readings. */
export interface ReadingSchema {
  readonly id: string;
  readonly title: string;
  readonly file: string;
  /** As it was read: what is kept as the last good version. */
  readonly text: string;
  /** Names this text: the first 12 hex digits of its SHA-256. */
  readonly version: string;
  readonly telemetry: Telemetry;
  readonly plan: TelemetryPlan;
  /** Every field its readings may write; this array is shared by all its series. */
  readonly fields: readonly SchemaField[];
  readonly whole: Interpreter;
  /** By property, where a topic has `{field}`. */
  readonly bare: ReadonlyMap<string, Interpreter>;
  readonly stats: SchemaStats;
  /** A problem of this schema at its place. */
  problem(pointer: string, message: string): Problem;
}

/** Compiles one schema file. With problems there is no schema. `formatProblem` says what is wrong with a format spec. */
export function compileReadingSchema(
  file: string,
  text: string,
  formatProblem: FormatProblem = ANY_FORMAT,
): { readonly schema: ReadingSchema | null; readonly problems: readonly Problem[] } {
  const { document, problems: syntax } = parseJsonDocument(file, text);
  if (document === null || syntax.length > 0) return { schema: null, problems: syntax };
  const read = readSchemaSource(document);
  if (!('root' in read)) return { schema: null, problems: read };
  const { id, title, root, telemetry } = read;
  const problems = checkSchema(document, root);
  if (problems.length > 0) return { schema: null, problems };
  const shape = shapeOfSchema(document, root, problems);
  const plan = planTelemetry(document, telemetry, shape, problems, formatProblem);
  if (problems.length > 0) return { schema: null, problems };
  try {
    const { whole, bare } = interpretersOf(root, shape, plan);
    const misleading = exampleProblems(document, root, whole);
    if (misleading.length > 0) return { schema: null, problems: misleading };
    const stats = { ignored: 0, missing: 0 };
    const problem = (pointer: string, message: string): Problem => document.problem(pointer, message);
    return {
      schema: {
        id,
        title,
        file,
        text,
        version: versionOfText(text),
        telemetry,
        plan,
        fields: fieldsOf(plan),
        whole,
        bare,
        stats,
        problem,
      },
      problems: [],
    };
  } catch (error) {
    return { schema: null, problems: [document.problem('', `cannot be compiled: ${messageOf(error)}`)] };
  }
}

/** Names a version of a schema by its text. */
export function versionOfText(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function fieldsOf({ fields, time }: TelemetryPlan): readonly SchemaField[] {
  const declared = fields.map(({ field, name, type }): SchemaField => ({ name: field ?? name, type }));
  const original = time?.original ?? null;
  return Object.freeze(original === null ? declared : [...declared, { name: original, type: 'integer' }]);
}

function interpretersOf(
  root: SchemaObject,
  shape: ObjectShape,
  plan: TelemetryPlan,
): { whole: Interpreter; bare: ReadonlyMap<string, Interpreter> } {
  const ajv = createPayloadAjv();
  const { $schema, $id, ...schema } = root;
  const fields = new Set(plan.fields);
  const isField = (leaf: LeafShape): boolean => fields.has(leaf);
  const whole: Interpreter = {
    payload: createPayloadCheck(ajv.compile(schema), leavesOf(shape)),
    write: objectWriter(shape, isField),
    calibrated: (calibration) => objectWriter(shape, isField, calibration),
  };
  const bare = new Map<string, Interpreter>();
  if (plan.patterns.some(({ captures }) => captures.includes(FIELD_CAPTURE))) {
    ajv.addSchema(schema, ROOT);
    for (const name of bareNames(root, plan)) {
      const $ref = `${ROOT}#/properties/${encodeURIComponent(escapePointer(name))}`;
      const only = { ...shape, members: shape.members.filter((member) => member.name === name) };
      bare.set(name, {
        payload: createPayloadCheck(ajv.compile({ properties: { [name]: { $ref } } }), leavesOf(only)),
        write: objectWriter(only, isField),
        calibrated: (calibration) => objectWriter(only, isField, calibration),
      });
    }
  }
  return { whole, bare };
}

const ROOT = 'reading';

/** What `{field}` may be: the fields declared at the top of the schema itself. */
function bareNames(root: SchemaObject, plan: TelemetryPlan): string[] {
  const { properties } = root;
  return plan.fields
    .filter(
      ({ path, name }) => path.length === 1 && isSchemaObject(properties) && Object.hasOwn(properties, name),
    )
    .map(({ name }) => name);
}

/** An example that the schema itself refuses misleads whoever reads it. */
function exampleProblems(
  document: JsonDocument,
  root: SchemaObject,
  { payload, write }: Interpreter,
): Problem[] {
  const examples = Array.isArray(root.examples) ? root.examples : [];
  return examples.flatMap((example, i) => {
    const copy: unknown = structuredClone(example);
    renewPatternBudget();
    const [violation] = payload.check(copy);
    if (violation !== undefined) {
      return [
        document.problem(`/examples/${i}${violation.pointer}`, `is no valid example: ${violation.message}`),
      ];
    }
    const out = emptyWritten();
    write(copy, out);
    const [refused] = out.violations;
    if (refused !== undefined) return [document.problem(`/examples/${i}${refused.pointer}`, refused.message)];
    return [];
  });
}
