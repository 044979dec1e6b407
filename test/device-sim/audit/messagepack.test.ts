import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IncompleteError, type Packed, unpack } from '../../../device-sim/audit/messagepack.ts';
import { pack } from './pack.ts';

const leaf: fc.Arbitrary<Packed> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.integer({ min: -40, max: 70_000 }).map(BigInt),
  fc.double({ noNaN: true }),
  fc.string({ unit: 'binary', maxLength: 300 }),
);
const { value } = fc.letrec<{ value: Packed }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc
      .array(fc.tuple(fc.string({ maxLength: 40 }), tie('value')), { maxLength: 20 })
      .map((all) => new Map(all)),
  ),
}));

describe('MessagePack', () => {
  it('gives back what was packed, integers and floats apart, to the last digit', () => {
    fc.assert(
      fc.property(value, fc.nat(5), (given, before) => {
        const bytes = Buffer.concat([Buffer.alloc(before), pack(given), Buffer.from([0xc1])]);
        const read = unpack(bytes, before);
        expect(read.value).toEqual(given);
        expect(read.end).toBe(bytes.length - 1);
      }),
    );
  });

  it('asks for more bytes wherever it is cut', () => {
    fc.assert(
      fc.property(value, fc.double({ min: 0, max: 0.999, noNaN: true }), (given, share) => {
        const bytes = pack(given);
        expect(() => unpack(bytes.subarray(0, Math.floor(bytes.length * share)), 0)).toThrow(IncompleteError);
      }),
    );
  });

  it('never does anything else but throw an Error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(unpack(Buffer.from(bytes), 0).end).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is not led into endless depths', () => {
    expect(() => unpack(Buffer.alloc(100_000, 0x91), 0)).toThrow('nested too deeply');
  });
});
