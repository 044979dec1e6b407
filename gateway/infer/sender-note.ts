import type { PropertyProfile } from './property-profile.ts';
import { type SeenReading, valueUnder } from './reading-values.ts';

const SENDER =
  /^(?:(?:device|dev|sensor|node|station)(?:_?(?:id|eui|addr(?:ess)?|name|mac|uid))?|(?:meter|tag|unit|client)_?(?:id|addr(?:ess)?|mac)|id|uid|from|mac(?:_?addr(?:ess)?)?|addr(?:ess)?|serial|serial_?(?:number|no)|sn|bssid)$/i;
const MAX_DEPTH = 2;
/** More are no names of devices. */
const MAX_NAMES = 200;
/** In fewer readings no device need have come twice. */
const LEAST_TO_REPEAT = 5;

/**
 * In words, a property that is called like the name of a device and has several values on one topic, which come again: what
 * many devices send would be stored as that of one. Null where there is none. `isField`: it is drafted as a value.
 */
export function noteOnSender(
  leaves: readonly PropertyProfile[],
  readings: readonly SeenReading[],
  isField: (leaf: PropertyProfile) => boolean,
): string | null {
  const found = leaves
    .filter((leaf) => SENDER.test(leaf.name) && leaf.path.length <= MAX_DEPTH && isField(leaf))
    .sort((a, b) => a.path.length - b.path.length || b.seen - a.seen);
  for (const leaf of found) {
    const names = namesOnOneTopic(leaf, readings);
    if (names === 0) continue;
    const pointer = leaf.path.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
    const declared = leaf.integers > 0 ? ' and declare it as an integer' : '';
    return `${pointer} names ${names} different things on one topic, and what they send is one series: if it names the device, say "device": "${pointer}"${declared}.`;
  }
  return null;
}

/** How many names came on the topic with most of them; 0 where it is one, or where they are new all the time. */
function namesOnOneTopic(leaf: PropertyProfile, readings: readonly SeenReading[]): number {
  if (leaf.fractions + leaf.booleans + leaf.others + leaf.objects > 0) return 0;
  const byTopic = new Map<string, { readonly names: Set<string>; count: number }>();
  for (const { topic, value } of readings) {
    const name = valueUnder(value, leaf.path);
    if ((typeof name !== 'string' || name === '') && typeof name !== 'number') continue;
    const seen = byTopic.get(topic) ?? { names: new Set<string>(), count: 0 };
    byTopic.set(topic, seen);
    seen.count += 1;
    if (seen.names.size <= MAX_NAMES) seen.names.add(String(name));
  }
  let most = 0;
  for (const { names, count } of byTopic.values()) {
    if (names.size < 2 || names.size > MAX_NAMES || names.size === count) continue;
    if (count < LEAST_TO_REPEAT || names.size * 2 <= count) most = Math.max(most, names.size);
  }
  return most;
}
