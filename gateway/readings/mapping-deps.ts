import type { DeviceBook, DeviceClocks } from '../ledger-contract.ts';
import type { TickCounter } from './tick-counter.ts';

/** What the mapping asks besides the schemas. */
export interface MappingDeps {
  readonly ticks: TickCounter;
  readonly clocks: DeviceClocks;
  readonly book: DeviceBook;
}

/** Nothing is known of any clock: for commands that only load, and tests. */
export const NO_CLOCKS: DeviceClocks = Object.freeze({
  offsetUs: () => null,
  diagnosis: () => 'unknown' as const,
  words: () => null,
});

/** Nothing is written down of any device. */
export const NO_BOOK: DeviceBook = Object.freeze({ of: () => null, version: 0 });

/** In words why a format spec makes no sense; null where it does. Formats are another stage: the wiring passes it in. */
export type FormatProblem = (spec: string) => string | null;

/** Takes every format spec at its word. */
export const ANY_FORMAT: FormatProblem = () => null;
