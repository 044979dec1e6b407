/** How long to wait before trying a sink again. The one place where that is decided. */
export interface BackoffOptions {
  /** The first wait is at most this; each further one may be twice as long, up to the cap. */
  readonly baseMs: number;
  readonly capMs: number;
  /** Where somebody has to act first: between this and twice this. */
  readonly pauseMs: number;
}

export const BACKOFF: BackoffOptions = { baseMs: 500, capMs: 30_000, pauseMs: 30_000 };

/** Never at once, so that no answer can make the loop spin. */
const LEAST_MS = 100;
/** A server's `Retry-After` is kept up to this: nobody may send the gateway to sleep for a year. */
const MAX_RETRY_AFTER_MS = 10 * 60_000;

export class Backoff {
  private failures = 0;
  private readonly options: BackoffOptions;
  private readonly random: () => number;

  /** `random` gives numbers from 0 up to 1. */
  constructor(options: BackoffOptions, random: () => number) {
    this.options = options;
    this.random = random;
  }

  /** With full jitter: many gateways that lost one server do not come back to it all at once. */
  retryMs(afterMs: number | null): number {
    const { baseMs, capMs } = this.options;
    const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(this.failures, 30));
    this.failures += 1;
    if (afterMs !== null) return Math.max(LEAST_MS, Math.min(MAX_RETRY_AFTER_MS, afterMs));
    return Math.max(LEAST_MS, ceiling * this.random());
  }

  pauseMs(): number {
    return this.options.pauseMs * (1 + this.random());
  }

  /** It worked: the next trouble is a first one. */
  reset(): void {
    this.failures = 0;
  }
}
