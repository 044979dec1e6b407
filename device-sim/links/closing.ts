/** The end of a link, from when it is asked for: what is under way is waited for until a time, ms of the ticker. */
export class Closing {
  #untilMs = 0;
  readonly #resolves: (() => void)[] = [];

  /** Resolves with `done`. Asked for again, the later time counts. */
  ask(untilMs: number): Promise<void> {
    this.#untilMs = untilMs;
    return new Promise((resolve) => {
      this.#resolves.push(resolve);
    });
  }

  isDue(inFlight: number, nowMs: number): boolean {
    return inFlight === 0 || nowMs >= this.#untilMs;
  }

  /** When to look again; Infinity: the time is over. */
  nextMs(nowMs: number): number {
    return this.#untilMs > nowMs ? this.#untilMs : Number.POSITIVE_INFINITY;
  }

  done(): void {
    for (const resolve of this.#resolves.splice(0)) resolve();
  }
}
