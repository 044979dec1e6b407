import type { ClockPolicy } from '../ledger-contract.ts';
import type { LeafShape } from './field-shape.ts';
import { propertyPath } from './property-path.ts';
import { durationMs, type TimeReader, timeReader } from './reading-time.ts';
import type { Telemetry } from './telemetry.ts';

/** How a reading's own time is read, and what is done with it. */
export interface TimePlan {
  readonly path: readonly string[];
  readonly reader: TimeReader;
  /** It counts back from the arrival, and says nothing of the device's clock. */
  readonly isAge: boolean;
  readonly clock: ClockPolicy;
  readonly toleranceUs: number;
  /** The field that keeps the device's own time where another is stored; null where none is. */
  readonly original: string | null;
}

/** More than a reading takes to arrive when a client reconnects, less than the quarter of an hour between time zones. */
const DEFAULT_TOLERANCE = '5m';
const DEFAULT_ORIGINAL = 'device_time';

/** Null where there is no rule for the time, or a problem with it, which goes to `at`. */
export function planTime(
  { time }: Telemetry,
  leafAt: (path: readonly string[]) => LeafShape | undefined,
  at: (key: string, message: string) => void,
): TimePlan | null {
  if (time === undefined) return null;
  const path = propertyPath(time.property);
  const leaf = leafAt(path);
  if (leaf === undefined) at('/time/property', `"${time.property}" is no declared property`);
  else if (time.unit === 'iso' && leaf.type !== 'string')
    at('/time/unit', 'iso needs a property of type string');
  else if (time.unit === 'ns' && leaf.type !== 'string' && !leaf.int64) {
    at('/time/unit', 'ns do not fit a JSON number: declare the property as a string with "format": "int64"');
  } else if (time.unit !== 'iso' && leaf.type === 'boolean') at('/time/property', 'a boolean is no time');

  const { clock = 'trust' } = time;
  const isAge = time.kind === 'age';
  const keeps = clock === 'arrival' || clock === 'correct';
  if (isAge && clock !== 'trust') at('/time/clock', 'an age does not depend on the clock of the device');
  else if (time.tolerance !== undefined && clock === 'trust') {
    at('/time/tolerance', 'is of no effect with the clock trust, which takes every time within the window');
  } else if (time.original !== undefined && !keeps) {
    at('/time/original', 'is for the clocks arrival and correct: the others store no other time');
  }
  const reader = timeReader(time);
  if (!('parse' in reader)) {
    at(`/time/${reader.key}`, reader.message);
    return null;
  }
  return {
    path,
    reader,
    isAge,
    clock,
    toleranceUs: durationMs(time.tolerance ?? DEFAULT_TOLERANCE) * 1000,
    original: keeps ? (time.original ?? DEFAULT_ORIGINAL) : null,
  };
}
