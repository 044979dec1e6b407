import type { Flight } from './in-flight.ts';

/** A connection that ends sooner than this after a message may have ended because of it. */
const SOON_MS = 5_000;
/** From the second time on it is sent alone; after so many it is given up. */
const ALONE_AFTER = 2;
const GIVE_UP_AFTER = 10;
const MOST_DOUBLINGS = 6;

/**
 * Finds the message at which the other broker ends the connection each time (too large for it, a topic that it cannot
 * stand): MQTT 3.1.1 knows no other way of refusing one. A broker or a network that is merely bad is no reason to give a
 * message up: only where the connection was made, and ended at once each time, always at the same message, of late alone.
 * If the next one fares no better it may be the broker after all: each that is given up without a success in between takes
 * twice as many times.
 */
export class DeadlyMessage {
  #seq = -1;
  #count = -1;
  #times = 0;
  #inARow = 0;

  /** The connection has ended, and `head` was not answered. True: give it up. */
  lost(head: Flight | null, nowMs: number): boolean {
    if (head === null || nowMs - head.sentAtMs > SOON_MS) {
      this.#forget();
      return false;
    }
    const { seq, count } = head.place;
    this.#times = seq === this.#seq && count === this.#count ? this.#times + 1 : 1;
    this.#seq = seq;
    this.#count = count;
    if (this.#times < GIVE_UP_AFTER * 2 ** Math.min(this.#inARow, MOST_DOUBLINGS)) return false;
    this.#inARow += 1;
    this.#forget();
    return true;
  }

  /** One message came through. */
  answered(): void {
    this.#inARow = 0;
    this.#forget();
  }

  #forget(): void {
    this.#times = 0;
    this.#seq = -1;
  }

  get isSentAlone(): boolean {
    return this.#times >= ALONE_AFTER;
  }
}
