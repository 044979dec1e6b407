import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** A day: what is longer counts as this. */
const LONGEST_US = 86_400_000_000;

/** Durations in an HDR histogram: three significant figures from 1 µs to a day, of constant size. */
export class LatencyHistogram {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: LONGEST_US, figures: 3 });

  record(ms: number): void {
    this.#histogram.record(Math.min(LONGEST_US, Math.max(1, Math.round(ms * 1000))));
  }

  /** Takes in all that another one has. */
  add(other: LatencyHistogram): void {
    if (other.count > 0) this.#histogram.add(other.#histogram);
  }

  get count(): number {
    return this.#histogram.count;
  }

  /** The duration, ms, that `percent` of all stay within; 100: the longest. Null when there is none. */
  percentile(percent: number): number | null {
    if (this.count === 0) return null;
    const us = percent >= 100 ? this.#histogram.max : this.#histogram.percentile(percent);
    return Number((us / 1000).toPrecision(3));
  }

  reset(): void {
    this.#histogram.reset();
  }
}
