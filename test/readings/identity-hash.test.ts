import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../../gateway/contracts.ts';
import { IdentityHash } from '../../gateway/readings/identity-hash.ts';

type Part = string | number | boolean;
const hash = new IdentityHash();
const identityOf = (measurement: string, device: string, ...parts: readonly Part[]): Identity => {
  hash.start(measurement, device);
  for (const part of parts) if (!hash.add(part)) throw new Error(`${String(part)} is no part`);
  return hash.end();
};
const inHex = ({ high, low }: Identity): string =>
  high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');

const part = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.integer({ min: -20, max: 20 }),
  fc.boolean(),
  fc.constantFrom('1', 'true', '\u0001', '\u0000', ''),
);
const named = fc.record({
  measurement: fc.string({ maxLength: 3 }),
  device: fc.string({ maxLength: 3 }),
  parts: fc.array(part, { maxLength: 4 }),
});

describe('the identity of a reading', () => {
  it('is the same for the same measurement, device and values, and for nothing else: no part flows into another', () => {
    fc.assert(
      fc.property(named, named, (a, b) => {
        const same =
          JSON.stringify([a.measurement, a.device, a.parts]) ===
          JSON.stringify([b.measurement, b.device, b.parts]);
        const equal =
          inHex(identityOf(a.measurement, a.device, ...a.parts)) ===
          inHex(identityOf(b.measurement, b.device, ...b.parts));
        expect(equal).toBe(same);
      }),
      { numRuns: 2000 },
    );
  });

  it('knows where a part ends, and of which type it is', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 8 }), fc.nat(7), (text, at) => {
        const cut = at % text.length;
        const [head, tail] = [text.slice(0, cut), text.slice(cut)];
        const whole = inHex(identityOf('m', 'd', text));
        expect(inHex(identityOf('m', 'd', head, tail))).not.toBe(whole);
        if (cut > 0) expect(inHex(identityOf('m', `d${head}`, tail))).not.toBe(whole);
      }),
    );
    const all = [
      identityOf('m', 'd', 1),
      identityOf('m', 'd', '1'),
      identityOf('m', 'd', true),
      identityOf('m', 'd', 'true'),
      identityOf('m', 'd', 1, 2),
      identityOf('m', 'd', 12),
      identityOf('m', 'd', 2, 1),
      identityOf('md', '', 1),
      identityOf('', 'md', 1),
    ].map(inHex);
    expect(new Set(all).size).toBe(all.length);
  });

  it('is none where a part has no value', () => {
    for (const value of [undefined, null, {}, []]) expect(hash.start('m', 'd').add(value)).toBe(false);
  });

  it('never changes from version to version: windows of repeats are kept on disk', () => {
    expect(inHex(identityOf('environment', 'press3', 12, 1440))).toMatchInlineSnapshot(`"9f0d0367043b6fb3"`);
    expect(inHex(identityOf('m', 'd', 'ü', true))).toMatchInlineSnapshot(`"4321360404047549"`);
  });

  it('collides no more than chance over the counters that devices send', () => {
    const seen = new Set<string>();
    const high = new Set<number>();
    const low = new Set<number>();
    const count = 200_000;
    for (let i = 0; i < count; i += 1) {
      const identity = identityOf('m', `dev-${i % 4}`, Math.floor(i / 4000), i % 4000);
      seen.add(inHex(identity));
      high.add(identity.high);
      low.add(identity.low);
    }
    expect(seen.size).toBe(count);
    // Each half alone is a hash of 32 bits: n²/2³³ = 4.7 pairs are to be expected.
    expect(count - high.size).toBeLessThan(25);
    expect(count - low.size).toBeLessThan(25);
  });
});
