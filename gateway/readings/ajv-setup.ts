import type { CodeOptions } from 'ajv';
import { Ajv2020, type Options } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { isInt64 } from '../line-protocol/encode.ts';
import { isDecimalText } from './decimal-text.ts';
import { safePattern } from './safe-pattern.ts';

/** Longer texts have none of the formats: a bound on what a format's own pattern is applied to. */
const MAX_FORMAT_TEXT = 1024;
/** The vocabulary's own keywords; ajv passes over them. */
export const TELEMETRY_KEYWORDS = ['telemetry', 'unit', 'field', 'missing'] as const;

const TEXT_FORMATS = [
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

/**
 * Formats a reading schema may use. Two are ours: `int64`, decimal digits, which a JSON number cannot hold exactly, and
 * `double`, a number that firmware prints as text.
 */
export const KNOWN_FORMATS: ReadonlySet<string> = new Set([...TEXT_FORMATS, 'int64', 'double']);

type RegExpEngine = NonNullable<CodeOptions['regExp']>;

const OPTIONS: Options = {
  allErrors: true,
  verbose: true,
  strict: true,
  strictTypes: false,
  strictRequired: false,
  strictTuples: false,
  allowUnionTypes: true,
  logger: false,
  code: { regExp: regExpEngine() },
};

/** For schemas against the vocabulary: knows the 2020-12 meta-schema. */
export function createVocabularyAjv(): Ajv2020 {
  return withVocabulary(new Ajv2020(OPTIONS));
}

/** For payloads against one schema, which was found valid before. */
export function createPayloadAjv(): Ajv2020 {
  return withVocabulary(new Ajv2020({ ...OPTIONS, meta: false, validateSchema: false }));
}

function withVocabulary(ajv: Ajv2020): Ajv2020 {
  for (const keyword of TELEMETRY_KEYWORDS) ajv.addKeyword({ keyword });
  for (const name of TEXT_FORMATS) ajv.addFormat(name, { type: 'string', validate: boundedFormat(name) });
  ajv.addFormat('int64', { type: 'string', validate: isInt64 });
  ajv.addFormat('double', { type: 'string', validate: isDecimalText });
  for (const name of META_SCHEMA_FORMATS) ajv.addFormat(name, true);
  return ajv;
}

/** What the meta-schema itself asks for; the schemas of an operator need no check as strict. */
const META_SCHEMA_FORMATS = ['regex'] as const;

function boundedFormat(name: (typeof TEXT_FORMATS)[number]): (text: string) => boolean {
  const format = addFormats.default.get(name, isDateOrTime(name) ? 'full' : 'fast');
  const check = checkOf(format);
  return (text) => text.length <= MAX_FORMAT_TEXT && check(text);
}

/** The fast forms of these only look at the shape: they take the 99th of a month. */
function isDateOrTime(name: string): boolean {
  return name === 'date' || name === 'time' || name === 'date-time';
}

function checkOf(format: unknown): (text: string) => boolean {
  if (format instanceof RegExp) return (text) => format.test(text);
  if (typeof format === 'function') return (text) => format(text) === true;
  if (typeof format === 'object' && format !== null && 'validate' in format) return checkOf(format.validate);
  throw new TypeError('a format of an unknown kind');
}

function regExpEngine(): RegExpEngine {
  const engine = (source: string): RegExp => {
    const pattern = safePattern(source);
    if (typeof pattern === 'string') throw new SyntaxError(`pattern ${source} ${pattern}`);
    // ajv asks its engine for `test` alone (its type says so); it also compares by `toString`.
    return { test: pattern.test, toString: () => source } as RegExp;
  };
  return Object.assign(engine, { code: 'require("./safe-pattern.js").safePattern' });
}
