import type { Violation } from '../contracts.ts';
import { printable } from '../printable.ts';

const SHOWN_CHARACTERS = 60;
/** A tag with more values than this is worth naming, where it is responsible for most series of its measurement. */
const MANY_VALUES = 100;

export interface SeriesRefusal {
  readonly measurement: string;
  /** Which budget is used up, and what it is. */
  readonly limit: 'series' | 'seriesPerMeasurement';
  readonly budget: number;
  /** The measurement's own series. */
  readonly count: number;
  readonly tags: readonly { readonly key: string; readonly valuesEstimate: number }[];
}

/** Why a reading may not begin a series, and what to do about it. Without the series itself, so that causes can be grouped. */
export function seriesViolation({ measurement, limit, budget, count, tags }: SeriesRefusal): Violation {
  const name = shown(measurement);
  const whose = limit === 'series' ? 'the gateway' : `measurement ${name}`;
  const [most] = tags;
  const culprit =
    most !== undefined && most.valuesEstimate > MANY_VALUES && most.valuesEstimate > count / 2
      ? `tag ${shown(most.key)} has about ${most.valuesEstimate} values there: make it a field`
      : 'keep what changes from reading to reading out of the tags';
  return {
    pointer: '',
    message: `would begin a new series of ${name}, and all ${budget} of ${whose} are in use (limits.${limit}); series that exist go on. ${culprit}, or raise the limit; telemetry-gateway account --series shows who uses them`,
  };
}

function shown(text: string): string {
  return `"${printable(text, SHOWN_CHARACTERS)}"`;
}
