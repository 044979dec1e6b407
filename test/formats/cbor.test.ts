import { encode } from 'cbor2';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decoded, formatOf, undecodable } from './decoded.ts';

const cbor = (hex: string) => decoded('cbor', Buffer.from(hex, 'hex'));

describe('cbor', () => {
  // From RFC 8949, appendix A, and their meaning in JSON.
  it.each([
    ['00', 0],
    ['3863', -100],
    ['1bffffffffffffffff', '18446744073709551615'],
    ['3bffffffffffffffff', '-18446744073709551616'],
    ['c249010000000000000000', '18446744073709551616'],
    ['c349010000000000000000', '-18446744073709551617'],
    ['c24103', 3],
    ['f97e00', null],
    ['f97c00', null],
    ['f93e00', 1.5],
    ['fb3ff199999999999a', 1.1],
    ['f4', false],
    ['f6', null],
    ['f7', null],
    ['c074323031332d30332d32315432303a30343a30305a', '2013-03-21T20:04:00Z'],
    ['c11a514b67b0', 1363896240],
    ['c1fb41d452d9ec200000', 1363896240.5],
    ['d74401020304', '01020304'],
    ['d818456449455446', 'ZElFVEY'],
    ['d82076687474703a2f2f7777772e6578616d706c652e636f6d', 'http://www.example.com'],
    ['d82550f81d4fae7dec11d0a76500a0c91e6bf6', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'],
    ['c48221196ab3', 273.15],
    ['c5822003', 1.5],
    ['4401020304', 'AQIDBA'],
    ['62c3bc', 'ü'],
    ['8301820203820405', [1, [2, 3], [4, 5]]],
    ['a201020304', { 1: 2, 3: 4 }],
    ['a26161016162820203', { a: 1, b: [2, 3] }],
    ['5f42010243030405ff', 'AQIDBAU'],
    ['7f657374726561646d696e67ff', 'streaming'],
    ['9f018202039f0405ffff', [1, [2, 3], [4, 5]]],
    ['bf61610161629f0203ffff', { a: 1, b: [2, 3] }],
    ['bf6346756ef563416d7421ff', { Fun: true, Amt: -2 }],
    ['d9d9f78101', [1]],
  ])('makes plain values: %s', (hex, value) => {
    expect(cbor(hex)).toEqual(value);
  });

  it.each([
    ['', /the end, where a value is expected, at byte 0/],
    ['1a0102', /the end within a value of 4 bytes, at byte 0/],
    ['8201', /more elements than bytes \(2\), at byte 0/],
    ['820161', /a string of 1 bytes that reaches beyond the end, at byte 2/],
    ['9f01', /the end, where a value is expected, at byte 2/],
    ['9a00ffffff', /more elements than bytes \(16777215\), at byte 0/],
    ['bb7fffffffffffffff', /more elements than bytes/],
    ['820042ff', /a string of 2 bytes that reaches beyond the end, at byte 2/],
    ['62c328', /not UTF-8 at byte 0/],
    ['ff', /a break that ends nothing, at byte 0/],
    ['81ff', /a break that ends nothing, at byte 1/],
    ['bf6161ff', /a break that ends nothing, at byte 3/],
    ['9fc1ff', /a break that ends nothing, at byte 2/],
    ['5f6161ff', /something else than a part of the string that is open, at byte 1/],
    ['1c', /reserved code 28, at byte 0/],
    ['1f', /indefinite length where none can be/],
    ['e0', /simple value 0/],
    ['f8ff', /simple value/],
    ['0000', /1 bytes behind the end of the data item, at byte 1/],
    ['a1410001', /a key that is no text or whole number at byte 1/],
    ['a1c0616101', /a key that is no text or whole number at byte 1/],
    [`c25841${'ff'.repeat(65)}`, /a whole number of 65 bytes/],
    ['c401', /a fraction that is not/],
    ['81'.repeat(40), /nested deeper than 32 levels at byte 32/],
  ])('refuses what is not well-formed, or too much: %s', (hex, message) => {
    expect(() => cbor(hex)).toThrow(undecodable(message));
  });

  it('builds nothing of the sender’s choice: no dates, regular expressions, links, sets', () => {
    // Tags 21066 and 35 (regular expression), 32 (URL), 258 (set), 64 (typed array), 1 (date).
    expect(cbor('d9524a6161')).toBe('a');
    expect(cbor('d8236161')).toBe('a');
    expect(cbor('d9010281 01'.replace(' ', ''))).toEqual([1]);
    expect(cbor('d8404101')).toBe('AQ');
    expect(cbor('a16161c100')).toEqual({ a: 0 });
  });

  it('agrees with what an encoder writes of JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const json = JSON.parse(JSON.stringify(value));
        expect(decoded('cbor', encode(json))).toEqual(json);
      }),
    );
  });

  it('gives each element of a list as a payload of its own', () => {
    const list = [1, 'two', { three: [3] }, [], null, 2 ** 40];
    const format = formatOf('cbor');
    const elements = format.elements(Buffer.from(encode(list)));
    expect(elements?.map((element) => format.decode(element))).toEqual(list);
    expect(format.elements(Buffer.from('9fc10102ff', 'hex'))?.map((bytes) => bytes.toString('hex'))).toEqual([
      'c101',
      '02',
    ]);
    // A set (tag 258) is a list like any other.
    expect(format.decode(Buffer.from('d90102820102', 'hex'))).toEqual([1, 2]);
    expect(format.elements(Buffer.from('d90102820102', 'hex'))).toHaveLength(2);
    for (const hex of ['a0', 'c4822003', '6161']) expect(format.elements(Buffer.from(hex, 'hex'))).toBeNull();
  });
});
