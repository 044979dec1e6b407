import type { FaultRates } from '../contracts.ts';
import type { Random } from '../random.ts';

/** Faults that stay for a while once they have come. */
export const EPISODES = ['stuck', 'silence', 'clock-skew', 'clock-drift', 'clock-1970'] as const;
export type EpisodeKind = (typeof EPISODES)[number];

export interface Episode {
  readonly kind: EpisodeKind;
  /** When it began, since the start of the run. */
  readonly fromUs: number;
  /** A number of its own in [0, 1): how far the clock is off. */
  readonly measure: number;
}

/** Readings that one episode lasts, on average. */
const MEAN: Readonly<Record<EpisodeKind, number>> = {
  stuck: 20,
  silence: 15,
  'clock-skew': 30,
  'clock-drift': 30,
  'clock-1970': 10,
};
/** A device must come out of its faults now and then. */
const LARGEST_SHARE = 0.98;

export interface EpisodeShare {
  readonly kind: EpisodeKind;
  readonly share: number;
  /** That it begins at a reading, where none is. */
  readonly chance: number;
}

/** What rates mean for single readings. */
export function episodeShares(rates: FaultRates, kinds: readonly EpisodeKind[]): readonly EpisodeShare[] {
  const wanted = kinds.map((kind) => ({ kind, rate: rates[kind] ?? 0 })).filter(({ rate }) => rate > 0);
  const sum = wanted.reduce((total, { rate }) => total + rate, 0);
  const scale = sum > LARGEST_SHARE ? LARGEST_SHARE / sum : 1;
  const free = 1 - sum * scale;
  return wanted.map(({ kind, rate }) => ({
    kind,
    share: rate * scale,
    chance: Math.min(1, (rate * scale) / (MEAN[kind] * free)),
  }));
}

/**
 * The episodes of one device: one at a time, so that each strikes its rate's share of the readings in the long run, from
 * the first reading on.
 */
export class Episodes {
  private readonly shares: readonly EpisodeShare[];
  private current: Episode | null = null;
  private left = 0;
  private isFirst: boolean = true;

  constructor(shares: readonly EpisodeShare[]) {
    this.shares = shares;
  }

  /** Which one holds for the next reading. To be called for each. */
  next(random: Random, offsetUs: number): Episode | null {
    if (this.left > 0) {
      this.left -= 1;
      if (this.left > 0) return this.current;
      this.current = null;
    }
    let draw = random.next();
    for (const { kind, share, chance } of this.shares) {
      // The run begins in the midst of things.
      const likely = this.isFirst ? share : chance;
      if (draw < likely) {
        const mean = MEAN[kind];
        this.left = this.isFirst ? 1 + random.below(mean) : (mean >> 1) + random.below(mean + 1);
        this.current = { kind, fromUs: offsetUs, measure: random.next() };
        break;
      }
      draw -= likely;
    }
    this.isFirst = false;
    return this.current;
  }
}
