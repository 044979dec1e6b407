import { type ClockPoints, type ClockState, freshClockState, MAX_POINTS } from './device-clock-state.ts';

const STATE_NUMBERS = Object.keys(freshClockState()).length;
const NUMBERS = STATE_NUMBERS + 2 * MAX_POINTS;
const SLOTS_PER_PAGE = 256;

/** What a device's clock takes, bytes. */
export const BYTES_PER_CLOCK = NUMBERS * Float64Array.BYTES_PER_ELEMENT;

/**
 * The clocks of all devices as flat numbers: 29 for the state and 16 for the points, 360 bytes each, in pages that grow
 * with the number of devices. A slot that was given back is used again.
 */
export class ClockPages {
  readonly #pages: Float64Array[] = [];
  readonly #free: number[] = [];
  #used = 0;
  // Reused from reading to reading: they are worked on one after the other.
  readonly #state: ClockState = freshClockState();
  readonly #points: SlotPoints = new SlotPoints();

  acquire(): number {
    const again = this.#free.pop();
    if (again !== undefined) return again;
    if (this.#used === this.#pages.length * SLOTS_PER_PAGE)
      this.#pages.push(new Float64Array(SLOTS_PER_PAGE * NUMBERS));
    this.#used += 1;
    return this.#used - 1;
  }

  release(slot: number): void {
    this.clear(slot);
    this.#free.push(slot);
  }

  clear(slot: number): void {
    const at = (slot % SLOTS_PER_PAGE) * NUMBERS;
    this.#page(slot).fill(0, at, at + NUMBERS);
  }

  clearAll(): void {
    for (const page of this.#pages) page.fill(0);
  }

  /** The state of a slot. The same object for each slot: valid until the next call, kept only by `save`. */
  load(slot: number): ClockState {
    const page = this.#page(slot);
    const at = (slot % SLOTS_PER_PAGE) * NUMBERS;
    const s = this.#state;
    s.readings = page[at] ?? 0;
    s.noClock = page[at + 1] ?? 0;
    s.noClockFromMs = page[at + 2] ?? 0;
    s.otherUnit = page[at + 3] ?? 0;
    s.unitFactor = page[at + 4] ?? 0;
    s.unitOffsetMs = page[at + 5] ?? 0;
    s.unitAtMs = page[at + 6] ?? 0;
    s.unitWholeSeconds = page[at + 7] ?? 0;
    s.hasLine = page[at + 8] ?? 0;
    s.lineAtMs = page[at + 9] ?? 0;
    s.lineOffsetMs = page[at + 10] ?? 0;
    s.slope = page[at + 11] ?? 0;
    s.trend = page[at + 12] ?? 0;
    s.nearAtMs = page[at + 13] ?? 0;
    s.nearOffsetMs = page[at + 14] ?? 0;
    s.roughnessMs = page[at + 15] ?? 0;
    s.windowFromMs = page[at + 16] ?? 0;
    s.windowMs = page[at + 17] ?? 0;
    s.bestAtMs = page[at + 18] ?? 0;
    s.bestOffsetMs = page[at + 19] ?? 0;
    s.points = page[at + 20] ?? 0;
    s.otherCount = page[at + 21] ?? 0;
    s.otherAtMs = page[at + 22] ?? 0;
    s.otherOffsetMs = page[at + 23] ?? 0;
    s.otherLastMs = page[at + 24] ?? 0;
    s.jumps = page[at + 25] ?? 0;
    s.jumpedAtMs = page[at + 26] ?? 0;
    s.jumpedByMs = page[at + 27] ?? 0;
    s.strayedAtMs = page[at + 28] ?? 0;
    return s;
  }

  save(slot: number, s: ClockState): void {
    const page = this.#page(slot);
    const at = (slot % SLOTS_PER_PAGE) * NUMBERS;
    page[at] = s.readings;
    page[at + 1] = s.noClock;
    page[at + 2] = s.noClockFromMs;
    page[at + 3] = s.otherUnit;
    page[at + 4] = s.unitFactor;
    page[at + 5] = s.unitOffsetMs;
    page[at + 6] = s.unitAtMs;
    page[at + 7] = s.unitWholeSeconds;
    page[at + 8] = s.hasLine;
    page[at + 9] = s.lineAtMs;
    page[at + 10] = s.lineOffsetMs;
    page[at + 11] = s.slope;
    page[at + 12] = s.trend;
    page[at + 13] = s.nearAtMs;
    page[at + 14] = s.nearOffsetMs;
    page[at + 15] = s.roughnessMs;
    page[at + 16] = s.windowFromMs;
    page[at + 17] = s.windowMs;
    page[at + 18] = s.bestAtMs;
    page[at + 19] = s.bestOffsetMs;
    page[at + 20] = s.points;
    page[at + 21] = s.otherCount;
    page[at + 22] = s.otherAtMs;
    page[at + 23] = s.otherOffsetMs;
    page[at + 24] = s.otherLastMs;
    page[at + 25] = s.jumps;
    page[at + 26] = s.jumpedAtMs;
    page[at + 27] = s.jumpedByMs;
    page[at + 28] = s.strayedAtMs;
  }

  /** The points of a slot. As `load`, but what is set is kept at once. */
  points(slot: number): ClockPoints {
    this.#points.page = this.#page(slot);
    this.#points.from = (slot % SLOTS_PER_PAGE) * NUMBERS + STATE_NUMBERS;
    return this.#points;
  }

  /** Everything of a slot but the points that are unused, for a document. */
  dump(slot: number): number[] {
    const at = (slot % SLOTS_PER_PAGE) * NUMBERS;
    const used = STATE_NUMBERS + 2 * this.load(slot).points;
    const numbers = Array.from(this.#page(slot).subarray(at, at + used));
    // A hundredth of a ms does; slopes and factors need more.
    return numbers.map((number) =>
      Math.abs(number) < 1 ? Number(number.toPrecision(6)) : Math.round(number * 100) / 100,
    );
  }

  /** Takes up a `dump`. False where it is none: then nothing is known of this clock. */
  restore(slot: number, dump: readonly unknown[]): boolean {
    const points = dump[POINTS];
    if (
      typeof points !== 'number' ||
      !Number.isInteger(points) ||
      points < 0 ||
      points > MAX_POINTS ||
      dump.length !== STATE_NUMBERS + 2 * points ||
      !dump.every((number): number is number => typeof number === 'number' && Number.isFinite(number))
    )
      return false;
    this.#page(slot).set(dump, (slot % SLOTS_PER_PAGE) * NUMBERS);
    return true;
  }

  #page(slot: number): Float64Array {
    const page = this.#pages[Math.trunc(slot / SLOTS_PER_PAGE)];
    if (page === undefined) throw new RangeError(`there is no clock ${slot}`);
    return page;
  }
}

const POINTS = Object.keys(freshClockState()).indexOf('points');

class SlotPoints implements ClockPoints {
  page: Float64Array = new Float64Array(0);
  from = 0;

  atMs(i: number): number {
    return this.page[this.from + 2 * i] ?? 0;
  }

  offsetMs(i: number): number {
    return this.page[this.from + 2 * i + 1] ?? 0;
  }

  set(i: number, atMs: number, offsetMs: number): void {
    this.page[this.from + 2 * i] = atMs;
    this.page[this.from + 2 * i + 1] = offsetMs;
  }
}
