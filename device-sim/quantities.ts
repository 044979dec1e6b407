/** The quantities of the command line: rates, durations, shares. */
import { InvalidArgumentError } from 'commander';

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600 } as const;

function secondsOf(unit: string): number {
  return unit === 'ms' || unit === 's' || unit === 'm' || unit === 'h' ? SECONDS[unit] : 1;
}

/** `10/s`, `1/m`, `0.5` (per second) → per second. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:\/(s|m|h))?$/.exec(text);
  const rate = Number(match?.[1]) / secondsOf(match?.[2] ?? 's');
  if (match === null || rate <= 0) throw new InvalidArgumentError('a rate looks like 1/s, 10/s or 6/m');
  return rate;
}

/** `60s`, `500ms`, `5m`, `1h`, `60` (seconds) → ms. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('a duration looks like 60s, 5m or 1h');
  return Number(match[1]) * secondsOf(match[2] ?? 's') * 1000;
}

/** `5%` or `0.05` → 0.05. */
export function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const share = Number(match?.[1]) / (match?.[2] === '%' ? 100 : 1);
  if (match === null || share > 1) throw new InvalidArgumentError('a share looks like 5% or 0.05');
  return share;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('a whole number from 1');
  return count;
}

export function parseSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new InvalidArgumentError('a whole number from 0');
  return seed;
}

export function parseQos(text: string): 0 | 1 | 2 {
  if (text === '0') return 0;
  if (text === '1') return 1;
  if (text === '2') return 2;
  throw new InvalidArgumentError('0, 1 or 2');
}
