/** The quantities of the command line and of scenarios: rates, durations, shares, sizes. */
import { InvalidArgumentError } from 'commander';

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86_400 };
const BYTES: Readonly<Record<string, number>> = { B: 1, kB: 1000, KiB: 1024, MB: 1e6, MiB: 2 ** 20 };

/** `10/s`, `1/m`, `1/10s`, `0.5` (per second) → per second. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:\/(\d+(?:\.\d+)?)?(ms|s|m|min|h|d))?$/.exec(text);
  const rate = Number(match?.[1]) / (Number(match?.[2] ?? 1) * (SECONDS[match?.[3] ?? 's'] ?? 1));
  if (match === null || !(rate > 0) || rate > 1e6)
    throw new InvalidArgumentError('a rate looks like 1/s, 10/s, 6/m or 1/10s');
  return rate;
}

/** `60s`, `500ms`, `5m`, `5min`, `1h`, `60` (seconds) → ms. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|min|h|d)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('a duration looks like 60s, 5m or 1h');
  return Number(match[1]) * (SECONDS[match[2] ?? 's'] ?? 1) * 1000;
}

/** `5%` or `0.05` → 0.05. */
export function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const share = Number(match?.[1]) / (match?.[2] === '%' ? 100 : 1);
  if (match === null || share > 1) throw new InvalidArgumentError('a share looks like 5% or 0.05');
  return share;
}

/** `512B`, `64KiB`, `1000` (bytes) → bytes. */
export function parseBytes(text: string): number {
  const match = /^(\d+)(B|kB|KiB|MB|MiB)?$/.exec(text);
  const bytes = Number(match?.[1]) * (BYTES[match?.[2] ?? 'B'] ?? 1);
  if (match === null || bytes < 1 || bytes > 256 * 2 ** 20)
    throw new InvalidArgumentError('a size looks like 512B or 64KiB');
  return bytes;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('a whole number from 1');
  return count;
}

/** Bounded as in a scenario: each has a place in memory. */
export function parseDevices(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1 || count > 1_000_000)
    throw new InvalidArgumentError('a whole number from 1 to 1000000');
  return count;
}

export function parseSeed(text: string): number {
  const seed = Number(text);
  // As in a scenario: phases and faults are drawn from 32 bits of it.
  if (!Number.isSafeInteger(seed) || seed < 0 || seed > 0xffff_ffff || text.trim() === '')
    throw new InvalidArgumentError('a whole number from 0 to 4294967295');
  return seed;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isSafeInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 1 to 65535');
  return port;
}

export function parseQos(text: string): 0 | 1 | 2 {
  if (text === '0') return 0;
  if (text === '1') return 1;
  if (text === '2') return 2;
  throw new InvalidArgumentError('0, 1 or 2');
}
