/** What the gateway has seen so far, as far as it decides on a reading: promised to ingest and to the mapping. A leaf. */

import type { BadReading, Message, OutcomeKind, Point, Reading } from './contracts.ts';
import type { Group } from './store-contract.ts';

/** Why a valid reading is not stored after all. */
export type Judgement =
  | {
      readonly kind: 'duplicate';
      /** The original's commit where it is still under way: acknowledging a repeat sooner would be a lie. */
      readonly original: Promise<void> | null;
    }
  | {
      readonly kind: 'bad';
      readonly code: Extract<BadReading['code'], 'type-conflict' | 'cardinality'>;
      /** One, with the remedy in its words. */
      readonly violations: BadReading['violations'];
    };

/** Repeats by identity, field types, the series budget, clocks and devices. Bounded in each of them. Never throws. */
export interface Ledgers {
  /** Null: it may be stored. Changes nothing. */
  judge(point: Point): Judgement | null;
  /** The point goes into `group`; what it adds to the ledgers is committed with it, or forgotten with it. */
  keep(point: Point, group: Group): void;
  /** Each reading that came in and what became of it, after `keep`; for the registry of devices and their clocks. */
  saw(reading: Reading, device: string, outcome: OutcomeKind, message: Message, nowMs: number): void;
}

/** What a device's clock is like, by its readings. Names are what people are shown. */
export type ClockDiagnosis =
  | 'unknown'
  | 'good'
  | 'offset'
  | 'drifting'
  | 'jumping'
  | 'wrong-unit'
  | 'no-clock';

/** What a schema does with a device's own time. */
export type ClockPolicy = 'trust' | 'arrival' | 'correct' | 'reject';

export interface DeviceClocks {
  /**
   * By how much a device's clock is ahead of arrival at this moment, µs (negative: behind): what `correct` takes away.
   * 0 where it is good; null while it is not known well enough.
   */
  offsetUs(device: string, nowMs: number): number | null;
  diagnosis(device: string): ClockDiagnosis;
  /** In words for people: "3 h 0 min ahead", "drifting 2.0 s/min", … Null where there is nothing to say. */
  words(device: string): string | null;
}

/** What an operator has written down of one device. */
export interface DeviceSettings {
  /** The name it is stored under; null: its own. */
  readonly alias: string | null;
  readonly tags: ReadonlyMap<string, string>;
  /** By field name: value × scale + offset, for readings from `fromMs` on; the last that fits counts. */
  readonly calibration: ReadonlyMap<
    string,
    readonly { readonly scale: number; readonly offset: number; readonly fromMs: number }[]
  >;
  /** Silent after this, ms; null: as its schema says. */
  readonly expectEveryMs: number | null;
}

/** `devices.yaml`, always as good as it has been. */
export interface DeviceBook {
  of(device: string): DeviceSettings | null;
  /** Rises with each change: what was worked out from an older one is to be worked out anew. */
  readonly version: number;
}
