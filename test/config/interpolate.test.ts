// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of a configuration
import { expect, test } from 'vitest';
import { interpolate } from '../../gateway/config/interpolate.ts';

const environment = { TOKEN: 's3cret', EMPTY: '', NESTED: '${TOKEN}' };

test('a variable is filled in, anywhere and any number of times', () => {
  expect(interpolate('a${TOKEN}b${TOKEN}', environment).text).toBe('as3cretbs3cret');
});

test('a default stands in where the variable is unset or empty', () => {
  expect(interpolate('${NOPE:-x y}', environment).text).toBe('x y');
  expect(interpolate('${EMPTY:-x}', environment).text).toBe('x');
  expect(interpolate('${NOPE:-}', environment)).toEqual({ text: '', missing: [], malformed: false });
});

test('without a default an unset one is named, and an empty one is empty', () => {
  expect(interpolate('${NOPE}${ALSO}', environment).missing).toEqual(['NOPE', 'ALSO']);
  expect(interpolate('${EMPTY}', environment)).toEqual({ text: '', missing: [], malformed: false });
});

test('a value is not looked into, so it cannot reach another variable', () => {
  expect(interpolate('${NESTED}', environment).text).toBe('${TOKEN}');
});

test('$${ is a plain ${, and what is neither is reported', () => {
  expect(interpolate('$${TOKEN}', environment)).toEqual({ text: '${TOKEN}', missing: [], malformed: false });
  for (const text of ['${', '${}', '${1A}', '${A-b}', '${A'])
    expect(interpolate(text, environment).malformed, text).toBe(true);
});

test('names of the language itself are no variables', () => {
  expect(interpolate('${constructor}', environment).missing).toEqual(['constructor']);
});
