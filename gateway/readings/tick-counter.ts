import { TwoGenerations } from './two-generations.ts';

export interface TickCounterOptions {
  /** Series remembered; beyond that the ones not used for longest are forgotten. */
  readonly maxSeries?: number;
  /** Where in its upper half a span begins, 0 to 1; random for each run. */
  readonly seed?: number;
  /** Hands a series it has not seen the clean digits too: for `explain` and tests, where no earlier run stored anything. */
  readonly fresh?: boolean;
  /** The wall clock at the start: an earlier run may have stored any time up to it. Left out: none did. */
  readonly startedMs?: number;
}

interface Series {
  lastUs: number;
  /** Readings after the first in this tick; negative: an earlier run may have stored some as well. */
  repeats: number;
  /** What was given for times up to here is not known: before the start, or forgotten. */
  readonly unknownUpToUs: number;
}

const UNSURE = -1;
/** A question holds no more of them than a message holds readings. */
const PREVIEWED_SERIES = 10_000;

const DEFAULT_MAX_SERIES = 50_000;

/**
 * Gives payload times that are coarser than a nanosecond their missing digits, so that two readings of one series in
 * one tick of the device's clock both live (InfluxDB keeps one point per series and timestamp).
 *
 * A series whose time goes on gets zeros, and counts up while it stays. A time older than the last one, or the first of
 * a series that is not known (any more, or since the start), may be stored already, and so may all that a device sends
 * late from before the start: its digits come from the upper half of the span, from a counter that starts at random in
 * each run.
 */
export class TickCounter {
  private readonly series: TwoGenerations<Series>;
  private readonly fresh: boolean;
  private readonly seed: number;
  private readonly startedUs: number;
  private highestUs: number;
  private unsure = 0;
  /** Whose series this one goes on from, without changing them. */
  private base: TickCounter | null = null;

  constructor(options: TickCounterOptions = {}) {
    this.series = new TwoGenerations(options.maxSeries ?? DEFAULT_MAX_SERIES);
    this.seed = options.seed ?? Math.random();
    this.fresh = options.fresh ?? false;
    this.startedUs = (options.startedMs ?? 0) * US_PER_MS;
    this.highestUs = this.startedUs;
  }

  /** Gives what this one would give next, and leaves it as it is: for questions. */
  preview(): TickCounter {
    const { fresh, seed, startedUs } = this;
    const preview = new TickCounter({
      fresh,
      seed,
      startedMs: startedUs / US_PER_MS,
      maxSeries: PREVIEWED_SERIES,
    });
    preview.highestUs = this.highestUs;
    preview.unsure = this.unsure;
    preview.base = this;
    return preview;
  }

  /**
   * @param us the device's time in µs
   * @param span how many nanoseconds its tick has: 1,000,000 or 1,000
   * @returns nanoseconds as digits; null when the tick is used up: that clock stands still
   */
  nextNs(seriesKey: string, us: number, span: number): string | null {
    const half = span / 2;
    let known = this.series.get(seriesKey) ?? this.ofBase(seriesKey);
    let extra: number;
    if (us > this.highestUs) this.highestUs = us;
    if (known === undefined) {
      const hasForgotten = this.series.hasForgotten || this.base?.series.hasForgotten === true;
      const unknownUpToUs = hasForgotten ? this.highestUs : this.startedUs;
      known = { lastUs: us, repeats: this.fresh ? 0 : UNSURE, unknownUpToUs };
      this.series.set(seriesKey, known);
      extra = this.fresh ? 0 : this.upper(half);
    } else if (us > known.lastUs) {
      const isNew = us > known.unknownUpToUs;
      known.lastUs = us;
      known.repeats = isNew ? 0 : UNSURE;
      extra = isNew ? 0 : this.upper(half);
    } else if (us < known.lastUs || known.repeats === UNSURE) {
      extra = this.upper(half);
    } else {
      known.repeats += 1;
      if (known.repeats >= half) return null;
      extra = known.repeats;
    }
    return span === NS_PER_US ? `${us}${pad(extra, 3)}` : `${us / US_PER_MS}${pad(extra, 6)}`;
  }

  private ofBase(seriesKey: string): Series | undefined {
    const known = this.base?.series.peek(seriesKey);
    if (known === undefined) return undefined;
    const copy = { ...known };
    this.series.set(seriesKey, copy);
    return copy;
  }

  private upper(half: number): number {
    const offset = (Math.floor(this.seed * half) + this.unsure) % half;
    this.unsure += 1;
    return half + offset;
  }
}

const NS_PER_US = 1000;
const US_PER_MS = 1000;

function pad(value: number, digits: number): string {
  return value === 0 ? '000000'.slice(0, digits) : String(value).padStart(digits, '0');
}
