/**
 * The last transfers of one client, newest last, in a ring of plain numbers: a map of objects would cost ten times
 * the memory and a collection for every reading, and an array for each of the numbers twice the memory of one for all.
 */

/** `open`: a QoS 2 transfer before its PUBREL. `void`: it was never taken (its group was not committed, …). */
export const SLOT = { void: 0, once: 1, open: 2, released: 3 } as const;
export type SlotState = (typeof SLOT)[keyof typeof SLOT];

const FIRST_SLOTS = 16;

/** What a slot is made of, in words of 32 bits. */
const ID = 0;
const HIGH = 1;
const LOW = 2;
const STATE = 3;
const READINGS = 4;
const GROUP = 5;
const SECONDS = 6;
const WORDS = 7;

export interface NewSlot {
  readonly packetId: number;
  readonly high: number;
  readonly low: number;
  readonly state: SlotState;
  readonly readings: number;
  /** Number of the group that carries it, 32 bits. */
  readonly group: number;
}

export class TransferWindow {
  /** Number of the connection that added last. */
  connection = 0;
  /** For the choice of which client to forget. */
  usedAtMs = 0;
  #words = new Uint32Array(FIRST_SLOTS * WORDS);
  #next = 0;
  #used = 0;
  /** How many slots, from the oldest on, come from earlier connections. */
  #earlier = 0;

  get slots(): number {
    return this.#words.length / WORDS;
  }

  /** From now on, everything held comes from an earlier connection. */
  beginConnection(connection: number): void {
    this.connection = connection;
    this.#earlier = this.#used;
  }

  get holdsEarlier(): boolean {
    return this.#earlier > 0;
  }

  /** The slot of the newest transfer with this id, or -1. */
  newest(packetId: number): number {
    for (let back = 1; back <= this.#used; back += 1) {
      const slot = this.#at(back);
      if (this.#get(slot, ID) === packetId) return slot;
    }
    return -1;
  }

  isOpen(packetId: number): boolean {
    for (let back = 1; back <= this.#used; back += 1) {
      const slot = this.#at(back);
      if (this.#get(slot, ID) === packetId && this.#get(slot, STATE) === SLOT.open) return true;
    }
    return false;
  }

  /** The PUBREL came. It ends whatever is open under this id: a client that lost its state has left some behind. */
  release(packetId: number): void {
    for (let back = 1; back <= this.#used; back += 1) {
      const slot = this.#at(back);
      if (this.#get(slot, ID) === packetId && this.#get(slot, STATE) === SLOT.open) {
        this.#set(slot, STATE, SLOT.released);
      }
    }
  }

  carries(slot: number, high: number, low: number): boolean {
    return this.#get(slot, HIGH) === high && this.#get(slot, LOW) === low;
  }

  isEarlier(slot: number): boolean {
    const age = (this.#next - 1 - slot + this.slots) % this.slots;
    return age >= this.#used - this.#earlier;
  }

  state(slot: number): SlotState {
    // Only values of SLOT are ever written there.
    return this.#get(slot, STATE) as SlotState;
  }

  void(slot: number): void {
    this.#set(slot, STATE, SLOT.void);
  }

  group(slot: number): number {
    return this.#get(slot, GROUP);
  }

  readings(slot: number): number {
    return this.#get(slot, READINGS);
  }

  /**
   * Adds a transfer. A full ring first grows, up to `maxSlots`, while its oldest transfer is younger than `keepMs`;
   * then the oldest goes. Returns by how many slots the ring grew.
   */
  add(transfer: NewSlot, nowMs: number, keepMs: number, maxSlots: number): number {
    const seconds = Math.trunc(nowMs / 1000);
    let grown = 0;
    if (this.#used === this.slots) {
      const oldest = this.#get(this.#at(this.#used), SECONDS);
      if (this.slots < maxSlots && (seconds - oldest) * 1000 < keepMs) grown = this.#grow();
      else if (this.#earlier > 0) this.#earlier -= 1;
    }
    const slot = this.#next;
    this.#set(slot, ID, transfer.packetId);
    this.#set(slot, HIGH, transfer.high);
    this.#set(slot, LOW, transfer.low);
    this.#set(slot, STATE, transfer.state);
    this.#set(slot, READINGS, transfer.readings);
    this.#set(slot, GROUP, transfer.group);
    this.#set(slot, SECONDS, seconds);
    this.#next = (slot + 1) % this.slots;
    if (this.#used < this.slots) this.#used += 1;
    return grown;
  }

  /** Forgets what a group carried that was never committed: its resend is no repeat. */
  voidGroup(group: number): void {
    for (let back = 1; back <= this.#used; back += 1) {
      const slot = this.#at(back);
      if (this.#get(slot, GROUP) === group) this.void(slot);
    }
  }

  /** Nothing held can come again. */
  voidAll(): void {
    for (let slot = 0; slot < this.slots; slot += 1) this.void(slot);
  }

  /** A clean session: open transfers count as sent once, as with QoS 1. */
  closeOpen(): void {
    for (let slot = 0; slot < this.slots; slot += 1) {
      if (this.#get(slot, STATE) === SLOT.open) this.#set(slot, STATE, SLOT.once);
    }
  }

  /** `back` = 1 is the newest. */
  #at(back: number): number {
    return (this.#next - back + this.slots) % this.slots;
  }

  #get(slot: number, word: number): number {
    return this.#words[slot * WORDS + word] ?? 0;
  }

  #set(slot: number, word: number, value: number): void {
    this.#words[slot * WORDS + word] = value;
  }

  /** Only when it is full: the oldest then lies where the next would go. */
  #grow(): number {
    const before = this.slots;
    const oldest = this.#next * WORDS;
    const words = new Uint32Array(this.#words.length * 2);
    words.set(this.#words.subarray(oldest));
    words.set(this.#words.subarray(0, oldest), this.#words.length - oldest);
    this.#words = words;
    this.#next = before;
    return before;
  }
}
