/**
 * `pattern` and `patternProperties`, matched in a time that grows with the text and not with its tricks: a regular
 * expression that backtracks can hang the process on thirty characters. RE2's syntax and engine (re2js): no look-around
 * and no back references.
 */
import { RE2JS } from 're2js';
import { messageOf } from '../errors.ts';

/** A longer text is not searched at all, and does not match. */
export const MAX_PATTERN_TEXT = 2048;
const MAX_PATTERN_LENGTH = 512;
/** Of the compiled program: the price of one character. */
const MAX_PROGRAM = 512;
/** Characters times program, for one message: its worst case takes less than 100 ms. */
const STEPS_PER_MESSAGE = 500_000;

let stepsLeft = STEPS_PER_MESSAGE;

/** To be called before a message is held against schemas: what it may cost begins anew. */
export function renewPatternBudget(): void {
  stepsLeft = STEPS_PER_MESSAGE;
}

/** The message has more text for patterns than it may have: what was asked since then did not match. */
export function isPatternBudgetSpent(): boolean {
  return stepsLeft < 0;
}

export interface Pattern {
  test(text: string): boolean;
}

/** The pattern, or in words why it cannot be used. */
export function safePattern(source: string): Pattern | string {
  if (source.length > MAX_PATTERN_LENGTH) return `is longer than ${MAX_PATTERN_LENGTH} characters`;
  let compiled: RE2JS;
  try {
    // First as JSON Schema means it, so that nothing is taken here that an editor would refuse.
    new RegExp(source, 'u');
    compiled = RE2JS.compile(RE2JS.translateRegExp(source));
  } catch (error) {
    return `cannot be used: ${messageOf(error)} (patterns are RE2: no look-around, no back references)`;
  }
  const size = compiled.programSize();
  if (size > MAX_PROGRAM) return 'is too large: use fewer or smaller repetitions';
  return {
    test(text) {
      if (text.length > MAX_PATTERN_TEXT) return false;
      stepsLeft -= text.length * size;
      return stepsLeft >= 0 && compiled.test(text);
    },
  };
}
