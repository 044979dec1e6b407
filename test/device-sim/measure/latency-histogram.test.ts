import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LatencyHistogram } from '../../../device-sim/measure/latency-histogram.ts';

test('a percentile is within 1 % of the exact one, or a microsecond', () => {
  const durations = fc.array(fc.double({ min: 0.01, max: 3_600_000, noNaN: true }), {
    minLength: 1,
    maxLength: 500,
  });
  fc.assert(
    fc.property(durations, fc.constantFrom(50, 90, 99, 99.9, 100), (ms, percent) => {
      const latencies = new LatencyHistogram();
      for (const each of ms) latencies.record(each);
      const sorted = ms.toSorted((a, b) => a - b);
      // The rank is rounded to the nearest, as HDR histograms do.
      const rank = Math.max(1, Math.round((sorted.length * percent) / 100));
      const exact = sorted[rank - 1] ?? 0;
      const told = latencies.percentile(percent) ?? 0;
      expect(Math.abs(told - exact)).toBeLessThanOrEqual(exact * 0.01 + 0.002);
      expect(latencies.count).toBe(ms.length);
    }),
  );
});

test('without a duration there is no percentile', () => {
  expect(new LatencyHistogram().percentile(99)).toBeNull();
});

test('two histograms make one', () => {
  const one = new LatencyHistogram();
  one.record(1);
  const other = new LatencyHistogram();
  other.record(100);
  one.add(other);
  one.add(new LatencyHistogram());
  expect(one.count).toBe(2);
  expect(one.percentile(100)).toBeCloseTo(100, 0);
});

test('nothing that is measured makes it throw', () => {
  const latencies = new LatencyHistogram();
  for (const ms of [-5, 0, 1e-9, 1e12]) latencies.record(ms);
  expect(latencies.count).toBe(4);
});
