import { HashedSlots } from './hashed-slots.ts';

const FIRST_SLOTS = 1024;
/** The words of a slot. Owners by their number + 1, so that 0 is a free slot. */
const DEVICE = 0;
const MEASUREMENT = 1;
const DAY = 2;
const WORDS = 3;

/**
 * The series that take up the budget: 28 bytes a slot, up to twice that while it has room to grow. Their keys are on disk
 * only; 100,000 of them would take 10 MB and decide nothing. Measured with its owners and sketches: 51 bytes a series
 * with ten series a device, 164 where each is a device of its own.
 *
 * The day of a series is the one in which it was last noted to be seen, counted from 1970; 0: not noted on disk. Each
 * series begins its day in a minute of its own, so that not all are noted again at midnight.
 */
export class SeriesSet {
  #slots = new HashedSlots(FIRST_SLOTS, WORDS);
  readonly #free: number[] = [];
  #top = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.bytes;
  }

  /** The slot of a series, or -1. */
  find(high: number, low: number): number {
    return this.#slots.find(high, low);
  }

  /** It must not be there yet. */
  add(high: number, low: number, device: number, measurement: number, day: number): number {
    let slot = this.#free.pop();
    if (slot === undefined) {
      if (this.#top === this.#slots.slots) this.#grow();
      slot = this.#top;
      this.#top += 1;
    }
    this.#slots.put(slot, high, low);
    this.#slots.set(slot, DEVICE, device + 1);
    this.#slots.set(slot, MEASUREMENT, measurement + 1);
    this.#slots.set(slot, DAY, day);
    this.#size += 1;
    return slot;
  }

  remove(slot: number): void {
    this.#slots.free(slot);
    this.#slots.set(slot, DEVICE, 0);
    this.#free.push(slot);
    this.#size -= 1;
  }

  device(slot: number): number {
    return this.#slots.get(slot, DEVICE) - 1;
  }

  measurement(slot: number): number {
    return this.#slots.get(slot, MEASUREMENT) - 1;
  }

  day(slot: number): number {
    return this.#slots.get(slot, DAY);
  }

  setDay(slot: number, day: number): void {
    this.#slots.set(slot, DAY, day);
  }

  high(slot: number): number {
    return this.#slots.high(slot);
  }

  low(slot: number): number {
    return this.#slots.low(slot);
  }

  /** Every slot in use. What is visited may be removed meanwhile. */
  *[Symbol.iterator](): Generator<number> {
    for (let slot = 0; slot < this.#top; slot += 1) if (this.#slots.get(slot, DEVICE) !== 0) yield slot;
  }

  #grow(): void {
    const before = this.#slots;
    const after = new HashedSlots(before.slots * 2, WORDS);
    for (let slot = 0; slot < before.slots; slot += 1) {
      after.put(slot, before.high(slot), before.low(slot));
      for (let word = 0; word < WORDS; word += 1) after.set(slot, word, before.get(slot, word));
    }
    this.#slots = after;
  }
}

const DAY_MINUTES = 24 * 60;

/** The day of a series, by the minute since 1970 and the low half of its hash. */
export function dayOf(minute: number, low: number): number {
  return Math.trunc((minute + (low % DAY_MINUTES)) / DAY_MINUTES);
}

/** The first minute of the day after. */
export function endOfDay(day: number, low: number): number {
  return (day + 1) * DAY_MINUTES - (low % DAY_MINUTES);
}
