/**
 * The last transfers of one client, newest last, in a ring of plain numbers: a map of objects would cost ten times
 * the memory and a collection for every reading.
 */

/** `open`: a QoS 2 transfer before its PUBREL. `void`: its group was never committed, so it was never taken. */
export const SLOT = { void: 0, once: 1, open: 2, released: 3 } as const;
export type SlotState = (typeof SLOT)[keyof typeof SLOT];

const FIRST_SLOTS = 16;

export interface NewSlot {
  readonly packetId: number;
  readonly high: number;
  readonly low: number;
  readonly state: SlotState;
  readonly readings: number;
  /** Number of the group that carries it. */
  readonly group: number;
}

export class TransferWindow {
  /** Number of the connection that added last. */
  connection = 0;
  /** For the choice of which client to forget. */
  usedAtMs = 0;
  #ids = new Uint16Array(FIRST_SLOTS);
  #high = new Uint32Array(FIRST_SLOTS);
  #low = new Uint32Array(FIRST_SLOTS);
  #state = new Uint8Array(FIRST_SLOTS);
  #readings = new Uint16Array(FIRST_SLOTS);
  #group = new Float64Array(FIRST_SLOTS);
  #seconds = new Uint32Array(FIRST_SLOTS);
  #next = 0;
  #used = 0;
  /** How many slots, from the oldest on, come from earlier connections. */
  #earlier = 0;

  get slots(): number {
    return this.#ids.length;
  }

  /** From now on, everything held comes from an earlier connection. */
  beginConnection(connection: number): void {
    this.connection = connection;
    this.#earlier = this.#used;
  }

  get holdsEarlier(): boolean {
    return this.#earlier > 0;
  }

  /** The slot of the newest transfer with this id and hash, or -1. */
  find(packetId: number, high: number, low: number): number {
    for (let back = 1; back <= this.#used; back += 1) {
      const slot = this.#at(back);
      if (this.#ids[slot] !== packetId || this.#state[slot] === SLOT.void) continue;
      if (this.#high[slot] === high && this.#low[slot] === low) return slot;
    }
    return -1;
  }

  /** The slot of the open QoS 2 transfer with this id, or -1. */
  findOpen(packetId: number): number {
    for (let back = 1; back <= this.#used; back += 1) {
      const slot = this.#at(back);
      if (this.#ids[slot] === packetId && this.#state[slot] === SLOT.open) return slot;
    }
    return -1;
  }

  isEarlier(slot: number): boolean {
    const age = (this.#next - 1 - slot + this.slots) % this.slots;
    return age >= this.#used - this.#earlier;
  }

  state(slot: number): SlotState {
    // Only values of SLOT are ever written to the array.
    return (this.#state[slot] ?? SLOT.void) as SlotState;
  }

  setState(slot: number, state: SlotState): void {
    this.#state[slot] = state;
  }

  group(slot: number): number {
    return this.#group[slot] ?? 0;
  }

  readings(slot: number): number {
    return this.#readings[slot] ?? 0;
  }

  /**
   * Adds a transfer. A full ring first grows, up to `maxSlots`, while its oldest transfer is younger than `keepMs`;
   * then the oldest goes. Returns by how many slots the ring grew.
   */
  add(transfer: NewSlot, nowMs: number, keepMs: number, maxSlots: number): number {
    const seconds = Math.trunc(nowMs / 1000);
    let grown = 0;
    if (this.#used === this.slots) {
      const oldest = this.#seconds[this.#at(this.#used)] ?? 0;
      if (this.slots < maxSlots && (seconds - oldest) * 1000 < keepMs) grown = this.#grow();
      else if (this.#earlier > 0) this.#earlier -= 1;
    }
    const slot = this.#next;
    this.#ids[slot] = transfer.packetId;
    this.#high[slot] = transfer.high;
    this.#low[slot] = transfer.low;
    this.#state[slot] = transfer.state;
    this.#readings[slot] = Math.min(transfer.readings, 0xffff);
    this.#group[slot] = transfer.group;
    this.#seconds[slot] = seconds;
    this.#next = (slot + 1) % this.slots;
    if (this.#used < this.slots) this.#used += 1;
    return grown;
  }

  /** Forgets what a group carried that was never committed: its resend is no repeat. */
  voidGroup(group: number): void {
    for (let back = 1; back <= this.#used; back += 1) {
      const slot = this.#at(back);
      if (this.#group[slot] === group) this.#state[slot] = SLOT.void;
    }
  }

  /** A clean session: open transfers count as sent once, as with QoS 1. */
  closeOpen(): void {
    for (let slot = 0; slot < this.slots; slot += 1) {
      if (this.#state[slot] === SLOT.open) this.#state[slot] = SLOT.once;
    }
  }

  /** `back` = 1 is the newest. */
  #at(back: number): number {
    return (this.#next - back + this.slots) % this.slots;
  }

  #grow(): number {
    const before = this.slots;
    const order = Array.from({ length: this.#used }, (_, i) => this.#at(this.#used - i));
    const move = <T extends Uint16Array | Uint32Array | Uint8Array | Float64Array>(from: T, to: T): T => {
      order.forEach((slot, i) => {
        to[i] = from[slot] ?? 0;
      });
      return to;
    };
    const slots = before * 2;
    this.#ids = move(this.#ids, new Uint16Array(slots));
    this.#high = move(this.#high, new Uint32Array(slots));
    this.#low = move(this.#low, new Uint32Array(slots));
    this.#state = move(this.#state, new Uint8Array(slots));
    this.#readings = move(this.#readings, new Uint16Array(slots));
    this.#group = move(this.#group, new Float64Array(slots));
    this.#seconds = move(this.#seconds, new Uint32Array(slots));
    this.#next = this.#used;
    return slots - before;
  }
}
