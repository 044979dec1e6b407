import type { ErrorObject } from 'ajv/dist/2020.js';
import { nearestWord } from './nearest-word.ts';

/** Parts of the design that a later version brings: worth another word than "unknown". */
const LATER = new Set(['/mqtt/auth']);

interface Words {
  readonly message: string;
  /** The key below the error's place that is meant. */
  readonly key?: string;
}

/** A schema error in plain words, never with the value itself (it may be a secret); null where another says it better. */
export function wordsFor({ keyword, params, parentSchema, instancePath, data }: ErrorObject): Words | null {
  switch (keyword) {
    case 'if':
      return null;
    case 'additionalProperties':
      return unknownKey(instancePath, String(params.additionalProperty), parentSchema);
    case 'required':
      return { message: `needs ${params.missingProperty}` };
    case 'enum':
      return { message: `must be ${listed(params.allowedValues)}` };
    case 'minLength':
      // A text of one character that was not enough is told of by what is expected.
      if (data === '') return { message: 'must not be empty' };
      break;
    case 'minItems':
      return {
        message: `must have at least one entry${parentSchema?.default === undefined ? '' : '; leave it out for the default'}`,
      };
    case 'maxItems':
      return { message: `must have at most ${params.limit} entries` };
    case 'minimum':
      return { message: `must be at least ${params.limit}` };
    case 'maximum':
      return { message: `must be at most ${params.limit}` };
    case 'maxLength':
      return { message: `must have at most ${params.limit} characters` };
  }
  if (data === null && isSecret(parentSchema))
    return {
      message:
        'has no value: write one that begins with # or & in quotes, and leave the key out where none is needed',
    };
  const expected: unknown = parentSchema?.expected;
  const quotes = keyword === 'type' && wantsQuotes(data, parentSchema) ? ': write it in quotes' : '';
  if (typeof expected === 'string') {
    const isSaid = quotes === '' || expected.includes('quotes');
    return { message: `must be ${expected}${isSaid ? '' : `, not ${nameOf(data)}${quotes}`}` };
  }
  return {
    message:
      keyword === 'type'
        ? `must be ${typeName(params.type)}, not ${nameOf(data)}${quotes}`
        : `is not valid (${keyword})`,
  };
}

/** It is written and never shown (JSON Schema, Meta-Data, 9.4). */
export function isSecret(parentSchema: ErrorObject['parentSchema']): boolean {
  return parentSchema?.writeOnly === true;
}

/** YAML takes it for a number or a boolean, and as a text it would do. */
function wantsQuotes(data: unknown, parentSchema: ErrorObject['parentSchema']): boolean {
  if (typeof data !== 'number' && typeof data !== 'boolean') return false;
  const type: unknown = parentSchema?.type;
  if (type !== 'string' && !(Array.isArray(type) && type.includes('string'))) return false;
  const pattern: unknown = parentSchema?.pattern;
  return typeof pattern !== 'string' || new RegExp(pattern, 'u').test(String(data));
}

function unknownKey(instancePath: string, key: string, parentSchema: ErrorObject['parentSchema']): Words {
  if (LATER.has(`${instancePath}/${key}`)) return { key, message: 'is not supported yet by this version' };
  const known = Object.keys(parentSchema?.properties ?? {});
  const near = nearestWord(key, known);
  const hint = near === null ? `; known here: ${known.join(', ')}` : `; did you mean ${near}?`;
  return { key, message: `is not a known key${hint}` };
}

function listed(values: unknown): string {
  const texts = Array.isArray(values) ? values.map(String) : [];
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`;
}

function typeName(type: unknown): string {
  const names: Readonly<Record<string, string>> = {
    object: 'a map of keys',
    array: 'a list',
    integer: 'an integer',
    boolean: 'true or false',
    string: 'a text',
  };
  const types = Array.isArray(type) ? type.map(String) : [String(type)];
  return types.map((each) => names[each] ?? each).join(' or ');
}

function nameOf(data: unknown): string {
  if (data === null) return 'empty';
  if (Array.isArray(data)) return 'a list';
  if (typeof data === 'object') return 'a map of keys';
  return { string: 'a text', number: 'a number', boolean: 'a boolean' }[String(typeof data)] ?? typeof data;
}
