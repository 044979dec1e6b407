/** Arbitrary points, from the ordinary to the hostile, for property tests. */
import fc from 'fast-check';
import {
  type FieldValue,
  type LinePoint,
  measurementProblem,
  nameProblem,
  stringProblem,
} from '../../gateway/line-protocol/encode.ts';

const NASTY = [
  '\\',
  ',',
  '=',
  ' ',
  '"',
  '#',
  '\n',
  '\r',
  '\t',
  '\0',
  '__proto__',
  'é',
  '🎉',
  '\ud800',
  '\u2028',
  '\ufeff',
  'i',
  '1',
  't',
];

/** Text made to hurt: separators, escapes, control characters, halves of characters. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.array(fc.constantFrom(...NASTY, 'a', 'b'), { maxLength: 8 }).map((parts) => parts.join('')),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'time', ''),
);

export const measurement = hostileText.filter((text) => measurementProblem(text) === null);
export const name = hostileText.filter((text) => nameProblem(text) === null);
export const text = hostileText.filter((value) => stringProblem(value) === null);

export const field: fc.Arbitrary<FieldValue> = fc.oneof(
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((value) => ({ type: 'float' as const, value: value + 0 })),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value) => ({ type: 'integer' as const, value: String(value) })),
  text.map((value) => ({ type: 'string' as const, value })),
  fc.boolean().map((value) => ({ type: 'boolean' as const, value })),
);

export const point: fc.Arbitrary<LinePoint> = fc.record({
  measurement,
  tags: fc.uniqueArray(fc.tuple(name, name), { maxLength: 4, selector: ([key]) => key }),
  fields: fc.uniqueArray(fc.tuple(name, field), { minLength: 1, maxLength: 5, selector: ([key]) => key }),
  timestampNs: fc.option(fc.bigInt({ min: -(2n ** 63n) + 2n, max: 2n ** 63n - 2n }).map(String)),
});
