import { arrivalDistance, distanceWords } from './arrival-distance.ts';
import { timePartText } from './time-part.ts';
import type { TimeGuess, ToldMoment } from './told-times.ts';

/** In words, of what looks like a time and is not that of the arrival. */
export function standingNote(
  path: readonly string[],
  unit: TimeGuess['unit'],
  told: readonly ToldMoment[],
): string {
  const looks = `/${path.join('/')} looks like a time, and`;
  const distance = arrivalDistance(told);
  if (distance === null || distance.kind === 'standing')
    return `${looks} does not move with the arrival: the time of arrival counts.`;
  if (distance.kind === 'unclear')
    return `${looks} is ${distanceWords(distance.medianMs, distance.medianMs)} the arrival; too little came to tell whether it moves with it: the time of arrival counts.`;
  const far = distanceWords(distance.leastMs, distance.mostMs);
  return `${looks} moves with the arrival, but is always ${far} it: the time of arrival counts. If the clock is set wrong, or tells local time as UTC, ${timePartText({ path, unit, clock: 'correct' })} takes away what each device is wrong by.`;
}
