import type { ToldMoment } from './told-times.ts';

/** How times that are not those of the arrival lie to it. */
export type ArrivalDistance =
  /** As far from it all the time, on each topic; ms, negative: behind. */
  | { readonly kind: 'constant'; readonly leastMs: number; readonly mostMs: number }
  | { readonly kind: 'standing' }
  /** Nothing tells whether they move. */
  | { readonly kind: 'unclear'; readonly medianMs: number };

/** Less shows no movement of what counts seconds. */
const LEAST_SPAN_MS = 2_000;
/** From a measurement to its arrival it takes longer once and shorter once. */
const SCATTER_MS = 60_000;
const MOST_SHARE = 0.8;

/** Null where no arrival is known. */
export function arrivalDistance(told: readonly ToldMoment[]): ArrivalDistance | null {
  const byTopic = new Map<string, Live[]>();
  for (const { topic, ms, atMs } of told) {
    if (atMs === null) continue;
    const known = byTopic.get(topic);
    if (known === undefined) byTopic.set(topic, [{ ms, atMs }]);
    else known.push({ ms, atMs });
  }
  const topics = [...byTopic.values()];
  if (topics.length === 0) return null;
  const offsets: number[] = [];
  let standing = 0;
  for (const live of topics) {
    const moves = doesMove(live);
    if (moves === true) offsets.push(medianOffset(live));
    else if (moves === false) standing += 1;
  }
  if (offsets.length > 0 && offsets.length >= (offsets.length + standing) * MOST_SHARE) {
    const sorted = offsets.toSorted((a, b) => a - b);
    return { kind: 'constant', leastMs: sorted[0] ?? 0, mostMs: sorted.at(-1) ?? 0 };
  }
  return standing > 0 ? { kind: 'standing' } : { kind: 'unclear', medianMs: medianOffset(topics.flat()) };
}

interface Live {
  readonly ms: number;
  readonly atMs: number;
}

/** Whether the times of one topic go on as the arrivals do; null where too little came to tell. */
function doesMove(live: readonly Live[]): boolean | null {
  if (live.length < 2) return null;
  const told = spanOf(live.map(({ ms }) => ms));
  if (told === 0) return false;
  const arrived = spanOf(live.map(({ atMs }) => atMs));
  if (arrived < LEAST_SPAN_MS) return null;
  if (Math.abs(told - arrived) > Math.max(LEAST_SPAN_MS, arrived / 2)) return false;
  const median = medianOffset(live);
  const near = live.filter(({ ms, atMs }) => Math.abs(ms - atMs - median) <= SCATTER_MS).length;
  return near >= live.length * MOST_SHARE;
}

function spanOf(moments: readonly number[]): number {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const ms of moments) {
    least = Math.min(least, ms);
    most = Math.max(most, ms);
  }
  return most - least;
}

function medianOffset(live: readonly Live[]): number {
  const offsets = live.map(({ ms, atMs }) => ms - atMs).sort((a, b) => a - b);
  return offsets[Math.floor(offsets.length / 2)] ?? 0;
}

/** `1 h 0 min ahead of`, `10 d 2 h behind`, also where it is another distance on each topic. */
export function distanceWords(leastMs: number, mostMs: number): string {
  const least = sideWords(leastMs);
  const most = sideWords(mostMs);
  if (mostMs - leastMs <= 2 * SCATTER_MS) return most;
  return `(on one topic and another) ${least}, and ${most}`;
}

function sideWords(ms: number): string {
  return `${spanWords(Math.abs(ms))} ${ms < 0 ? 'behind' : 'ahead of'}`;
}

function spanWords(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.round(ms / 1000)} s`;
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${days} d ${hours % 24} h`;
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}
