import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hexDump } from '../../gateway/commands/hex-dump.ts';
import { markedJson } from '../../gateway/commands/json-view.ts';
import { lineDiff } from '../../gateway/commands/line-diff.ts';

test('a violation stands beside the value it is about; one about what is missing, beside what should hold it', () => {
  const payload = '{"a":1.0,"b":{},"c":[1,{"t":"21.5"},[]],"x/y":1e400}';
  const shown = markedJson(payload, [
    { pointer: '/c/1/t', message: 'must be number' },
    { pointer: '/c/1/u', message: 'is required, but missing' },
    { pointer: '/x~1y', message: 'is too large' },
    { pointer: '/nope', message: 'is required, but missing' },
  ]);
  expect(shown).toEqual([
    '{   <-- /nope is required, but missing',
    '  "a": 1.0,',
    '  "b": {},',
    '  "c": [',
    '    1,',
    '    {   <-- /c/1/u is required, but missing',
    '      "t": "21.5"   <-- must be number',
    '    },',
    '    []',
    '  ],',
    '  "x/y": 1e400   <-- is too large',
    '}',
  ]);
  expect(markedJson('21.5', [{ pointer: '', message: 'must be a text' }])).toEqual([
    '21.5   <-- must be a text',
  ]);
});

test('what is no JSON, or nested to hurt, is left to the hex dump', () => {
  expect(markedJson('{"a":', [])).toBeNull();
  expect(markedJson(`${'['.repeat(5000)}${']'.repeat(5000)}`, [])).toBeNull();
  expect(markedJson('', [])).toBeNull();
});

test('of a long document the beginning is shown, and what is around each mark', () => {
  const payload = JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ i })));
  const shown = markedJson(payload, [{ pointer: '/400/i', message: 'no' }]) ?? [];
  expect(shown.length).toBeLessThan(40);
  expect(shown.filter((line) => line.includes('<-- no'))).toEqual(['    "i": 400   <-- no']);
  expect(shown.filter((line) => line === '…')).toHaveLength(2);
});

test('any JSON is shown with its values as they came, and nothing that a terminal obeys', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      const shown = markedJson(text, [])?.join('\n') ?? '';
      if (!shown.includes('…') && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text))
        expect(JSON.parse(shown)).toEqual(JSON.parse(text));
      expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{C}]/u);
    }),
  );
});

test('bytes are shown with their places and their text, however many', () => {
  expect(hexDump(Buffer.from('{"a": "\u001b[31m"}'))).toEqual([
    '000000  7b 22 61 22 3a 20 22 1b 5b 33 31 6d 22 7d        {"a": ".[31m"}',
  ]);
  expect(hexDump(Buffer.alloc(0))).toEqual([]);
  expect(hexDump(Buffer.alloc(1_000_000)).length).toBeLessThan(200);
});

test('a change of a text is shown with the lines around it', () => {
  expect(lineDiff('a\nb\nc\nd\ne\nf\ng', 'a\nb\nc\nX\ne\nf\ng\nh')).toEqual([
    '  b',
    '  c',
    '- d',
    '+ X',
    '  e',
    '  f',
    '  g',
    '+ h',
  ]);
  expect(lineDiff('same', 'same')).toEqual([]);
});

test('a diff leads from one text to the other', () => {
  const texts = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 });
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      const lines = lineDiff(before.join('\n'), after.join('\n'));
      const count = (sign: string): number => lines.filter((line) => line.startsWith(sign)).length;
      expect(count('+') - count('-')).toBe(Math.max(1, after.length) - Math.max(1, before.length));
    }),
  );
});
