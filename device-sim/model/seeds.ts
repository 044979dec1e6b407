import { type Random, seededRandom } from '../random.ts';

/** One 32-bit seed of several numbers: another number in any place gives another one. */
export function mixedSeed(...parts: readonly number[]): number {
  let state = 0x2545f491;
  for (const part of parts) {
    // A seed may have more than 32 bits.
    state = stir(state ^ (part >>> 0));
    state = stir(state + Math.floor(part / 2 ** 32) + 0x6c62272e);
  }
  return state >>> 0;
}

export function mixedRandom(...parts: readonly number[]): Random {
  return seededRandom(mixedSeed(...parts));
}

function stir(word: number): number {
  let mixed = word | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return mixed ^ (mixed >>> 15);
}
