import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { createJsonFormat, createScalarFormat } from '../../gateway/formats/json.ts';
import { DEFAULT_JSON_BOUNDS } from '../../gateway/formats/json-bounds.ts';
import { syntaxProblem } from '../../gateway/formats/json-syntax.ts';

const json = createJsonFormat();
const scalar = createScalarFormat();
const decode = (text: string): unknown => json.decode(Buffer.from(text));
const undecodable = (words: RegExp): unknown =>
  expect.objectContaining({ code: 'undecodable', message: expect.stringMatching(words) });

describe('the JSON format', () => {
  it('decodes whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value);
        expect(decode(text)).toEqual(JSON.parse(text));
        expect(syntaxProblem(text)).toBeNull();
      }),
    );
  });

  it('takes bare values and passes over a byte order mark', () => {
    expect(['21.5', 'true', '"x"', 'null', ' 1 '].map(decode)).toEqual([21.5, true, 'x', null, 1]);
    expect(decode('\ufeff{"a":1}')).toEqual({ a: 1 });
  });

  it.each([
    ['', /empty/],
    ['{"a":}', /at byte 5: expected a value, found "}"/],
    ['{"é":on}', /at byte 6: expected a value, found "on}"/],
    ['{"a":1', /at byte 6: expected , or }, found the end/],
    ['{"a" 1}', /at byte 5: expected :/],
    ['{a:1}', /at byte 1: expected a property name in double quotes/],
    ['[1,]', /at byte 3: expected a value/],
    ['1 2', /at byte 2: expected the end/],
    ['{"a":"x\ny"}', /at byte 5: expected a string/],
    ['nan', /at byte 0: expected a value, found "nan"/],
    ['01', /at byte 0/],
    ['{"a":1}\u001b[2J', /found "\\x1b\[2J"/],
  ])('refuses %j, and says where and what to send', (text, words) => {
    expect(() => decode(text)).toThrow(undecodable(words));
    expect(() => decode(text)).toThrow(undecodable(/send one JSON document/));
  });

  it('finds a place for every text that JSON.parse refuses, and none for those it takes', () => {
    const text = fc.oneof(
      fc
        .array(fc.constantFrom(...'{}[]:,"\\1-.e ax\n', 'true', 'null', '"k":'))
        .map((parts) => parts.join('')),
      fc.json().map((good) => good.slice(0, -1)),
    );
    fc.assert(
      fc.property(text, (sample) => {
        let good = true;
        try {
          JSON.parse(sample);
        } catch {
          good = false;
        }
        expect(syntaxProblem(sample) === null).toBe(good);
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses what is not UTF-8 at its byte', () => {
    expect(() => json.decode(Buffer.from([0x22, 0xc3, 0xa9, 0xff, 0x22]))).toThrow(undecodable(/at byte 3/));
    expect(() => json.decode(Buffer.from([0x22, 0xe2, 0x82]))).toThrow(undecodable(/at byte 1/));
    expect(() => json.decode(Buffer.from([0xc0, 0x80]))).toThrow(undecodable(/at byte 0/));
  });

  it('answers any bytes with a value or `undecodable`', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const format of [json, scalar]) {
          try {
            format.decode(Buffer.from(bytes));
          } catch (error) {
            expect(isGatewayError(error, 'undecodable')).toBe(true);
          }
        }
      }),
    );
  });

  it('makes __proto__ an ordinary key', () => {
    const value = decode('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    expect(Object.keys(value ?? {})).toEqual(['__proto__', 'constructor']);
    expect('polluted' in {}).toBe(false);
  });
});

describe('the bounds of a payload', () => {
  const { maxDepth, maxKeys, maxElements } = DEFAULT_JSON_BOUNDS;
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  const object = (keys: number): string =>
    `{${Array.from({ length: keys }, (_, i) => `"k${i}":${i}`).join(',')}}`;

  it('are held in depth, members and elements, exactly', () => {
    expect(decode(nested(maxDepth))).toBeDefined();
    expect(() => decode(nested(maxDepth + 1))).toThrow(undecodable(/deeper than 32 levels at byte 32/));
    expect(decode(object(maxKeys))).toBeDefined();
    expect(() => decode(object(maxKeys + 1))).toThrow(undecodable(/more than 1000 members/));
    const elements = (n: number): string => JSON.stringify(Array.from({ length: n }, () => 0));
    expect(decode(elements(maxElements + 1))).toHaveLength(maxElements + 1);
    expect(() => decode(elements(maxElements + 2))).toThrow(undecodable(/more than 20000 values/));
  });

  it('count members per object, so that an array of many readings passes', () => {
    expect(decode(`[${Array.from({ length: 900 }, () => object(5)).join(',')}]`)).toHaveLength(900);
  });

  it('are not fooled by brackets, commas and escaped quotes within strings', () => {
    const text = JSON.stringify({ a: `${'['.repeat(100)}",:{\\`, b: '\\' });
    expect(decode(text)).toEqual(JSON.parse(text));
  });

  it('answer a 100,000-deep payload and 10 MB of brackets within 100 ms', () => {
    for (const text of [nested(100_000), `{"a":${'['.repeat(10_000_000)}`, '{"a":'.repeat(100_000)]) {
      const payload = Buffer.from(text);
      const startedMs = performance.now();
      expect(() => json.decode(payload)).toThrow(undecodable(/deeper/));
      expect(performance.now() - startedMs).toBeLessThan(100);
    }
  });
});

describe('the scalar format of {field} topics', () => {
  const bare = (text: string): unknown => scalar.decode(Buffer.from(text));

  it('takes JSON as JSON and a bare word as a string', () => {
    expect([' 21.5\n', 'true', '"on"', 'on', 'nan', ' OK ', '21.5 °C'].map(bare)).toEqual([
      21.5,
      true,
      'on',
      'on',
      'nan',
      'OK',
      '21.5 °C',
    ]);
  });

  it('does not take broken or endless JSON for a word', () => {
    for (const text of ['{"a":1', '[1', '"on']) expect(() => bare(text)).toThrow(undecodable(/not JSON/));
    expect(() => bare('x'.repeat(300))).toThrow(undecodable(/not JSON/));
    expect(() => bare(' ')).toThrow(undecodable(/blank/));
    expect(() => bare(` ${'['.repeat(100_000)}`)).toThrow(undecodable(/deeper/));
  });
});

describe('the elements of a list', () => {
  it('are the very bytes that were sent, whatever they hold', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), (list) => {
        const texts = list.map((value) => ` ${JSON.stringify(value, null, 1)}\n`);
        const payload = Buffer.from(`[${texts.join(',')}]`);
        const elements = json.elements(payload)?.map(String);
        expect(elements).toEqual(list.length === 0 ? [''] : texts);
      }),
    );
  });

  it('are none where the document is no list', () => {
    expect(scalar.elements(Buffer.from('on [1,2]'))).toBeNull();
    expect(scalar.elements(Buffer.from('[1,"x"]'))?.map(String)).toEqual(['1', '"x"']);
    expect(['{"a":[1,2]}', '"[1,2]"', '1', 'true'].map((text) => json.elements(Buffer.from(text)))).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  it('are found behind a byte order mark and white space', () => {
    expect(json.elements(Buffer.from('\ufeff \n[1,"],["]'))?.map(String)).toEqual(['1', '"],["']);
  });
});
