import { describe, expect, test } from 'vitest';
import { Measurements } from '../../../device-sim/measure/measurements.ts';
import { progressLine, showProgress } from '../../../device-sim/measure/progress.ts';
import { describeSummary, summaryOf } from '../../../device-sim/measure/summary.ts';
import { parseScenario } from '../../../device-sim/scenario/load-scenario.ts';
import { HeldClock } from '../engine/engine-under-test.ts';

const scenario = parseScenario('fleets: [{ name: a, devices: 2 }, { name: b, devices: 3 }]', 'two.yaml');

function measured(): Measurements {
  const measurements = new Measurements(2);
  measurements.connections = 5;
  measurements.opened = 5;
  measurements.connected = 4;
  measurements.openMs = 1234;
  measurements.elapsedMs = 10_000;
  measurements.plannedMs = 20_000;
  measurements.waiting = 3;
  measurements.inFlight = 7;
  for (const [i, fleet] of measurements.fleets.entries()) {
    Object.assign(fleet.counts, {
      offered: 60 + i,
      heldBack: 5,
      sent: 50,
      badSent: 4,
      refused: 1,
      receipts: 2,
    });
    for (let n = 0; n < 40; n += 1) measurements.acknowledged(i, n < 3, 100 * (i + 1), 10);
  }
  return measurements;
}

describe('the summary', () => {
  test('adds the fleets up, and says what is missing', () => {
    const summary = summaryOf(scenario, measured());
    expect(summary).toMatchObject({
      scenario: 'two',
      devices: 5,
      seconds: 10,
      offered: 121,
      offeredPerSecond: 12,
      heldBack: 10,
      waiting: 3,
      sent: 100,
      badSent: 8,
      acknowledged: 80,
      badAcknowledged: 6,
      refused: 2,
      unacknowledged: 18,
      connections: { wanted: 5, opened: 5, openSeconds: 1.23, reconnects: 0 },
    });
    expect(summary.latency?.maxMs).toBeCloseTo(200, 0);
    expect(summary.service?.p99Ms).toBeCloseTo(10, 0);
    expect(summary.fleets.map(({ name, acknowledged }) => [name, acknowledged])).toEqual([
      ['a', 40],
      ['b', 40],
    ]);
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });

  test('in words', () => {
    const text = describeSummary(summaryOf(scenario, measured()));
    expect(text).toContain(
      'offered      121 (12/s); 10 held back: too many were waiting; 3 still waited at the end',
    );
    expect(text).toContain('acknowledged 80 (8/s); 18 NOT; 2 refused');
    expect(text).toMatch(/from its due time +100 +200 +200 +200 +200/);
    expect(text).toMatch(/from its sending +10 +10 +10 +10 +10/);
  });

  test('of a run without a reading has no latencies', () => {
    const summary = summaryOf(scenario, new Measurements(2));
    expect(summary.latency).toBeNull();
    expect(describeSummary(summary)).not.toContain('NaN');
  });
});

describe('progress', () => {
  test('is one line: a bar, rate, in flight, latency, time left', () => {
    expect(progressLine(measured(), 123.4, true)).toBe(
      '[##########··········]  50 %  123/s  7 in flight  3 waiting  4 of 5 up  p50 100 ms, p99 200 ms  10 held back  10 s left',
    );
  });

  test('says that it connects before anything is due', () => {
    const measurements = new Measurements(1);
    measurements.connections = 5;
    expect(progressLine(measurements, 0, true)).toBe('connecting: 0 of 5 up');
  });

  test('is drawn over itself on a terminal, and fits into it', async () => {
    const drawn: string[] = [];
    const clock = new HeldClock();
    const display = {
      live: true,
      columns: 40,
      draw: (line: string) => drawn.push(line),
      say: () => expect.unreachable(),
    };
    const stop = showProgress(measured(), display, clock);
    await clock.until(new Promise<void>((resolve) => clock.setTimer(1_100, resolve)));
    stop();
    expect(drawn.length).toBe(5);
    expect(drawn.every((line) => line.length < 40)).toBe(true);
    expect(drawn.at(-1)).toBe('');
  });

  test('is a plain line every few seconds where it is piped', async () => {
    const said: string[] = [];
    const clock = new HeldClock();
    const display = {
      live: false,
      columns: 80,
      draw: () => expect.unreachable(),
      say: (line: string) => said.push(line),
    };
    const stop = showProgress(measured(), display, clock);
    await clock.until(new Promise<void>((resolve) => clock.setTimer(11_000, resolve)));
    stop();
    expect(said.length).toBe(2);
    expect(said[0]).toContain('50 %  16/s');
  });
});
