import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decoded, formatOf, undecodable } from './decoded.ts';

const named = (options = {}) => ({ csv: { columns: ['a', 'b', 'c'], ...options } });

describe('csv', () => {
  it('makes numbers of numbers, null of nothing, and leaves texts alone', () => {
    expect(decoded(named(), '1,-2.5e3,+.5')).toEqual({ a: 1, b: -2500, c: 0.5 });
    expect(decoded(named(), ' , "7" ,nan\r\n')).toEqual({ a: null, b: '7', c: 'nan' });
    expect(decoded(named(), 'true,0x10,1e999')).toEqual({ a: true, b: '0x10', c: '1e999' });
    expect(decoded(named(), '9007199254740993,9007199254740991,1-2')).toEqual({
      a: '9007199254740993',
      b: 9007199254740991,
      c: '1-2',
    });
  });

  it('finds the delimiter, or takes the one it is told', () => {
    for (const text of ['1,2,3', '1;2;3', '1\t2\t3'])
      expect(decoded(named(), text)).toEqual({ a: 1, b: 2, c: 3 });
    expect(decoded(named(), '"x;y",2,3')).toEqual({ a: 'x;y', b: 2, c: 3 });
    expect(decoded(named({ delimiter: 'space' }), ' 1  2\t3 ')).toEqual({ a: 1, b: 2, c: 3 });
    expect(decoded(named({ delimiter: 'tab' }), '1\t\tx y')).toEqual({ a: 1, b: null, c: 'x y' });
    expect(decoded(named({ decimal: ',' }), '1,5;2;1.000,5')).toEqual({ a: 1.5, b: 2, c: '1.000,5' });
    expect(decoded({ csv: { columns: ['t'], decimal: ',' } }, '21,5')).toEqual({ t: 21.5 });
  });

  it('refuses a row that was cut, or glued to the next, with its place', () => {
    expect(() => decoded(named(), '1,2')).toThrow(undecodable(/2 values for 3 columns in the row at byte 0/));
    expect(() => decoded(named(), '1,2,3\n1,2,34,5,6\n')).toThrow(undecodable(/5 values .* at byte 6/));
    expect(() => decoded(named(), '1,2,"3')).toThrow(undecodable(/quote at byte 4 is not closed/));
    expect(() => decoded(named(), '1,"2"3,4')).toThrow(undecodable(/expected the delimiter at byte 5/));
    expect(() => decoded(named(), ' \n')).toThrow(undecodable(/blank/));
  });

  it('passes over one delimiter behind the last value, as sketches print it', () => {
    expect(decoded(named(), '1,2,3,')).toEqual({ a: 1, b: 2, c: 3 });
    expect(() => decoded(named(), '1,2,3,,')).toThrow(undecodable(/5 values/));
  });

  it('takes the names from a header line, and knows when it is missing', () => {
    expect(decoded('csv', '\n"a b";c\n1;2\n')).toEqual({ 'a b': 1, c: 2 });
    expect(() => decoded('csv', '21.5,40\n21.6,41')).toThrow(
      undecodable(/names a column 21.5: that is a value/),
    );
    expect(() => decoded('csv', 'a,b\n')).toThrow(undecodable(/at least one row/));
    expect(() => decoded('csv', 'a,a\n1,2')).toThrow(undecodable(/"a" twice/));
    expect(() => decoded('csv', 'a,,b\n1,2,3')).toThrow(undecodable(/without a usable name/));
  });

  it('gives each row of several as a payload of its own, with its header', () => {
    const format = formatOf('csv');
    const payload = Buffer.from('a,b\r\n1,"x\ny"\r\n\r\n2,z');
    expect(format.decode(payload)).toEqual([
      { a: 1, b: 'x\ny' },
      { a: 2, b: 'z' },
    ]);
    expect(format.elements(payload)?.map(String)).toEqual(['a,b\n1,"x\ny"', 'a,b\n2,z']);
    expect(format.elements(Buffer.from('a,b\n1,2'))).toBeNull();
  });

  it('gives each row as a payload of its own that says the same, whatever it looks like alone', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '1', '.', ',', ';', '\t', ' ', '"'), maxLength: 5 });
    const rows = fc.array(fc.array(cell, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 4 });
    const specs = fc.constantFrom(
      ...(['a', 'ab', 'abc'] as const).flatMap((names) =>
        (['.', ','] as const).map((decimal) => ({ csv: { columns: [...names], decimal } })),
      ),
    );
    let lists = 0;
    fc.assert(
      fc.property(rows, fc.constantFrom(',', ';', '\t'), specs, (table, delimiter, spec) => {
        const payload = Buffer.from(table.map((row) => row.join(delimiter)).join('\n'));
        const format = formatOf(spec);
        let list: unknown;
        try {
          list = format.decode(payload);
        } catch {
          return;
        }
        if (!Array.isArray(list)) return;
        lists += 1;
        expect(format.elements(payload)?.map((element) => format.decode(element))).toEqual(list);
      }),
      { numRuns: 3000 },
    );
    expect(lists).toBeGreaterThan(100);
  });

  it('gives any table back that was written by the rules', () => {
    const cell = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('"', ',', '\n', 'a,"b"\r\n'));
    const rows = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(rows, fc.constantFrom(',', ';', 'tab'), (table, delimiter) => {
        const written = table
          .map((row) =>
            row.map((text) => `"${text.replaceAll('"', '""')}"`).join(delimiter === 'tab' ? '\t' : delimiter),
          )
          .join('\r\n');
        const readings = table.map(([a, b, c]) => ({ a, b, c }));
        expect(decoded(named({ delimiter }), written)).toEqual(
          readings.length === 1 ? readings[0] : readings,
        );
      }),
    );
  });
});
