/** Windows of one block. */
export const BLOCK = 32;
/** What a value written may cost in pages of the file beside its bytes: see `LmdbStorage.commit`. */
export const WRITE_BYTES = 12_288;
const FIRST_SLOTS = 8;
/** However many names there are, each keeps this many. */
const LEAST_SLOTS = 16;
const MAX_NAME_LENGTH = 1024;

/** The last entries under one name. */
export interface RingWindow {
  readonly name: string;
  /** Its place among the names; that of a name that was forgotten is given out again. */
  readonly place: number;
  /** The group that added last: for the choice of whom to forget. */
  usedSeq: number;
  /** Groups up to this one are in it as it was read from disk: a replay passes over them. */
  readonly loadedSeq: number;
  /** A ring: the newest is written at `next`. */
  slots: Buffer;
  next: number;
  used: number;
  /** How many were ever written. */
  count: number;
}

export interface RingLimits {
  readonly slotBytes: number;
  readonly maxPerName: number;
  readonly maxTotal: number;
  readonly maxNames: number;
}

/**
 * The last entries of each of many names, in slots of equal size, within three bounds: `maxPerName` of one name; when all
 * together come to half of `maxTotal`, none grows beyond an equal part of it, and when they exceed it, each keeps that (the
 * newest, at least 16); beyond `maxNames`, the eighth of the names that were used longest ago goes. Names come from senders:
 * none can push out more of another than that.
 *
 * On disk they lie in blocks of 32. What has changed is written there in pieces (`flush`), as a transaction must stay
 * small where the disk is full. So the disk has some of them newer than others: each says up to which group it is, and
 * `cleanThrough` up to which group all are; a start goes through the groups behind that.
 */
export class RingWindows {
  /** Blocks that differ from the disk, since which group; the longest first. */
  readonly #dirty = new Map<number, number>();
  #flushing: [block: number, sinceSeq: number][] = [];
  readonly #limits: RingLimits;
  readonly #windows = new Map<string, RingWindow>();
  readonly #places: (RingWindow | null)[] = [];
  readonly #freePlaces: number[] = [];
  #slots = 0;

  constructor(limits: RingLimits) {
    const maxNames = Math.max(1, Math.min(limits.maxNames, Math.trunc(limits.maxTotal / LEAST_SLOTS)));
    this.#limits = { ...limits, maxNames };
  }

  get(name: string): RingWindow | undefined {
    return this.#windows.get(name);
  }

  /** The window of `name`, made where there is none; null where the name is too long to be kept. */
  open(name: string, seq: number): RingWindow | null {
    return this.#windows.get(name) ?? (name.length > MAX_NAME_LENGTH ? null : this.#add(name, seq));
  }

  /** Group `seq` changes it. */
  use(window: RingWindow, seq: number): void {
    window.usedSeq = seq;
    this.#soil(window, seq);
  }

  /** Makes room for one more; returns where its bytes go in `window.slots`. */
  append(window: RingWindow): number {
    const { slotBytes, maxTotal, maxPerName } = this.#limits;
    const slots = window.slots.length / slotBytes;
    if (window.used === slots) {
      const most = this.#slots + slots <= maxTotal / 2 ? maxPerName : this.#slotsPerName();
      if (slots < most) this.#resize(window, Math.min(slots * 2, most));
    }
    if (this.#slots > maxTotal) this.#shrinkAll();
    const at = window.next * slotBytes;
    const size = window.slots.length / slotBytes;
    window.next = (window.next + 1) % size;
    window.used = Math.min(window.used + 1, size);
    window.count += 1;
    return at;
  }

  /** Where in `window.slots` the entry lies that is `back` from the end; 1 is the newest. */
  slotAt(window: RingWindow, back: number): number {
    const { slotBytes } = this.#limits;
    const size = window.slots.length / slotBytes;
    return ((window.next - back + size) % size) * slotBytes;
  }

  /** The newest `n`, oldest first, in the two pieces in which they lie in the ring. */
  newest(window: RingWindow, n: number): [Buffer, Buffer] {
    const { slotBytes } = this.#limits;
    const { slots } = window;
    const end = window.next * slotBytes;
    const start = end - n * slotBytes;
    return start >= 0
      ? [slots.subarray(start, end), slots.subarray(0, 0)]
      : [slots.subarray(slots.length + start), slots.subarray(0, end)];
  }

  /** Those used longest ago first. */
  byUse(): RingWindow[] {
    return [...this.#windows.values()].sort((a, b) => a.usedSeq - b.usedSeq);
  }

  /** The windows of a block with their positions in it. */
  *inBlock(block: number): Generator<[position: number, window: RingWindow]> {
    for (let i = 0; i < BLOCK; i += 1) {
      const window = this.at(block * BLOCK + i);
      if (window !== null) yield [i, window];
    }
  }

  at(place: number): RingWindow | null {
    return this.#places[place] ?? null;
  }

  /** Takes up a window from disk; `slots` holds `used` entries, oldest first, and is taken over. */
  restore(given: Pick<RingWindow, 'name' | 'place' | 'usedSeq' | 'count'> & { slots: Buffer }): RingWindow {
    const { slotBytes } = this.#limits;
    const used = given.slots.length / slotBytes;
    const window: RingWindow = { ...given, loadedSeq: given.usedSeq, next: 0, used };
    this.#slots += used;
    this.#places[window.place] = window;
    this.#windows.set(window.name, window);
    if (used < FIRST_SLOTS) this.#resize(window, FIRST_SLOTS);
    if (used > this.#limits.maxPerName) this.#resize(window, this.#limits.maxPerName);
    return window;
  }

  /** After the last `restore`. */
  restored(): void {
    for (let place = 0; place < this.#places.length; place += 1) {
      if (this.at(place) === null) {
        this.#places[place] = null;
        this.#freePlaces.push(place);
      }
    }
  }

  /**
   * Writes blocks with `write`, the oldest changes first, until `maxBytes` are used up. It is told how many are left, and
   * returns how many it took; null when they were too few, and the block is to be gone on with by the next flush.
   *
   * Blocks that changed only behind group `throughSeq` are left alone: where a fold takes many transactions, those of busy
   * senders would be written again, whole, with each of them.
   */
  flush(maxBytes: number, throughSeq: number, write: (block: number, left: number) => number | null): void {
    this.#flushing = [];
    let left = maxBytes;
    for (const [block, sinceSeq] of this.#dirty) {
      if (sinceSeq > throughSeq) return;
      const bytes = left > 0 ? write(block, left) : null;
      if (bytes === null) return;
      this.#dirty.delete(block);
      this.#flushing.push([block, sinceSeq]);
      left -= bytes;
    }
  }

  /** What was flushed last could not be committed: it is to be written again. */
  flushFailed(): void {
    const later = [...this.#dirty];
    this.#dirty.clear();
    for (const [block, sinceSeq] of [...this.#flushing, ...later]) {
      if (!this.#dirty.has(block)) this.#dirty.set(block, sinceSeq);
    }
    this.#flushing = [];
  }

  /** Up to which group everything is on disk, `lastSeq` being the last. */
  cleanThrough(lastSeq: number): number {
    for (const sinceSeq of this.#dirty.values()) return sinceSeq - 1;
    return lastSeq;
  }

  #soil({ place }: RingWindow, seq: number): void {
    const block = Math.trunc(place / BLOCK);
    if (!this.#dirty.has(block)) this.#dirty.set(block, seq);
  }

  #add(name: string, seq: number): RingWindow {
    if (this.#windows.size >= this.#limits.maxNames) this.#forgetIdlest(seq);
    const place = this.#freePlaces.pop() ?? this.#places.length;
    const slots = Buffer.alloc(FIRST_SLOTS * this.#limits.slotBytes);
    const window = { name, place, usedSeq: seq, loadedSeq: 0, slots, next: 0, used: 0, count: 0 };
    this.#slots += FIRST_SLOTS;
    this.#places[place] = window;
    this.#windows.set(name, window);
    return window;
  }

  #slotsPerName(): number {
    const share = Math.trunc(this.#limits.maxTotal / Math.max(1, this.#windows.size));
    return Math.min(this.#limits.maxPerName, Math.max(LEAST_SLOTS, share));
  }

  /** To three quarters of the share, so that this is paid for seldom. */
  #shrinkAll(): void {
    const most = Math.max(LEAST_SLOTS, Math.trunc((this.#slotsPerName() * 3) / 4));
    for (const window of this.#windows.values()) {
      if (window.slots.length / this.#limits.slotBytes > most) this.#resize(window, most);
    }
  }

  #resize(window: RingWindow, wanted: number): void {
    const { slotBytes, maxPerName } = this.#limits;
    const size = Math.min(wanted, maxPerName);
    const slots = Buffer.alloc(size * slotBytes);
    const kept = Math.min(window.used, size);
    let at = 0;
    for (const run of this.newest(window, kept)) at += run.copy(slots, at);
    this.#slots += size - window.slots.length / slotBytes;
    window.slots = slots;
    window.used = kept;
    window.next = kept % size;
  }

  #forgetIdlest(seq: number): void {
    const byUse = this.byUse();
    for (const window of byUse.slice(0, Math.max(1, Math.trunc(byUse.length / 8)))) {
      this.#windows.delete(window.name);
      this.#places[window.place] = null;
      this.#freePlaces.push(window.place);
      this.#slots -= window.slots.length / this.#limits.slotBytes;
      this.#soil(window, seq);
    }
  }
}
