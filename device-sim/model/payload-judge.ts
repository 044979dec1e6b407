import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { isSchemaObject, type ReadingSchema, type SchemaObject } from './reading-schemas.ts';
import type { StoredLeaf } from './stored-leaves.ts';

/** Says whether a schema takes a value, as docs/schemas.md has it. */
export interface PayloadJudge {
  /** The value as it is stored from: what means "no value" taken out of it. Null: the schema refuses it. */
  take(value: unknown): { readonly value: unknown } | null;
  /** The places that the schema found fault with last, for words. */
  readonly complaints: readonly string[];
}

const FORMATS = [
  'date',
  'time',
  'date-time',
  'duration',
  'uri',
  'uri-reference',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
  'json-pointer',
  'byte',
] as const;
const INT64 = /^(?:0|-?[1-9]\d{0,18})$/;
const DECIMAL = /^[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,3})?$/;
const MAX_INT64 = 2n ** 63n;
const ROOT = 'reading';

/** For whole readings, and for the bare value of each property at the top. */
export interface PayloadJudges {
  readonly whole: PayloadJudge;
  bare(property: string): PayloadJudge;
}

export function createPayloadJudges(schema: ReadingSchema, leaves: readonly StoredLeaf[]): PayloadJudges {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    validateSchema: false,
    allowUnionTypes: true,
    logger: false,
  });
  for (const name of FORMATS) {
    const full = name === 'date' || name === 'time' || name === 'date-time';
    ajv.addFormat(name, addFormats.default.get(name, full ? 'full' : 'fast'));
  }
  ajv.addFormat('int64', { type: 'string', validate: isInt64 });
  ajv.addFormat('double', { type: 'string', validate: isDecimalText });
  const { $id, $schema, ...root } = schema.root;
  ajv.addSchema(root, ROOT);
  const bare = new Map<string, PayloadJudge>();
  return {
    whole: judgeOf(ajv, root, leaves),
    bare(property) {
      const known = bare.get(property);
      if (known !== undefined) return known;
      const pointer = encodeURIComponent(property.replaceAll('~', '~0').replaceAll('/', '~1'));
      const only = { properties: { [property]: { $ref: `${ROOT}#/properties/${pointer}` } } };
      const judge = judgeOf(
        ajv,
        only,
        leaves.filter(({ path }) => path.length === 1 && path[0] === property),
      );
      bare.set(property, judge);
      return judge;
    },
  };
}

export function isInt64(text: string): boolean {
  if (!INT64.test(text)) return false;
  const value = BigInt(text);
  return value >= -MAX_INT64 && value < MAX_INT64;
}

export function isDecimalText(text: string): boolean {
  return DECIMAL.test(text) && Number.isFinite(Number(text));
}

function judgeOf(ajv: Ajv2020, schema: SchemaObject, leaves: readonly StoredLeaf[]): PayloadJudge {
  const validate = ajv.compile(schema);
  const withMissing = leaves.filter(({ missing }) => missing.length > 0);
  let complaints: readonly string[] = [];
  const complain = (errors: readonly ErrorObject[]): null => {
    complaints = errors.map(({ instancePath, message }) => `${instancePath} ${message ?? 'is wrong'}`);
    return null;
  };
  return {
    get complaints() {
      return complaints;
    },
    take(value) {
      const cleared: string[] = [];
      let taken = value;
      for (const leaf of withMissing) {
        const found = leaf.read(taken);
        if (found === undefined || !leaf.missing.includes(found)) continue;
        taken = without(taken, leaf.path);
        cleared.push(leaf.pointer);
      }
      if (validate(taken)) return { value: taken };
      const errors = validate.errors ?? [];
      const nulls = leaves.filter(
        (leaf) =>
          leaf.read(taken) === null &&
          errors.some(({ keyword, instancePath }) => keyword === 'type' && instancePath === leaf.pointer),
      );
      for (const { path } of nulls) taken = without(taken, path);
      if (nulls.length > 0 && validate(taken)) return { value: taken };
      // A required property that says "no value" was sent.
      const counted = (validate.errors ?? errors).filter(({ keyword, instancePath, params }) => {
        if (keyword === 'if') return false;
        if (keyword !== 'required' && keyword !== 'dependentRequired') return true;
        const missing = String(params.missingProperty).replaceAll('~', '~0').replaceAll('/', '~1');
        return !cleared.includes(`${instancePath}/${missing}`);
      });
      return counted.length === 0 ? { value: taken } : complain(counted);
    },
  };
}

/** A copy in which the value at a path is undefined; its key stays, as in the gateway. */
function without(value: unknown, [name, ...rest]: readonly string[]): unknown {
  if (name === undefined) return undefined;
  if (!isSchemaObject(value)) return value;
  return { ...value, [name]: without(value[name], rest) };
}
