import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readingJson } from '../../gateway/ingest/reading-json.ts';
import { encodeLine } from '../../gateway/line-protocol/encode.ts';

function jsonOf(line: string): unknown {
  return JSON.parse(readingJson({ device: 'd1', schema: 'm.v1', line }).toString());
}

describe('a reading as JSON', () => {
  it('says everything that is stored, with its time to the nanosecond', () => {
    const line = 'm,device=d1,site=a\\ b t=21.5,n=3i,ok=true,text="say \\"x\\"" 1772366400000000042\n';
    expect(jsonOf(line)).toEqual({
      device: 'd1',
      measurement: 'm',
      schema: 'm.v1',
      time: '2026-03-01T12:00:00.000000042Z',
      time_ns: '1772366400000000042',
      tags: { device: 'd1', site: 'a b' },
      fields: { t: 21.5, n: 3, ok: true, text: 'say "x"' },
    });
  });

  it('keeps integers exactly that a JSON number would not', () => {
    expect(jsonOf('m n=9007199254740991i,big=9007199254740993i,low=-9223372036854775808i 1')).toMatchObject({
      fields: { n: 9007199254740991, big: '9007199254740993', low: '-9223372036854775808' },
    });
  });

  it('has no time where the gateway has none to tell yet', () => {
    expect(jsonOf('m t=1 12345000000042')).toMatchObject({ time: null, time_ns: null });
    expect(jsonOf('m t=1 157766400000000000')).toMatchObject({ time: '1975-01-01T00:00:00.000000000Z' });
  });

  it('property: of any line that is written, the JSON is whole and holds each name and value', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
      .filter((text) => /^[^\p{C}\\#"]+$/u.test(text));
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((v) => ({ type: 'float', value: v }) as const),
      fc.string().map((v) => ({ type: 'string', value: v.replaceAll('\n', ' ') }) as const),
      fc.maxSafeInteger().map((v) => ({ type: 'integer', value: String(v) }) as const),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, name), { maxLength: 4, selector: ([key]) => key }),
        fc.uniqueArray(fc.tuple(name, value), { minLength: 1, maxLength: 4, selector: ([key]) => key }),
        (tags, fields) => {
          const line = encodeLine({ measurement: 'm', tags, fields, timestampNs: '1772366400000000042' });
          // A reviver sees own properties only, so a name such as __proto__ has to be one.
          expect(jsonOf(`${line}`)).toMatchObject({ device: 'd1' });
          const text = readingJson({ device: 'd1', schema: 'm.v1', line }).toString();
          for (const [key, tag] of tags)
            expect(text).toContain(`${JSON.stringify(key)}:${JSON.stringify(tag)}`);
          for (const [key] of fields) expect(text).toContain(`${JSON.stringify(key)}:`);
        },
      ),
    );
  });
});
