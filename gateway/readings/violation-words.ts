import type { ErrorObject } from 'ajv';
import type { Violation } from '../contracts.ts';
import { printable } from '../printable.ts';
import { escapePointer } from './json-document.ts';
import { isPatternBudgetSpent, MAX_PATTERN_TEXT } from './safe-pattern.ts';

const MAX_VIOLATIONS = 20;
const SHOWN_CHARACTERS = 40;
const MAX_POINTER = 200;

/** What ajv found, in words that say what came and what would be right. Harmless to print. At most 20. */
export function violationsOf(errors: readonly ErrorObject[]): Violation[] {
  const shown = errors.slice(0, MAX_VIOLATIONS).map(violationOf);
  const rest = errors.length - shown.length;
  if (rest > 0) shown.push({ pointer: '', message: `and ${rest} more` });
  return shown;
}

/** Asks for `verbose` errors. */
export function violationOf(error: ErrorObject): Violation {
  const { instancePath, keyword, data } = error;
  // Typed by ajv as a record of anything.
  const params: Readonly<Record<string, unknown>> = error.params;
  const at = (message: string, key?: unknown): Violation => ({
    pointer: printable(
      key === undefined ? instancePath : `${instancePath}/${escapePointer(String(key))}`,
      MAX_POINTER,
    ),
    message,
  });
  const got = `got ${inWords(data)}`;
  switch (keyword) {
    case 'type':
      return at(`must be ${words(params.type)}, ${got}`);
    case 'required':
    case 'dependentRequired':
      return at('is required, but missing', params.missingProperty);
    case 'additionalProperties':
      return at('is not allowed here', params.additionalProperty);
    case 'unevaluatedProperties':
      return at('is not allowed here', params.unevaluatedProperty);
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return at(`must be ${String(params.comparison)} ${String(params.limit)}, ${got}`);
    case 'multipleOf':
      return at(`must be a multiple of ${String(params.multipleOf)}, ${got}`);
    case 'enum':
      return at(`must be one of ${list(params.allowedValues)}, ${got}`);
    case 'const':
      return at(`must be ${inWords(params.allowedValue)}, ${got}`);
    case 'pattern':
      if (typeof data === 'string' && data.length > MAX_PATTERN_TEXT) {
        return at(`must have at most ${MAX_PATTERN_TEXT} characters to be matched with a pattern`);
      }
      return isPatternBudgetSpent()
        ? at('is too much text to be matched with patterns in one message; send fewer readings with each')
        : at(`must match ${printable(String(params.pattern), 100)}, ${got}`);
    case 'format':
      return at(`must be ${FORMATS.get(String(params.format)) ?? String(params.format)}, ${got}`);
    case 'minLength':
    case 'maxLength':
      return at(`${error.message ?? keyword}, ${got}`);
    case 'anyOf':
    case 'oneOf':
      return at(
        `must match ${keyword === 'anyOf' ? 'one' : 'exactly one'} of the alternatives in the schema, ${got}`,
      );
    case 'false schema':
      return at('is not allowed here');
    default:
      return at(error.message ?? `must satisfy ${keyword}`);
  }
}

const FORMATS: ReadonlyMap<string, string> = new Map([
  ['int64', 'an integer of 64 bits as decimal digits'],
  ['double', 'a number as text, like "21.5"'],
  ['date-time', 'a time like 2026-03-01T12:00:00Z'],
]);

/** A value of the payload, short and harmless. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return `string "${printable(value, SHOWN_CHARACTERS)}"`;
  if (typeof value === 'number' || typeof value === 'boolean') return `${typeof value} ${String(value)}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value === null) return 'null';
  return value === undefined ? 'nothing' : 'an object';
}

function words(type: unknown): string {
  return Array.isArray(type) ? type.join(' or ') : String(type);
}

function list(values: unknown): string {
  if (!Array.isArray(values)) return String(values);
  const shown = values.slice(0, 8).map((value) => printable(JSON.stringify(value), SHOWN_CHARACTERS));
  return values.length > shown.length ? `${shown.join(', ')}, …` : shown.join(', ');
}
