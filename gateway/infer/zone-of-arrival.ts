import type { ToldMoment } from './told-times.ts';

export interface ShownZone {
  readonly offsetMs: number;
  /** A name, or an offset: `+01:00`. */
  readonly zone: string;
}

const MINUTE_MS = 60_000;
/** From a message to its arrival, and the clocks of both. What comes later could be of another zone. */
const NEAR_MS = 3 * MINUTE_MS;
const NEAR_SHARE = 0.8;

/** Beside the whole hours from -12 to +14; after IANA's tz database, summer time included. */
const ODD_OFFSETS = [-9.5, -3.5, -2.5, 3.5, 4.5, 5.5, 5.75, 6.5, 8.75, 9.5, 10.5, 12.75, 13.75];
const OFFSETS_MS = [...Array.from({ length: 27 }, (_, i) => i - 12), ...ODD_OFFSETS].map(
  (hours) => hours * 60 * MINUTE_MS,
);

/** Of zones that keep summer time, by an offset that they have in some part of the year. */
const EXAMPLES: ReadonlyMap<number, string> = new Map([
  [-8, 'America/Los_Angeles'],
  [-7, 'America/Denver'],
  [-6, 'America/Chicago'],
  [-5, 'America/New_York'],
  [-4, 'America/New_York'],
  [0, 'Europe/London'],
  [10, 'Australia/Sydney'],
  [11, 'Australia/Sydney'],
  [12, 'Pacific/Auckland'],
  [13, 'Pacific/Auckland'],
]);

/**
 * The zone in which local times are those of their arrival; `ms` as if they were UTC. Null where there is none with such
 * an offset in the world: who is ten minutes late shows no zone.
 */
export function zoneShown(
  local: readonly ToldMoment[],
  zoneOf: (offsetMs: number, atMs: number) => string | null,
): ShownZone | null {
  const votes = new Map<number, number>();
  let live = 0;
  let lastMs = 0;
  for (const { ms, atMs } of local) {
    if (atMs === null) continue;
    live += 1;
    lastMs = Math.max(lastMs, atMs);
    const offsetMs = OFFSETS_MS.find((each) => Math.abs(ms - atMs - each) <= NEAR_MS);
    if (offsetMs !== undefined) votes.set(offsetMs, (votes.get(offsetMs) ?? 0) + 1);
  }
  for (const [offsetMs, count] of votes)
    if (count >= live * NEAR_SHARE)
      return { offsetMs, zone: zoneOf(offsetMs, lastMs) ?? (offsetMs === 0 ? 'UTC' : offsetText(offsetMs)) };
  return null;
}

/** In words what is to be checked of it: no offset is that of summer and winter where clocks are changed. */
export function fixedZoneNote({ offsetMs, zone }: ShownZone): string {
  const isNamed = zone.includes('/') && !zone.startsWith('Etc/');
  if (isNamed) return `${zone} fits its arrival. Check it: it is wrong by hours otherwise.`;
  const example = EXAMPLES.get(offsetMs / (60 * MINUTE_MS)) ?? 'Europe/Berlin';
  return `${zone} fits its arrival${offsetMs === 0 ? '' : ', check it'}. Where clocks change to summer time it is wrong by an hour from the next change on: if the device's clock does, name its zone, as in "zone": "${example}".`;
}

function offsetText(offsetMs: number): string {
  const minutes = Math.abs(offsetMs) / MINUTE_MS;
  const pad = (n: number): string => String(n).padStart(2, '0');
  return `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
