import type { ClockDiagnosis } from '../ledger-contract.ts';
import { FAULT_COUNT } from './device-clock-faults.ts';
import { isGood, offsetAt } from './device-clock-line.ts';
import type { ClockState } from './device-clock-state.ts';

/** Quartz drifts by 20 to 100 ppm, an hour a year at most: not worth a word. */
const DRIFT = 500e-6;
/** For how long a jump is told. */
const JUMPING_MS = 86_400_000;
/** Years in which clocks start that nobody sets. */
const STARTS = new Set([1970, 1980, 2000]);

export function diagnose(s: ClockState, nowMs: number): ClockDiagnosis {
  if (s.otherUnit >= FAULT_COUNT && s.otherUnit >= s.noClock) return 'wrong-unit';
  if (s.noClock >= FAULT_COUNT) return 'no-clock';
  if (s.hasLine === 0) return 'unknown';
  if (s.strayedAtMs > 0 && nowMs - s.strayedAtMs < JUMPING_MS) return 'jumping';
  if (Math.abs(s.slope) >= DRIFT) return 'drifting';
  return isGood(offsetAt(s, nowMs)) ? 'good' : 'offset';
}

/** Null where there is nothing to say. */
export function clockWords(s: ClockState, nowMs: number): string | null {
  switch (diagnose(s, nowMs)) {
    case 'unknown':
    case 'good':
      return null;
    case 'wrong-unit':
      return unitWords(s);
    case 'no-clock':
      return noClockWords(s);
    case 'jumping':
      return `${jumpWords(s)}${s.jumps > 1 ? ` (${s.jumps} jumps)` : ''}, now ${offsetWords(s, nowMs)}`;
    case 'drifting':
      return `drifts ${driftWords(s.slope)}, now ${offsetWords(s, nowMs)}`;
    case 'offset':
      return offsetWords(s, nowMs);
  }
}

function unitWords(s: ClockState): string {
  switch (s.unitFactor) {
    case 1e-3:
      return s.unitWholeSeconds === 1
        ? 'sends milliseconds as seconds'
        : 'sends microseconds as milliseconds';
    case 1e-6:
      return 'sends microseconds as seconds';
    case 1e6:
      return 'sends seconds as microseconds';
  }
  return 'sends seconds as milliseconds';
}

function noClockWords(s: ClockState): string {
  const year = new Date(s.noClockFromMs).getUTCFullYear();
  if (STARTS.has(year)) return `has no clock: starts at ${year}`;
  return Number.isNaN(year) ? 'has no clock' : `has no clock: its time is in ${year}`;
}

function jumpWords(s: ClockState): string {
  const at = new Date(s.jumpedAtMs).toISOString().slice(0, 16);
  return `jumped ${s.jumpedByMs < 0 ? 'back' : 'ahead'} ${spanWords(Math.abs(s.jumpedByMs))} at ${at}Z`;
}

function driftWords(slope: number): string {
  const perMinute = slope * 60;
  if (Math.abs(perMinute) >= 0.1) return `${perMinute.toFixed(1)} s/min`;
  return `${(slope * 86_400).toFixed(0)} s/day`;
}

function offsetWords(s: ClockState, nowMs: number): string {
  const offsetMs = offsetAt(s, nowMs);
  if (isGood(offsetMs)) return 'right';
  return `${spanWords(Math.abs(offsetMs))} ${offsetMs < 0 ? 'behind' : 'ahead'}`;
}

/** The two largest units: `3 h 0 min`. */
export function spanWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  const days = Math.trunc(hours / 24);
  return days < 730 ? `${days} d ${hours % 24} h` : `${Math.trunc(days / 365.25)} years`;
}
