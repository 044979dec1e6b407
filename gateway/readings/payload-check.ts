import type { ErrorObject, ValidateFunction } from 'ajv';
import type { Violation } from '../contracts.ts';
import { isDecimalText } from './decimal-text.ts';
import type { LeafShape } from './field-shape.ts';
import { escapePointer } from './json-document.ts';
import { clearValue, valueAt } from './property-path.ts';
import { violationsOf } from './violation-words.ts';

const NONE: readonly Violation[] = Object.freeze([]);

/** Holds payloads against the compiled schema, after taking out what stands for "no value". */
export interface PayloadCheck {
  /** Empty when it is valid. Changes `reading`: values that mean "no value" become undefined. */
  check(reading: unknown): readonly Violation[];
  /** How many values the last check took out. */
  readonly cleared: number;
}

export function createPayloadCheck(validate: ValidateFunction, leaves: readonly LeafShape[]): PayloadCheck {
  const valid: (reading: unknown) => boolean = validate;
  const absent = leaves
    .filter(({ missing }) => missing.length > 0)
    .map((leaf) => ({
      path: leaf.path,
      pointer: leaf.path.map((name) => `/${escapePointer(name)}`).join(''),
      read: valueAt(leaf.path),
      isMissing: missingOf(leaf),
    }));
  let cleared: string[] = [];
  let nulls = 0;

  return {
    get cleared() {
      return cleared.length + nulls;
    },
    check(reading) {
      nulls = 0;
      if (absent.length > 0) {
        if (cleared.length > 0) cleared = [];
        for (const { path, pointer, read, isMissing } of absent) {
          const value = read(reading);
          if (value === undefined || !isMissing(value)) continue;
          clearValue(reading, path);
          cleared.push(pointer);
        }
      }
      if (valid(reading)) return NONE;
      // Only a payload that failed pays for looking: null means "no value" of any property that may be left out.
      nulls = clearNulls(reading, validate.errors ?? [], leaves);
      if (nulls > 0 && valid(reading)) return NONE;
      const errors = validate.errors ?? [];
      // A required property that says "no value" has been sent: it is not missing. What failed behind `if` tells it itself.
      const counted = errors.filter((error) => error.keyword !== 'if' && !isCleared(error));
      return counted.length === 0 ? NONE : violationsOf(counted);
    },
  };

  function isCleared({ keyword, instancePath, params }: ErrorObject): boolean {
    if (keyword !== 'required' && keyword !== 'dependentRequired') return false;
    const name: unknown = params.missingProperty;
    return typeof name === 'string' && cleared.includes(`${instancePath}/${escapePointer(name)}`);
  }
}

/**
 * Whether a value is one that is declared missing: the same, or where a number may come as text, a text of the same number
 * (`"-127.0"` for -127).
 */
function missingOf({ missing, int64, decimal }: LeafShape): (value: unknown) => boolean {
  const values = new Set(missing);
  const numbers = missing.filter((value) => typeof value === 'number');
  if (numbers.length === 0 || (!int64 && decimal === null)) return (value) => values.has(value);
  if (!int64) return (value) => values.has(value) || (isNumberText(value) && values.has(Number(value)));
  // Beyond what a double tells apart, digits are compared.
  const digits = new Set(numbers.filter(Number.isInteger).map((number) => BigInt(number).toString()));
  return (value) =>
    values.has(value) ||
    (isNumberText(value) &&
      (digits.has(value) || (Number.isSafeInteger(Number(value)) && values.has(Number(value)))));
}

function isNumberText(value: unknown): value is string {
  return typeof value === 'string' && isDecimalText(value);
}

/** Takes out the nulls that failed as values of a single-valued property. Returns how many. */
function clearNulls(reading: unknown, errors: readonly ErrorObject[], leaves: readonly LeafShape[]): number {
  const failed = new Set(
    errors.filter(({ keyword }) => keyword === 'type').map(({ instancePath }) => instancePath),
  );
  if (failed.size === 0) return 0;
  let count = 0;
  for (const { path } of leaves) {
    const pointer = path.map((name) => `/${escapePointer(name)}`).join('');
    if (!failed.has(pointer) || valueAt(path)(reading) !== null) continue;
    clearValue(reading, path);
    count += 1;
  }
  return count;
}
