import fc from 'fast-check';
import { expect, test } from 'vitest';
import { numberGrid } from '../../../device-sim/model/number-grid.ts';
import { patternText } from '../../../device-sim/model/pattern-text.ts';
import { padded } from '../../../device-sim/model/payload-edit.ts';
import { mixedRandom, mixedSeed } from '../../../device-sim/model/seeds.ts';
import { bestPattern, capturesOf } from '../../../device-sim/model/topic-captures.ts';
import { valueRules } from '../../../device-sim/model/value-rules.ts';
import { wave } from '../../../device-sim/model/world.ts';

const PATTERNS = [
  '^[A-Z]{2}\\d{6}$',
  '^(ok|err-[0-9a-f]{2,4}) \\w+$',
  '^v\\d+(?:\\.\\d+){1,3}(-rc\\d)?$',
  '^[^a-z\\d]{3,}$',
  '^(?<site>[a-z]+)/\\S+$',
  'a|b+|c{0,2}d',
  '^\\[[+-]?\\d{1,3}\\]$',
  '',
];

test('a text made from a pattern matches it', () => {
  fc.assert(
    fc.property(fc.constantFrom(...PATTERNS), fc.nat(), (pattern, seed) => {
      expect(patternText(pattern, mixedRandom(seed))).toMatch(new RegExp(pattern, 'u'));
    }),
  );
});

test.each(['^(?=a)b', '(a)\\1', '\\p{L}', 'a**'])(
  'a pattern that is not known here gives none: %s',
  (pattern) => {
    expect(patternText(pattern, mixedRandom(1))).toBe(null);
  },
);

test('numbers stay within their limits, on their steps', () => {
  const limits = fc.record({
    minimum: fc.option(fc.integer({ min: -1000, max: 0 }), { nil: undefined }),
    exclusiveMaximum: fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
    multipleOf: fc.constantFrom(undefined, 0.1, 0.25, 1),
  });
  fc.assert(
    fc.property(
      limits,
      fc.boolean(),
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      (schema, isInteger, wanted) => {
        const grid = numberGrid(valueRules({}, [schema], { choose: () => 0 }), isInteger, 2);
        const value = grid?.snap(wanted) ?? Number.NaN;
        expect(value).toBeGreaterThanOrEqual(schema.minimum ?? -Infinity);
        expect(value).toBeLessThan(schema.exclusiveMaximum ?? Infinity);
        if (isInteger) expect(Number.isInteger(value)).toBe(true);
        if (schema.multipleOf !== undefined) expect(Number.isInteger(value / schema.multipleOf)).toBe(true);
      },
    ),
  );
  expect(numberGrid(valueRules({}, [{ minimum: 2, maximum: 1 }], { choose: () => 0 }), false, 2)).toBe(null);
});

test('a payload is padded to the byte, and stays JSON', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.integer()),
      fc.integer({ min: 0, max: 5000 }),
      (value, bytes) => {
        const json = JSON.stringify(value);
        const text = padded(json, 'p', bytes);
        if (text === json) expect(bytes).toBeLessThan(Buffer.byteLength(json) + 20);
        else expect(Buffer.byteLength(text)).toBe(bytes);
      },
    ),
  );
});

test('seeds that differ in one part differ', () => {
  const seeds = new Set<number>();
  for (let a = 0; a < 40; a += 1) for (let b = 0; b < 40; b += 1) seeds.add(mixedSeed(a, b));
  expect(seeds.size).toBe(1600);
  expect(mixedSeed(2 ** 40)).not.toBe(mixedSeed(2 ** 41));
});

test('the day goes up and down once', () => {
  expect([0, 0.25, 0.5, 0.75, 1].map((phase) => wave(phase) + 0)).toEqual([0, 1, 0, -1, 0]);
});

test('the most specific pattern claims a topic, from the left', () => {
  const patterns = ['a/{rest+}', 'a/{x}/c', 'a/b/{y}'];
  expect(bestPattern(patterns, 'a/b/c')).toBe('a/b/{y}');
  expect(bestPattern(patterns, 'a/x/c')).toBe('a/{x}/c');
  expect(bestPattern(patterns, 'a/x/y/z')).toBe('a/{rest+}');
  expect(bestPattern(patterns, 'b')).toBe(null);
  expect([...(capturesOf('a/{rest+}', 'a/x/y') ?? [])]).toEqual([['rest', 'x/y']]);
});
