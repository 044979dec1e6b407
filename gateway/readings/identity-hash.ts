import type { Identity } from '../contracts.ts';

/**
 * A 64-bit hash that names a reading within its device: of measurement, device and the values of the properties that its
 * schema declares as `identity`. It is kept across restarts and versions, so what it gives for a reading never changes.
 *
 * Words of 32 bits go into two lanes, each of which multiplies, turns and adds with odd constants of its own; at the end
 * each lane is stirred with the other's. A UTF-16 unit is a word; each part is led by a word that no unit can be, its
 * type above its length, so parts cannot flow into one another and `1` is not `"1"`. It is no defence against somebody
 * who looks for a collision, and needs none: who can send as a device can only make that device's readings look alike.
 *
 * Among n identities of one device two collide with a probability of about n² / 2⁶⁵: for the 65,536 of a long window,
 * one in eight thousand million.
 */
export class IdentityHash {
  private a = 0;
  private b = 0;

  /** Begins anew. */
  start(measurement: string, device: string): this {
    this.a = 0x243f6a88;
    this.b = 0x13198a2e;
    this.part(NAME, measurement);
    this.part(NAME, device);
    return this;
  }

  /** Takes one property in; false where it has no value, and so names nothing. */
  add(value: unknown): boolean {
    switch (typeof value) {
      case 'string':
        this.part(STRING, value);
        return true;
      case 'number':
        this.part(NUMBER, String(value));
        return true;
      case 'boolean':
        this.part(BOOLEAN, value ? '1' : '0');
        return true;
    }
    return false;
  }

  end(): Identity {
    const a = stir(this.a);
    const b = stir(this.b ^ a);
    return { high: stir(a ^ Math.imul(b, TURN_A)) >>> 0, low: b >>> 0 };
  }

  private part(type: number, text: string): void {
    const { length } = text;
    this.word(type);
    this.word(LENGTH + length);
    for (let i = 0; i < length; i += 1) this.word(text.charCodeAt(i));
  }

  private word(word: number): void {
    const a = Math.imul(this.a ^ word, TURN_A);
    this.a = (Math.imul((a << 11) | (a >>> 21), 9) + 0x3c6ef372) | 0;
    const b = Math.imul(this.b + word, TURN_B);
    this.b = (Math.imul((b << 17) | (b >>> 15), 5) ^ 0x1f83d9ab) | 0;
  }
}

/** Above every UTF-16 unit. */
const NAME = 0x10000;
const STRING = 0x20000;
const NUMBER = 0x30000;
const BOOLEAN = 0x40000;
const LENGTH = 0x1000000;

/** Odd, and with bits all over: products of small words differ in high bits too. */
const TURN_A = 0x9e3779b1;
const TURN_B = 0xa511e9b3;

function stir(word: number): number {
  let w = word ^ (word >>> 15);
  w = Math.imul(w, 0xd168aaad);
  w ^= w >>> 14;
  w = Math.imul(w, 0xaf723597);
  return w ^ (w >>> 16);
}
