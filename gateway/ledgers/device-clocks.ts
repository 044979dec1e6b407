import type { ClockDiagnosis, DeviceClocks } from '../ledger-contract.ts';
import type { DeviceReport } from '../operations-contract.ts';
import { takeOwnTime } from './device-clock-faults.ts';
import { isGood, isInDoubt, offsetAt, takeOffset } from './device-clock-line.ts';
import { ClockPages } from './device-clock-pages.ts';
import { clockWords, diagnose } from './device-clock-words.ts';

/** The clock doctor: what each device's clock is like, by the readings that carry their own time. */
export interface DeviceClockBook extends DeviceClocks {
  /**
   * A reading that carries its own time. O(1), allocates nothing but for the first of a device.
   * `sentUs` is as the schema's unit has it, right or wrong. Nothing is learnt while the gateway's own clock is not set.
   */
  observe(device: string, sentUs: number, arrivalMs: number): void;
  report(device: string, nowMs: number): DeviceReport['clock'];
  forget(device: string): void;
  /**
   * The gateway's own clock was set, or stepped. Everything measured is forgotten rather than shifted: whether the clock
   * was wrong before the step, or the machine slept and it never was, cannot be told.
   */
  gatewayClockStepped(): void;
  /** What is known, to be kept in a document; null: nothing. */
  dump(device: string): readonly number[] | null;
  restore(device: string, dump: readonly unknown[]): void;
  /** Clocks that are held: at most `maxDevices`. */
  readonly size: number;
}

export interface DeviceClocksOptions {
  readonly nowMs: () => number;
  /** The gateway's own clock is not set. */
  readonly isProvisional: () => boolean;
  /** Beyond, clocks of further devices stay unknown; the registry lets its own bound be felt before. */
  readonly maxDevices?: number;
}

const NOTHING: DeviceReport['clock'] = Object.freeze({
  diagnosis: 'unknown',
  words: null,
  offsetMs: null,
  driftPpm: null,
  jumps: 0,
});

/** 360 bytes a device that sends its own time, besides its entry in a map; nothing for one that does not. */
export function createDeviceClocks(options: DeviceClocksOptions): DeviceClockBook {
  const { nowMs: now, isProvisional, maxDevices = 50_000 } = options;
  const pages = new ClockPages();
  const slots = new Map<string, number>();

  function slotFor(device: string): number | undefined {
    if (slots.size >= maxDevices) return undefined;
    const slot = pages.acquire();
    slots.set(device, slot);
    return slot;
  }

  /** Null where too little is known. */
  function offsetMs(slot: number, nowMs: number): number | null {
    const state = pages.load(slot);
    const diagnosis = diagnose(state, nowMs);
    if (diagnosis === 'unknown' || diagnosis === 'no-clock' || diagnosis === 'wrong-unit') return null;
    return isInDoubt(state) ? null : offsetAt(state, nowMs);
  }

  return {
    observe(device, sentUs, arrivalMs) {
      if (isProvisional() || !Number.isFinite(sentUs)) return;
      const slot = slots.get(device) ?? slotFor(device);
      if (slot === undefined) return;
      const state = pages.load(slot);
      state.readings += 1;
      if (takeOwnTime(state, sentUs, arrivalMs))
        takeOffset(state, pages.points(slot), arrivalMs, sentUs / 1000 - arrivalMs);
      pages.save(slot, state);
    },

    offsetUs(device, nowMs) {
      const slot = slots.get(device);
      const offset = slot === undefined ? null : offsetMs(slot, nowMs);
      if (slot === undefined || offset === null) return null;
      const isRight = isGood(offset) && diagnose(pages.load(slot), nowMs) !== 'drifting';
      return isRight ? 0 : Math.round(offset * 1000);
    },

    diagnosis(device): ClockDiagnosis {
      const slot = slots.get(device);
      return slot === undefined ? 'unknown' : diagnose(pages.load(slot), now());
    },

    words(device) {
      const slot = slots.get(device);
      return slot === undefined ? null : clockWords(pages.load(slot), now());
    },

    report(device, nowMs) {
      const slot = slots.get(device);
      if (slot === undefined) return NOTHING;
      const offset = offsetMs(slot, nowMs);
      const state = pages.load(slot);
      return {
        diagnosis: diagnose(state, nowMs),
        words: clockWords(state, nowMs),
        offsetMs: offset === null ? null : Math.round(offset),
        driftPpm: state.slope === 0 ? null : Math.round(state.slope * 1e6),
        jumps: state.jumps,
      };
    },

    forget(device) {
      const slot = slots.get(device);
      if (slot === undefined) return;
      slots.delete(device);
      pages.release(slot);
    },

    gatewayClockStepped() {
      pages.clearAll();
    },

    dump(device) {
      const slot = slots.get(device);
      return slot === undefined || pages.load(slot).readings === 0 ? null : pages.dump(slot);
    },

    restore(device, dump) {
      const slot = slots.get(device) ?? slotFor(device);
      if (slot !== undefined && !pages.restore(slot, dump)) pages.clear(slot);
    },

    get size() {
      return slots.size;
    },
  };
}
