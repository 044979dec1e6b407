import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { decodeLine, decodeLines } from '../../gateway/line-protocol/decode.ts';
import {
  compareBytes,
  encodeLine,
  fieldKeyToken,
  floatToken,
  integerToken,
  type LinePoint,
  measurementToken,
  stringToken,
  tagKeyToken,
  tagValueToken,
} from '../../gateway/line-protocol/encode.ts';
import { hostileText, point } from './points.ts';

const sorted = (p: LinePoint): LinePoint => ({
  ...p,
  tags: [...p.tags].sort(([a], [b]) => compareBytes(a, b)),
});

describe('line protocol', () => {
  it('reads back exactly what it wrote, whatever the names and values', () => {
    fc.assert(
      fc.property(point, (p) => {
        expect(decodeLine(Buffer.from(encodeLine(p)))).toEqual(sorted(p));
      }),
      { numRuns: 2000 },
    );
  });

  it('reads a batch back in order', () => {
    fc.assert(
      fc.property(fc.array(point, { maxLength: 8 }), (points) => {
        const read: LinePoint[] = [];
        decodeLines(Buffer.from(points.map(encodeLine).join('')), (p, index) => {
          expect(index).toBe(read.length);
          read.push(p);
        });
        expect(read).toEqual(points.map(sorted));
      }),
    );
  });

  it('writes one line per point: a line break never comes through', () => {
    fc.assert(
      fc.property(hostileText, hostileText, hostileText, hostileText, (measurement, key, value, text) => {
        const p: LinePoint = {
          measurement,
          tags: [[key, value]],
          fields: [[key, { type: 'string', value: text }]],
          timestampNs: '1',
        };
        let line: string;
        try {
          line = encodeLine(p);
        } catch (error) {
          expect(isGatewayError(error, 'line-protocol')).toBe(true);
          return;
        }
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(decodeLine(line)).toEqual(p);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [
      'measurement',
      measurementToken,
      ['', '#x', 'm\\', 'm\\,x', 'm\\ x', 'm\\\\x', 'a\nb', 'a\0b', '\ud800'],
    ],
    ['tag key', tagKeyToken, ['', 'k\\', 'k\\=x', 'a\nb', 'a\tb', '\udfff']],
    ['tag value', tagValueToken, ['', 'C:\\', 'a\\,b', 'a\\\\b', 'a\nb', 'a\rb', 'a\u0085b', 'x\ud83d']],
    ['field key', fieldKeyToken, ['', 'f\\', 'f\\ g', 'a\nb']],
  ])('refuses a %s that a server would misread', (_, token, texts) => {
    for (const text of texts) expect(() => token(text), JSON.stringify(text)).toThrow(/must/);
  });

  it('keeps in names and tags what only looks dangerous', () => {
    expect(tagValueToken('a\\b')).toBe('a\\b');
    expect(tagValueToken('#1 "x"')).toBe('#1\\ "x"');
    expect(tagKeyToken('a,b=c d')).toBe('a\\,b\\=c\\ d');
    expect(tagKeyToken('__proto__')).toBe('__proto__');
    expect(measurementToken('a=b, c#')).toBe('a=b\\,\\ c#');
  });

  it('keeps strings exact, control characters too, but for a line break and half a character', () => {
    expect(stringToken('say "a\\b"\r\0')).toBe('"say \\"a\\\\b\\"\r\0"');
    expect(stringToken('🎉')).toBe('"🎉"');
    expect(() => stringToken('a\nb')).toThrow(/line break/);
    expect(() => stringToken('a\ud800')).toThrow(/well-formed/);
  });

  it('stores 64 bits of integer exactly and refuses more', () => {
    expect(integerToken('9223372036854775807')).toBe('9223372036854775807i');
    expect(integerToken('-9223372036854775808')).toBe('-9223372036854775808i');
    expect(integerToken(2 ** 53 - 1)).toBe('9007199254740991i');
    for (const bad of ['9223372036854775808', '-9223372036854775809', '1.5', '007', '', '+1', '-0', '1e3']) {
      expect(() => integerToken(bad), bad).toThrow(/64 bits/);
    }
    for (const bad of [2 ** 53, 1.5, Number.NaN]) expect(() => integerToken(bad)).toThrow(/integer/);
  });

  it('refuses floats that are no number', () => {
    for (const bad of [Number.NaN, Infinity, -Infinity]) expect(() => floatToken(bad)).toThrow(/finite/);
  });
});

describe('the decoder', () => {
  it.each([
    ['', 1],
    ['#x f=1', 1],
    ['m', 2],
    ['m f', 4],
    ['m f=', 5],
    ['m f=1,', 7],
    ['m,t= f=1', 5],
    ['m,=a f=1', 3],
    ['m,t=a,t=b f=1', 7],
    ['m,t=a=b f=1', 6],
    ['m,t=a\\ f=1', 9],
    ['m,t=a\\\\ f=1', 6],
    ['m f=NaN', 5],
    ['m f=1e400', 5],
    ['m f=01', 5],
    ['m f=1.', 5],
    ['m f=9223372036854775808i', 5],
    ['m f=1u', 5],
    ['m f=yes', 5],
    ['m f="a', 5],
    ['m f="a\\n"', 7],
    ['m f="a"b', 8],
    ['m f=1 1.5', 8],
    ['m f=1 9223372036854775808', 7],
    ['m f=1 1 ', 8],
    ['m  f=1 1', 3],
    ['m f=1 1\nn', 1],
  ])('refuses %j at character %i', (line, at) => {
    expect(() => decodeLine(line)).toThrow(
      expect.objectContaining({ code: 'line-protocol', message: expect.stringMatching(`character ${at}:`) }),
    );
  });

  it('says which line of a batch is bad, and hands over those before it', () => {
    const seen: string[] = [];
    expect(() => decodeLines('a f=1 1\nb f=2 2\nc f= 3\n', (p) => seen.push(p.measurement))).toThrow(
      /line 3, character 5/,
    );
    expect(seen).toEqual(['a', 'b']);
  });

  it('answers any bytes with a point or a coded error', () => {
    fc.assert(
      fc.property(fc.oneof(hostileText, fc.string()), (text) => {
        try {
          decodeLine(text);
        } catch (error) {
          expect(isGatewayError(error, 'line-protocol')).toBe(true);
        }
      }),
    );
  });
});
