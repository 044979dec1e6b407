import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StageSpec } from '../../../device-sim/contracts.ts';
import { Schedule } from '../../../device-sim/engine/schedule.ts';
import { createTimeline } from '../../../device-sim/engine/timeline.ts';

const stages = fc.array(
  fc.record({
    kind: fc.constantFrom<StageSpec['kind']>('hold', 'burst', 'storm'),
    durationMs: fc.integer({ min: 1, max: 60_000 }),
    rate: fc.constantFrom(0, 0.5, 1, 3, 20),
    share: fc.constant(1),
  }),
  { minLength: 1, maxLength: 6 },
);

test('weighted time and time are each the inverse of the other, where anything is said at all', () => {
  fc.assert(
    fc.property(stages, fc.double({ min: 0, max: 0.999, noNaN: true }), (all, share) => {
      const timeline = createTimeline(all);
      const offsetUs = timeline.endUs * share;
      const back = timeline.offsetAt(timeline.weightAt(offsetUs));
      // Within a pause the weight stands still: the next thing that is said comes after it, or never.
      expect(back).toBeGreaterThanOrEqual(offsetUs - 1);
      if (Number.isFinite(back)) expect(timeline.weightAt(back)).toBeCloseTo(timeline.weightAt(offsetUs), 0);
      expect(timeline.offsetAt(timeline.weightAt(timeline.endUs) + 1)).toBe(Number.POSITIVE_INFINITY);
    }),
  );
});

test('the schedule gives every reading once, in order, and as many as the rates come to', () => {
  const device = fc.record({
    ratePerSecond: fc.constantFrom(0.1, 1, 7, 33.3),
    fromUs: fc.integer({ min: 0, max: 1_000_000 }),
  });
  const devices = fc.array(device, { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(devices, stages, fc.nat(), (of, all, seed) => {
      const timeline = createTimeline(all.map((stage) => ({ ...stage, durationMs: stage.durationMs / 100 })));
      const schedule = new Schedule(of, timeline, seed);
      const counts = of.map(() => 0);
      const wrong: number[] = [];
      let last = { atUs: -1, device: -1 };
      while (schedule.nextUs !== Number.POSITIVE_INFINITY) {
        const atUs = schedule.nextUs;
        const next = { atUs, device: schedule.take() };
        const inOrder = atUs > last.atUs || (atUs === last.atUs && next.device > last.device);
        const inTime = atUs < timeline.endUs && atUs >= (of[next.device]?.fromUs ?? 0);
        if (!inOrder || !inTime || !Number.isInteger(atUs)) wrong.push(atUs);
        counts[next.device] = (counts[next.device] ?? 0) + 1;
        last = next;
      }
      expect(wrong).toEqual([]);
      for (const [i, { ratePerSecond, fromUs }] of of.entries()) {
        const weightUs =
          timeline.weightAt(timeline.endUs) - timeline.weightAt(Math.min(fromUs, timeline.endUs));
        expect(Math.abs((counts[i] ?? 0) - (weightUs / 1e6) * ratePerSecond)).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 50 },
  );
});

test('what is due at once comes in the order of the devices', () => {
  const devices = Array.from({ length: 500 }, () => ({ ratePerSecond: 1000, fromUs: 0 }));
  const schedule = new Schedule(
    devices,
    createTimeline([{ kind: 'hold', durationMs: 50, rate: 1, share: 1 }]),
    1,
  );
  let ties = 0;
  let last = { atUs: -1, device: -1 };
  while (schedule.nextUs !== Number.POSITIVE_INFINITY) {
    const next = { atUs: schedule.nextUs, device: schedule.take() };
    if (next.atUs === last.atUs) {
      ties += 1;
      if (next.device <= last.device) expect(next).toBe('in order');
    }
    last = next;
  }
  expect(ties).toBeGreaterThan(1000);
});
