import type { Clock, Point } from '../contracts.ts';
import { hashTransfer, type TransferHash } from '../ingest/transfer-hash.ts';

/** Identities of one dry run that are remembered: some 5 MB. */
const MAX_SEEN = 100_000;
/** Dry runs that are under way at the same time. */
const MAX_RUNS = 4;
const LOW_BITS_DROPPED = 11;
const HIGH_FACTOR = 2 ** (32 - LOW_BITS_DROPPED);

/** What a dry run would have stored by now: of readings with one identity only the first would be. */
export class Rehearsal {
  readonly #seen = new Set<number>();
  readonly #hash: TransferHash = { high: 0, low: 0 };
  readonly #identity = Buffer.alloc(8);
  readonly #maxSeen: number;
  /** Not all that came before is known: of what it takes for new some may be repeats. */
  isPartial: boolean;
  usedAtMs = 0;

  constructor(isPartial: boolean, maxSeen: number = MAX_SEEN) {
    this.isPartial = isPartial;
    this.#maxSeen = maxSeen;
  }

  /** Whether this run would have stored it already; else it would now. */
  isRepeat({ device, identity }: Pick<Point, 'device' | 'identity'>): boolean {
    if (identity === null) return false;
    const key = this.#keyOf(device, identity.high, identity.low);
    if (this.#seen.has(key)) return true;
    if (this.#seen.size >= this.#maxSeen) this.isPartial = true;
    else this.#seen.add(key);
    return false;
  }

  /** 53 bits: among so few, two that are not the same hardly ever meet. */
  #keyOf(device: string, high: number, low: number): number {
    this.#identity.writeUInt32LE(high >>> 0, 0);
    this.#identity.writeUInt32LE(low >>> 0, 4);
    hashTransfer(device, this.#identity, this.#hash);
    return this.#hash.high * HIGH_FACTOR + (this.#hash.low >>> LOW_BITS_DROPPED);
  }
}

/**
 * The dry runs under way, by the name that their pages have in common. A page without a name, or of a run that is no longer
 * remembered, knows only what is in itself.
 */
export class Rehearsals {
  readonly #runs = new Map<string, Rehearsal>();
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #heldMs: number;

  /** @param heldMs how long a run whose next page is not asked for is remembered */
  constructor(clock: Pick<Clock, 'monotonicMs'>, heldMs: number) {
    this.#clock = clock;
    this.#heldMs = heldMs;
  }

  /** For a page that begins at `after`. */
  take(run: string | null, after: string | null): Rehearsal {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, { usedAtMs }] of this.#runs)
      if (nowMs - usedAtMs > this.#heldMs) this.#runs.delete(name);
    if (run === null) return new Rehearsal(after !== null);
    const known = after === null ? undefined : this.#runs.get(run);
    const rehearsal = known ?? new Rehearsal(after !== null);
    rehearsal.usedAtMs = nowMs;
    // Those used longest ago come first.
    this.#runs.delete(run);
    this.#runs.set(run, rehearsal);
    for (const name of this.#runs.keys()) {
      if (this.#runs.size <= MAX_RUNS) break;
      this.#runs.delete(name);
    }
    return rehearsal;
  }

  /** Its last page was asked for. */
  end(run: string | null): void {
    if (run !== null) this.#runs.delete(run);
  }
}
