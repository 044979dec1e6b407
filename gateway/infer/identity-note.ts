import type { PropertyProfile } from './property-profile.ts';
import { type SeenReading, valueUnder } from './reading-values.ts';

const COUNTER = /^(?:seq|sequence|sequence_?number|msg_?id|counter)$/i;
const STARTS = /^(?:boot|boots|boot_?count|boot_?id|starts|restarts|session)$/i;
/** Fewer show nothing. */
const LEAST_READINGS = 3;

/**
 * In words, two properties that look as if they named a reading within its device: a counter, and one that counts its
 * starts. They are never drafted as `identity`: what was seen for minutes does not show that they never come again, and
 * under an identity that does come again readings are lost. Null where there are none, or where they came twice already.
 */
export function noteOnIdentity(
  leaves: readonly PropertyProfile[],
  readings: readonly SeenReading[],
  deviceOf: (reading: SeenReading) => string,
): string | null {
  const atTop = leaves.filter(({ path }) => path.length === 1);
  const counter = atTop.find(({ name }) => COUNTER.test(name));
  const starts = atTop.find(({ name }) => STARTS.test(name));
  if (counter === undefined || starts === undefined || readings.length < LEAST_READINGS) return null;
  const known = new Set<string>();
  for (const reading of readings) {
    const start = valueUnder(reading.value, starts.path);
    const count = valueUnder(reading.value, counter.path);
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(count)) return null;
    const key = JSON.stringify([deviceOf(reading), start, count]);
    if (known.has(key)) return null;
    known.add(key);
  }
  const names = JSON.stringify([starts.name, counter.name]).replace(',', ', ');
  return `${starts.name} and ${counter.name} look as if they named a reading within its device: add "identity": ${names} if they never come again, also not after a reset. Repeats are known by it then; where they do come again, readings would be lost.`;
}
