/** Durations in buckets 2 % apart: exact enough for percentiles, of constant size. */
export class Latencies {
  readonly #buckets = new Uint32Array(1200);
  #count = 0;
  #max = 0;

  record(ms: number): void {
    const us = ms * 1000;
    const bucket = us <= 1 ? 0 : Math.min(1199, Math.round(Math.log(us) * 50));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    if (ms > this.#max) this.#max = ms;
  }

  get count(): number {
    return this.#count;
  }

  /** The duration that `percent` of all stay within, ms; null when there is none. */
  percentile(percent: number): number | null {
    if (this.#count === 0) return null;
    if (percent >= 100) return round(this.#max);
    let left = Math.ceil((this.#count * percent) / 100);
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return round(Math.exp(bucket / 50) / 1000);
    }
    return round(this.#max);
  }
}

function round(ms: number): number {
  return Number(ms.toPrecision(3));
}
