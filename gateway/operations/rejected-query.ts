import { parseDuration } from '../config/units.ts';
import { GatewayError } from '../errors.ts';
import { printable } from '../printable.ts';
import type { RejectedQuery, RejectedSelection } from '../rejected-contract.ts';
import type { RejectionFilter } from '../store-contract.ts';

const MAX_IDS = 10_000;
/** What a `Date` can hold. */
const MAX_MS = 8.64e15;
const ISO_DAY = /^\d{4}-\d{2}-\d{2}$/;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * ms since the epoch of a moment as people write it: ISO 8601 with its zone (a day alone begins in UTC), or how long ago
 * (`2h`, `7d`).
 * @throws GatewayError `usage`.
 */
export function parseMoment(text: string, nowMs: number): number {
  const agoMs = parseDuration(text);
  const isIso = ISO_DAY.test(text) || ISO_TIME.test(text);
  const ms = agoMs !== null ? nowMs - agoMs : isIso ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  if (!(Math.abs(ms) <= MAX_MS))
    throw new GatewayError(
      'usage',
      `${printable(text, 64)} is no time: write 2026-03-01T12:00:00Z, or 2h for two hours ago (ms, s, min, h, d)`,
    );
  return ms;
}

/** @throws GatewayError `usage`. */
export function filterOf(query: RejectedQuery, nowMs: number): RejectionFilter {
  const { since, until, ...same } = query;
  return {
    ...same,
    ...(since === undefined ? {} : { sinceMs: parseMoment(since, nowMs) }),
    ...(until === undefined ? {} : { untilMs: parseMoment(until, nowMs) }),
  };
}

/** What was selected, one way or the other. */
export type Selected =
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  | { readonly kind: 'filter'; readonly filter: RejectionFilter };

/**
 * To leave everything out must not mean everything.
 * @throws GatewayError `usage`.
 */
export function selectedBy({ ids, filter, all }: RejectedSelection, nowMs: number): Selected {
  if (ids !== undefined) {
    if (filter !== undefined || all === true)
      throw new GatewayError('usage', 'give ids, or a filter, not both');
    if (ids.length === 0 || ids.length > MAX_IDS)
      throw new GatewayError('usage', `give 1 to ${MAX_IDS} ids, or a filter`);
    return { kind: 'ids', ids: [...new Set(ids)] };
  }
  const chosen = filter === undefined ? [] : Object.keys(filter).filter((key) => key !== 'limit');
  if (chosen.length === 0 && all !== true)
    throw new GatewayError(
      'usage',
      'say which rejected readings: ids, or one of code, device, client, topic, schema, sink, since, until; or all',
    );
  return { kind: 'filter', filter: filterOf(filter ?? {}, nowMs) };
}
