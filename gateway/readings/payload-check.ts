import type { ErrorObject, ValidateFunction } from 'ajv';
import type { Violation } from '../contracts.ts';
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
    .map(({ path, missing }) => ({
      path,
      pointer: path.map((name) => `/${escapePointer(name)}`).join(''),
      read: valueAt(path),
      values: new Set(missing),
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
        for (const { path, pointer, read, values } of absent) {
          const value = read(reading);
          if (value === undefined || !values.has(value)) continue;
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
