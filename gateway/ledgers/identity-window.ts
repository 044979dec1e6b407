import { HashedSlots } from './hashed-slots.ts';

const FIRST_SLOTS = 8;
/** The one word of a slot: number of the group that carries it. */
const GROUP = 0;

/** The last identities of one device, found in constant time. 20 bytes a slot; the oldest makes room for the newest. */
export class IdentityWindow {
  /** For the choice of which device to forget. */
  usedAt = 0;
  #ring = new HashedSlots(FIRST_SLOTS, 1);
  #next = 0;
  #used = 0;

  get slots(): number {
    return this.#ring.slots;
  }

  /** Number of the group that brought this identity (0: an earlier run's), or -1 where it is not known. */
  groupOf(high: number, low: number): number {
    const slot = this.#ring.find(high, low);
    return slot === -1 ? -1 : this.#ring.get(slot, GROUP);
  }

  /** One that is there already stays as it is. A full ring grows while that leaves it within `maxSlots`. */
  add(high: number, low: number, group: number, maxSlots: number): void {
    if (this.#ring.find(high, low) !== -1) return;
    if (this.#used === this.slots && this.slots * 2 <= maxSlots) this.resize(this.slots * 2);
    const slot = this.#next;
    if (this.#used === this.slots) this.#ring.free(slot);
    else this.#used += 1;
    this.#ring.put(slot, high, low);
    this.#ring.set(slot, GROUP, group);
    this.#next = (slot + 1) % this.slots;
  }

  /** Forgets what a group carried that was never committed: its resend is no repeat. */
  voidGroup(group: number): void {
    for (let slot = 0; slot < this.#used; slot += 1) {
      if (this.#ring.get(slot, GROUP) !== group) continue;
      this.#ring.free(slot);
      this.#ring.set(slot, GROUP, 0);
    }
  }

  /** Keeps the newest that fit. `slots`: a power of two. */
  resize(slots: number): void {
    const before = this.#ring;
    const ring = new HashedSlots(slots, 1);
    const oldest = this.#used < before.slots ? 0 : this.#next;
    let at = 0;
    for (let i = Math.max(0, this.#used - slots); i < this.#used; i += 1) {
      const slot = (oldest + i) % before.slots;
      const high = before.high(slot);
      const low = before.low(slot);
      if (before.find(high, low) !== slot) continue;
      ring.put(at, high, low);
      ring.set(at, GROUP, before.get(slot, GROUP));
      at += 1;
    }
    this.#ring = ring;
    this.#used = at;
    this.#next = at % slots;
  }
}
