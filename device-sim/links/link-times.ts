import type { Tickable, Ticker } from './ticker.ts';

export const NEVER = Number.POSITIVE_INFINITY;

/** When a link has to look again: one entry at the ticker for all that it waits for. Times in ms of the ticker. */
export class LinkTimes {
  readonly #who: Tickable;
  readonly #ticker: Ticker;
  /** When the present state is over; what that means follows from the state. */
  #stateUntilMs = NEVER;
  #wakeAtMs = NEVER;

  constructor(who: Tickable, ticker: Ticker) {
    this.#who = who;
    this.#ticker = ticker;
  }

  get nowMs(): number {
    return this.#ticker.monotonicMs();
  }

  stateEndsIn(delayMs: number): void {
    this.#stateUntilMs = this.nowMs + delayMs;
    this.wakeBy(this.#stateUntilMs);
  }

  stateLasts(): void {
    this.#stateUntilMs = NEVER;
  }

  /** True once. */
  isStateOver(nowMs: number): boolean {
    if (nowMs < this.#stateUntilMs) return false;
    this.#stateUntilMs = NEVER;
    return true;
  }

  /** At this time, or when the state is over: whichever is first. */
  wakeBy(atMs: number): void {
    const firstMs = Math.min(atMs, this.#stateUntilMs);
    if (firstMs < this.#wakeAtMs) this.#wakeAtMs = this.#ticker.wakeAt(this.#who, firstMs);
  }

  /** To be asked first by whoever was woken. False: for nothing, it has changed its mind since. */
  isAwaited(nowMs: number): boolean {
    if (nowMs < this.#wakeAtMs) return false;
    this.#wakeAtMs = NEVER;
    return true;
  }
}
