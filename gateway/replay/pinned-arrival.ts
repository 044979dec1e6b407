import type { ArrivalClock } from '../contracts.ts';

/** The upper half of a millisecond: the arrival clock counts up from its beginning and comes nowhere near. */
const FROM_NS = 500_000;
const SPAN_NS = 500_000;
/** A rejected message may turn out to be a list: so far apart ids that follow one another begin. */
const APART_NS = 1_000;

/**
 * The arrival clock of a rejected reading that is replayed: it stands at the millisecond in which the reading came, and
 * the digits below follow from the rejection's id. Ids follow one another, so those of one millisecond get digits of
 * their own: 500,000 rejections of one reading each, or 500 of a list of up to 1,000. And a replay that is done again
 * after a crash makes the same point, not a second one.
 */
export function createPinnedArrival(id: string, atMs: number): ArrivalClock {
  const ms = Math.trunc(atMs);
  const number = numberOf(id);
  const lists = SPAN_NS / APART_NS;
  let next = (number % lists) * APART_NS + (Math.trunc(number / lists) % APART_NS);
  return {
    nextNs() {
      const ns = FROM_NS + next;
      next = (next + 1) % SPAN_NS;
      return `${ms}${ns}`;
    },
    highWaterMs: ms,
    isProvisional: false,
  };
}

/** Of an id as the store gives them (`r` and a number in base 36) its number; of any other text one that follows from it. */
function numberOf(id: string): number {
  const counted = /^r([0-9a-z]{1,10})$/.exec(id)?.[1];
  if (counted !== undefined) return Number.parseInt(counted, 36);
  let hash = 0;
  for (let i = 0; i < id.length; i += 1) hash = (hash * 31 + id.charCodeAt(i)) % 2 ** 32;
  return hash;
}
