import { hash } from 'node:crypto';
import type { Series } from '../contracts.ts';
import type { Judgement } from '../ledger-contract.ts';
import type { DeviceEntry } from './device-entry.ts';
import type { Verdict } from './field-types-measurement.ts';

/**
 * What the ledgers know of a series, kept at it (`Series.known`), so that nothing is looked up for each reading. Each
 * part says by a number of its own whether it still holds. It lives and goes with its `Series`, so whoever bounds those
 * bounds these. Up to 100 bytes.
 */
export class KnownSeries {
  /**
   * 64 bits of the SHA-256 of its key. Not a faster hash: whoever could make two keys collide could have series beyond
   * the budget.
   */
  readonly high: number;
  readonly low: number;
  /** Its place among the series of the budget; -1: it is none of them. As of `epoch`. */
  slot = -1;
  epoch = -1;
  /** Why it may not begin; null: it may, or has begun. As of `epoch`. */
  refusal: Judgement | null = null;
  /** When it is to be noted again that it was seen, minutes since 1970. */
  dueMinute = 0;
  /** What its schema's fields come to. */
  verdict: Verdict | null = null;
  /** Its device in the registry; it may have had to make room since. */
  entry: DeviceEntry | null = null;

  constructor(key: string) {
    const digest = hash('sha256', key, 'hex');
    this.high = Number.parseInt(digest.slice(0, 8), 16);
    this.low = Number.parseInt(digest.slice(8, 16), 16);
  }
}

/** Worked out when a series is met first. */
export function knownOf(series: Series): KnownSeries {
  const { known } = series;
  if (known instanceof KnownSeries) return known;
  const made = new KnownSeries(series.key);
  series.known = made;
  return made;
}
