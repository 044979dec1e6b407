import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalSpec } from '../../gateway/canonical-spec.ts';
import { isGatewayError } from '../../gateway/errors.ts';
import { createFormats, FORMAT_NAMES, formatProblem } from '../../gateway/formats/formats.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { decoded, formatOf } from './decoded.ts';

const field = { name: 'a', offset: 0, type: 'u8' };

const GOOD: readonly unknown[] = [
  'json',
  'scalar',
  'csv',
  { csv: {} },
  { csv: { columns: ['a', null, 'b'], delimiter: ';', decimal: ',' } },
  { csv: { columns: 'header', delimiter: 'tab' } },
  { csv: { columns: ['__proto__', 'constructor'] } },
  'key-value',
  'plotter',
  { regex: { pattern: '(?<a>\\d+)(?:,(?<b>.+))?' } },
  'nmea',
  { binary: { fields: [field] } },
  {
    binary: {
      endian: 'big',
      fields: [
        { name: 'wide', offset: 0, type: 'i64' },
        { name: 'scaled', offset: 0, type: 'u64', scale: 0.001, add: -1, unit: 'V' },
        { name: 'float', offset: 1, type: 'f32', endian: 'little' },
        { name: 'double', offset: 0, type: 'f64' },
        { name: 'bits', offset: 0, type: 'i24', bits: { from: 3, count: 4 } },
        { name: 'text', offset: 2, type: 'text', length: 6 },
      ],
    },
  },
  'pms5003',
  'sds011',
  'cbor',
];

/** The JSON Schema and the code both refuse these. */
const BAD: readonly unknown[] = [
  '',
  'xml',
  'regex',
  'binary',
  42,
  null,
  [],
  {},
  { csv: {}, json: {} },
  { json: { strict: true } },
  { csv: 1 },
  { csv: { columns: [] } },
  { csv: { columns: [''] } },
  { csv: { columns: 'a,b' } },
  { csv: { delimiter: '|' } },
  { csv: { seperator: ';' } },
  { regex: {} },
  { regex: { pattern: '' } },
  { binary: { fields: [] } },
  { binary: { fields: [{ name: 'a', offset: 0 }] } },
  { binary: { fields: [{ ...field, offset: -1 }] } },
  { binary: { fields: [{ ...field, type: 'u128' }] } },
  { binary: { fields: [{ ...field, bits: { from: 32 } }] } },
  { binary: { fields: [{ ...field, offset: 0.5 }] } },
];

/** Only the code can tell. */
const SENSELESS: readonly unknown[] = [
  { csv: { columns: ['a', 'a'] } },
  { csv: { columns: [null] } },
  { csv: { decimal: ',', delimiter: ',' } },
  { regex: { pattern: '(\\d+)' } },
  { regex: { pattern: '(?<a>.)(' } },
  { regex: { pattern: '(?<a>.)(?=b)' } },
  { regex: { pattern: '(?<a>(?:[a-z]{20}){40})' } },
  { binary: { fields: [field, field] } },
  { binary: { fields: [field], length: 1, endian: 'middle' } },
  { binary: { fields: [{ ...field, offset: 4 }], length: 4 } },
  { binary: { fields: [{ ...field, type: 'f32', bits: { from: 0 } }] } },
  { binary: { fields: [{ ...field, bits: { from: 8 } }] } },
  { binary: { fields: [{ ...field, type: 'text' }] } },
  { binary: { fields: [{ ...field, type: 'text', length: 2, scale: 2 }] } },
];

describe('format specs', () => {
  it.each(GOOD)('make a format: %j', (spec) => {
    expect(formatProblem(canonicalSpec(spec))).toBeNull();
  });

  it.each([...BAD, ...SENSELESS])('that make no sense are refused in words: %j', (spec) => {
    const text = canonicalSpec(spec);
    expect(formatProblem(text)).toMatch(/\w+ \w+/);
    expect(createFormats().get(text)).toBeNull();
  });

  it('are described by a JSON Schema that agrees', () => {
    const ajv = new Ajv2020({ strictTypes: false, allowUnionTypes: true });
    const file = join(PACKAGE_ROOT, 'schemas/format.schema.json');
    const isFormat = ajv.compile(JSON.parse(readFileSync(file, 'utf8')));
    expect(GOOD.filter((spec) => !isFormat(spec))).toEqual([]);
    expect(BAD.filter((spec) => isFormat(spec))).toEqual([]);
    for (const name of FORMAT_NAMES) expect(isFormat(name)).toBe(formatProblem(name) === null);
  });

  it('have one canonical text, whatever the order and the way they were written', () => {
    expect(canonicalSpec({ csv: { delimiter: ';', columns: ['a'] } })).toBe(
      '{"csv":{"columns":["a"],"delimiter":";"}}',
    );
    expect(canonicalSpec('{ "csv": { "delimiter": ";", "columns": ["a"] } }')).toBe(
      '{"csv":{"columns":["a"],"delimiter":";"}}',
    );
    expect(canonicalSpec({ csv: {} })).toBe('csv');
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.jsonValue(), fc.anything()), (value) => {
        const text = canonicalSpec(value);
        expect(canonicalSpec(text)).toBe(text);
        formatProblem(text);
      }),
    );
  });

  it('are looked up once: the same object for the same spec', () => {
    const formats = createFormats();
    const spec = canonicalSpec({ csv: { columns: ['a'] } });
    expect(formats.get(spec)).toBe(formats.get(spec));
    expect(formats.get('{"csv": {"columns": ["a"]}}')).toBe(formats.get(spec));
    expect(formats.get('csv')).toBe(formats.get('{"csv":{}}'));
    for (let i = 0; i < 1000; i += 1) expect(formats.get(`none${i}`)).toBeNull();
    expect(formats.get(spec)?.name).toBe('csv');
  });

  it('take the bounds of the configuration', () => {
    const formats = createFormats({ maxKeys: 2, maxDepth: 2, maxElements: 4 });
    const decode = (spec: string, payload: string | Buffer) => () =>
      formats.get(spec)?.decode(Buffer.from(payload));
    expect(decode('key-value', 'a=1 b=2')).not.toThrow();
    for (const tooMuch of [
      decode('key-value', 'a=1 b=2 c=3'),
      decode('plotter', 'a:1 b:2 c:3'),
      decode('csv', 'a,b,c\n1,2,3'),
      decode('csv', 'a\n1\n2\n3\n4'),
      decode('cbor', Buffer.from('a3616101616202616303', 'hex')),
      decode('cbor', Buffer.from('81818101', 'hex')),
      decode('cbor', Buffer.from('c1c1c101', 'hex')),
      decode('cbor', Buffer.from('89010101010101010101', 'hex')),
    ])
      expect(tooMuch).toThrow(/at byte \d+; send/);
  });
});

describe('every format', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array)),
    fc.string({ maxLength: 64, unit: 'grapheme' }).map((text) => Buffer.from(text)),
    fc
      .array(
        fc.constantFrom('a', 'T', '=', ':', ',', ';', '\t', ' ', '\n', '"', '21.5', '-3', '$GPGLL', '*'),
        {
          maxLength: 30,
        },
      )
      .map((parts) => Buffer.from(parts.join(''))),
    // CBOR of all kinds, whole and cut.
    fc
      .array(
        fc.constantFrom(
          0x00,
          0x18,
          0x20,
          0x41,
          0x61,
          0x5f,
          0x7f,
          0x81,
          0x9f,
          0xa1,
          0xbf,
          0xc2,
          0xc4,
          0xf6,
          0xf9,
          0xfb,
          0xff,
          0x3b,
        ),
        { maxLength: 30 },
      )
      .map((parts) => Buffer.from(parts)),
  );

  it.each(GOOD)(
    'answers any bytes with plain values, or with `undecodable`, a place and a remedy: %j',
    (spec) => {
      const format = formatOf(spec);
      fc.assert(
        fc.property(bytes, (payload) => {
          let value: unknown;
          try {
            value = format.decode(payload);
          } catch (error) {
            expect(isGatewayError(error, 'undecodable')).toBe(true);
            expect(String(error)).toMatch(/(?:byte \d+|empty|blank).*; \w/);
            return;
          }
          // What JSON would carry is all there is.
          // (toEqual stumbles over a key called __proto__.)
          expect(isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value), JSON.stringify(value)).toBe(
            true,
          );
          const elements = format.elements(payload);
          if (elements === null) return;
          expect(
            isDeepStrictEqual(
              elements.map((element) => format.decode(element)),
              value,
            ),
          ).toBe(true);
        }),
        { numRuns: 300 },
      );
    },
  );

  it('makes __proto__ an ordinary key', () => {
    const payloads: readonly (readonly [unknown, string | Buffer])[] = [
      ['csv', '__proto__,constructor\n1,2\n'],
      ['key-value', '__proto__=1 constructor=2'],
      ['plotter', '__proto__:1 constructor:2'],
      ['cbor', Buffer.from('a2695f5f70726f746f5f5f016b636f6e7374727563746f7202', 'hex')],
    ];
    for (const [spec, payload] of payloads) {
      const value = formatOf(spec).decode(Buffer.from(payload));
      expect(Object.entries(value ?? {})).toEqual([
        ['__proto__', 1],
        ['constructor', 2],
      ]);
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
  });
});

describe('a name that comes twice in a payload', () => {
  it.each([
    ['json', '{"a":1,"b":3,"a":2}'],
    ['key-value', 'a=1 b=3 a=2'],
    ['plotter', 'a:1,b:3,a:2'],
    ['cbor', Buffer.from('a3616101616203616102', 'hex')],
  ])('has the last value in %s', (format, payload) => {
    expect(decoded(format, payload)).toEqual({ a: 2, b: 3 });
  });
});
