import { isInt64 } from '../line-protocol/encode.ts';
import { parseIsoTime, type Zone, zoneOf } from './iso-time.ts';
import type { TimeRule, TimeUnit } from './telemetry.ts';
import { inWords } from './violation-words.ts';

/** A payload's own time: `us` µs since 1970, and below that as much as its clock told. */
export interface OwnTime {
  us: number;
  /** How many ns a tick of its clock has: 1,000,000, 1,000, or 1 where it gave them all. */
  span: 1_000_000 | 1_000 | 1;
  /** The ns below the µs, where `span` is 1. */
  subNs: number;
}

/** Why a time cannot be used: what it says is no time, or a time that cannot be. */
export interface TimeProblem {
  readonly code: 'invalid' | 'time-out-of-range';
  readonly message: string;
}

export interface TimeReader {
  /** Earliest time that is taken, µs. */
  readonly fromUs: number;
  /** How far ahead of the gateway's clock a time may be, µs. */
  readonly aheadUs: number;
  /** Fills `out`; the problem, or null. An age counts back from `baseUs`. A time may be far out of range. */
  parse(value: unknown, baseUs: number, out: OwnTime): TimeProblem | null;
  /** In words why a time is out of range, with a hint at the unit where `value` would fit another; null where it is not. */
  outOfRange(us: number, value: unknown, nowMs: number): string | null;
}

const US_PER_UNIT: Readonly<Record<Exclude<TimeUnit, 'iso' | 'ns'>, number>> = { s: 1e6, ms: 1e3, us: 1 };
const DEFAULT_FROM = '2000-01-01T00:00:00Z';
const DEFAULT_AHEAD = '1h';
const MS_PER: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
/** Digits of fewer than 18 places mean an arrival before the gateway's clock was set: they end in March 1973. */
const EARLIEST_FROM_US = Date.UTC(1975, 0, 1) * 1000;
/** 64 bits of ns end in 2262. */
export const LAST_US = Date.UTC(2262, 0, 1) * 1000;

/** The reader a rule asks for, or in words why there is none, with the key at fault. */
export function timeReader(rule: TimeRule): TimeReader | { readonly key: string; readonly message: string } {
  const { unit, kind = 'time' } = rule;
  if (kind === 'age' && (unit === 'iso' || unit === 'ns')) {
    return { key: 'unit', message: 'an age is counted in s, ms or us' };
  }
  if (rule.zone !== undefined && unit !== 'iso') return { key: 'zone', message: 'is only for the unit iso' };
  const zone = rule.zone === undefined ? null : zoneOf(rule.zone);
  if (rule.zone !== undefined && zone === null) {
    return { key: 'zone', message: 'is no time zone: use UTC, +02:00 or a name like Europe/Berlin' };
  }
  const from = parseIsoTime(rule.window?.from ?? DEFAULT_FROM, null);
  if (typeof from === 'string') return { key: 'window', message: `from ${from}` };
  if (from.us < EARLIEST_FROM_US) return { key: 'window', message: 'from must not be before 1975' };
  const ahead = rule.window?.ahead ?? DEFAULT_AHEAD;
  const aheadMs = durationMs(ahead);
  const fromUs = from.us;
  const parse = parserOf(unit, kind, zone);

  return {
    fromUs,
    aheadUs: aheadMs * 1000,
    parse(value, baseUs, out) {
      const problem = parse(value, baseUs, out);
      return problem === null ? null : { code: 'invalid', message: problem };
    },
    outOfRange(us, value, nowMs) {
      const lastUs = Math.min((nowMs + aheadMs) * 1000, LAST_US);
      if (us >= fromUs && us <= lastUs) return null;
      const limit =
        us < fromUs
          ? `before ${inIso(fromUs)}`
          : `more than ${ahead} ahead of this gateway's clock (${inIso(nowMs * 1000)})`;
      const hint = kind === 'time' ? otherUnit(value, unit, fromUs, lastUs) : '';
      return `is ${inIso(us)}, ${limit}${hint}`;
    },
  };
}

type Parse = (value: unknown, baseUs: number, out: OwnTime) => string | null;

function parserOf(unit: TimeUnit, kind: 'time' | 'age', zone: Zone | null): Parse {
  if (unit === 'iso') return (value, _, out) => fromIso(value, zone, out);
  if (unit === 'ns') return (value, _, out) => fromNs(value, out);
  const usPerUnit = US_PER_UNIT[unit];
  return (value, baseUs, out) => {
    const units =
      typeof value === 'number'
        ? value
        : typeof value === 'string' && isInt64(value)
          ? Number(value)
          : Number.NaN;
    const us = Math.round(units * usPerUnit);
    if (Number.isNaN(us)) return `must be a number of ${unit}, got ${inWords(value)}`;
    out.us = kind === 'age' ? baseUs - us : us;
    out.span = unit !== 'us' && us % 1000 === 0 ? 1_000_000 : 1_000;
    return null;
  };
}

function fromNs(value: unknown, out: OwnTime): string | null {
  const digits = typeof value === 'string' ? value : Number.isSafeInteger(value) ? String(value) : '';
  if (!isInt64(digits)) return `must be ns as a string of digits, got ${inWords(value)}`;
  out.us = digits.length > 3 ? Number(digits.slice(0, -3)) : 0;
  out.subNs = Number(digits.slice(-3));
  out.span = 1;
  return null;
}

function fromIso(value: unknown, zone: Zone | null, out: OwnTime): string | null {
  if (typeof value !== 'string') return `must be a time like 2026-03-01T12:00:00Z, got ${inWords(value)}`;
  const time = parseIsoTime(value, zone);
  if (typeof time === 'string') return `${time}, got ${inWords(value)}`;
  out.us = time.us;
  out.subNs = time.subNs;
  out.span = time.digits <= 3 ? 1_000_000 : time.digits <= 6 ? 1_000 : 1;
  return null;
}

/** The most common mistake with times: another unit than the schema says. */
function otherUnit(value: unknown, unit: TimeUnit, fromUs: number, lastUs: number): string {
  if (typeof value !== 'number' || unit === 'iso' || unit === 'ns') return '';
  for (const other of ['s', 'ms', 'us'] as const) {
    const us = value * US_PER_UNIT[other];
    if (other !== unit && us >= fromUs && us <= lastUs) {
      return `; in ${other} it would be ${inIso(us)}: check telemetry.time.unit`;
    }
  }
  return '';
}

export function durationMs(text: string): number {
  const [, digits, unit = ''] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  return Number(digits) * (MS_PER.get(unit) ?? Number.NaN);
}

export function inIso(us: number): string {
  const date = new Date(us / 1000);
  return Number.isNaN(date.getTime()) ? 'a time beyond the calendar' : date.toISOString();
}
