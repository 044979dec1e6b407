import type { Random } from '../random.ts';

/**
 * How long to wait before the next attempt, ms: between `minMs` and a bound that doubles with each attempt up to `maxMs`,
 * drawn evenly ("full jitter" above the minimum), so that 15,000 devices which were cut at once do not come back at once.
 * `attempt` counts from 0.
 */
export function backOffMs(attempt: number, minMs: number, maxMs: number, random: Random): number {
  const bound = Math.min(Math.max(minMs, maxMs), minMs * 2 ** Math.min(attempt + 1, 30));
  return minMs + (bound - minMs) * random.next();
}
