import type { PropertyProfile } from './property-profile.ts';
import { type SeenReading, valueUnder } from './reading-values.ts';

const COUNTER = /^(?:seq|sequence|sequence_?number|msg_?id|counter)$/i;
const STARTS = /^(?:boot|boots|boot_?count|boot_?id|starts|restarts|session)$/i;
/** Fewer show nothing. */
const LEAST_READINGS = 3;

/**
 * Two properties that name a reading within its device for ever: a counter, and one that counts its starts. Only where
 * both were seen to rise strictly on each topic. A counter alone is none: it begins anew.
 */
export function guessIdentity(
  leaves: readonly PropertyProfile[],
  readings: readonly SeenReading[],
): readonly string[] | null {
  const atTop = leaves.filter(({ path }) => path.length === 1);
  const counter = atTop.find(({ name }) => COUNTER.test(name));
  const starts = atTop.find(({ name }) => STARTS.test(name));
  if (counter === undefined || starts === undefined || readings.length < LEAST_READINGS) return null;
  const last = new Map<string, readonly [number, number]>();
  let compared = 0;
  for (const { topic, value } of readings) {
    const start = valueUnder(value, starts.path);
    const count = valueUnder(value, counter.path);
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(count)) return null;
    const now = [Number(start), Number(count)] as const;
    const before = last.get(topic);
    if (before !== undefined) {
      compared += 1;
      if (now[0] < before[0] || (now[0] === before[0] && now[1] <= before[1])) return null;
    }
    last.set(topic, now);
  }
  return compared + 1 >= LEAST_READINGS ? [starts.name, counter.name] : null;
}
