/** Words of a slot before what its owner keeps there: the two halves of its key. */
const KEY_WORDS = 2;
/** Places of the table for each slot: half of them stay empty, so that a search ends soon. */
const TABLE_WORDS = 2;

/**
 * Numbered slots, each with a 64-bit key and some words of 32 bits, found by key in constant time. All of it in one
 * flat array: a Map of the same would take five times the memory and make work for the collector.
 *
 * The table is open addressing with linear probing; what is removed is closed up behind (Knuth, TAOCP 6.4, algorithm R),
 * so there are no tombstones.
 */
export class HashedSlots {
  readonly slots: number;
  readonly #width: number;
  readonly #words: Uint32Array;
  readonly #table: number;
  readonly #mask: number;
  readonly #shift: number;

  /** `slots`: a power of two, from 2 on. `words`: how many of its own each slot has. */
  constructor(slots: number, words: number) {
    this.slots = slots;
    this.#width = KEY_WORDS + words;
    this.#table = slots * this.#width;
    this.#words = new Uint32Array(this.#table + slots * TABLE_WORDS);
    this.#mask = slots * TABLE_WORDS - 1;
    this.#shift = Math.clz32(this.#mask);
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  /** The slot that holds this key, or -1. */
  find(high: number, low: number): number {
    for (let at = this.#home(high, low); ; at = (at + 1) & this.#mask) {
      const slot = (this.#words[this.#table + at] ?? 0) - 1;
      if (slot === -1) return -1;
      if (this.high(slot) === high && this.low(slot) === low) return slot;
    }
  }

  /** The slot must be free, and the key not held by another. Its words are left as they are. */
  put(slot: number, high: number, low: number): void {
    const from = slot * this.#width;
    this.#words[from] = high;
    this.#words[from + 1] = low;
    let at = this.#home(high, low);
    while (this.#words[this.#table + at] !== 0) at = (at + 1) & this.#mask;
    this.#words[this.#table + at] = slot + 1;
  }

  /** Its key is no longer found. One that is free already stays so. */
  free(slot: number): void {
    let hole = this.#home(this.high(slot), this.low(slot));
    for (let entry = this.#entry(hole); entry !== slot + 1; entry = this.#entry(hole)) {
      if (entry === 0) return;
      hole = (hole + 1) & this.#mask;
    }
    for (let at = (hole + 1) & this.#mask; this.#entry(at) !== 0; at = (at + 1) & this.#mask) {
      const moved = this.#entry(at) - 1;
      const home = this.#home(this.high(moved), this.low(moved));
      if (((at - home) & this.#mask) < ((at - hole) & this.#mask)) continue;
      this.#words[this.#table + hole] = moved + 1;
      hole = at;
    }
    this.#words[this.#table + hole] = 0;
  }

  high(slot: number): number {
    return this.#words[slot * this.#width] ?? 0;
  }

  low(slot: number): number {
    return this.#words[slot * this.#width + 1] ?? 0;
  }

  get(slot: number, word: number): number {
    return this.#words[slot * this.#width + KEY_WORDS + word] ?? 0;
  }

  set(slot: number, word: number, value: number): void {
    this.#words[slot * this.#width + KEY_WORDS + word] = value;
  }

  #entry(at: number): number {
    return this.#words[this.#table + at] ?? 0;
  }

  #home(high: number, low: number): number {
    return Math.imul(low ^ Math.imul(high, 0x9e37_79b1), 0x85eb_ca6b) >>> this.#shift;
  }
}
