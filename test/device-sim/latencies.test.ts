import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Latencies } from '../../device-sim/latencies.ts';

test('a percentile is within 2 % of the exact one', () => {
  const durations = fc.array(fc.double({ min: 0.01, max: 60_000, noNaN: true }), {
    minLength: 1,
    maxLength: 500,
  });
  fc.assert(
    fc.property(durations, fc.integer({ min: 1, max: 99 }), (ms, percent) => {
      const latencies = new Latencies();
      for (const each of ms) latencies.record(each);
      const sorted = ms.toSorted((a, b) => a - b);
      const exact = sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? 0;
      const told = latencies.percentile(percent) ?? 0;
      expect(Math.abs(told - exact)).toBeLessThanOrEqual(exact * 0.02);
      expect(latencies.count).toBe(ms.length);
    }),
  );
});

test('without a duration there is no percentile', () => {
  expect(new Latencies().percentile(99)).toBeNull();
});
