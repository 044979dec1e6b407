const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** After a start, or after the clock was set: whoever is alive has the time to be seen first. */
const GRACE_MS = HOUR_MS;
/** A clock before this has not been set (2025-01-01): days in the future are no mistake then. */
const PLAUSIBLE_MS = 1_735_689_600_000;

/**
 * When to look for series that nobody has seen for long. Once an hour, but not within an hour of a start or of a jump of
 * the clock by more than a day: a gateway that was switched off for a month, or wakes up in 1970 and is set, would else
 * take the places of all its devices for free.
 */
export class SeriesAgeing {
  #lastMs: number;
  #nextMs: number;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
    this.#nextMs = nowMs + GRACE_MS;
  }

  /** To be asked now and then. */
  isDue(nowMs: number): boolean {
    const jumped = Math.abs(nowMs - this.#lastMs) > DAY_MS;
    this.#lastMs = nowMs;
    if (jumped) this.#nextMs = nowMs + GRACE_MS;
    if (nowMs < this.#nextMs && this.#nextMs - nowMs <= GRACE_MS) return false;
    this.#nextMs = nowMs + HOUR_MS;
    return nowMs >= PLAUSIBLE_MS;
  }
}
