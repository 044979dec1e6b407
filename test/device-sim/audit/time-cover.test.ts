import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimeCover } from '../../../device-sim/audit/time-cover.ts';

const START_NS = 1_700_000_000_000_000_000n;
const MARGIN_NS = 60_000_000_000n;

describe('the times that a run can have touched', () => {
  it('hold every time that a reading claims, in order and without overlap', () => {
    const times = fc.array(fc.bigInt({ min: 0n, max: 2n ** 62n }), { maxLength: 600 });
    fc.assert(
      fc.property(times, (all) => {
        const cover = new TimeCover(START_NS);
        cover.said(START_NS + 1000n);
        for (const ns of all) cover.expect(ns);
        const ranges = cover.ranges(MARGIN_NS);
        expect(ranges.length).toBeLessThanOrEqual(200);
        for (const ns of [...all, START_NS, START_NS + 1000n]) {
          expect(ranges.filter(({ fromNs, toNs }) => ns >= fromNs && ns < toNs)).toHaveLength(1);
        }
        for (const [i, { fromNs, toNs }] of ranges.entries()) {
          expect(fromNs).toBeLessThan(toNs);
          expect(fromNs > (ranges[i - 1]?.toNs ?? -(2n ** 63n))).toBe(true);
        }
      }),
    );
  });

  it('are one stretch where every clock is right', () => {
    const cover = new TimeCover(START_NS);
    cover.said(START_NS + 5n);
    expect(cover.ranges(MARGIN_NS)).toEqual([
      { fromNs: START_NS - MARGIN_NS, toNs: START_NS + 5n + MARGIN_NS },
    ]);
  });
});
