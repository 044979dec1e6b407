import { describe, expect, it } from 'vitest';
import { type DrainRun, worstSecondMs } from '../../../bench/drain-run.ts';
import {
  drainReport,
  drainSentence,
  drainSeries,
  liveSentence,
  memorySentence,
} from '../../../bench/scaling/drain-report.ts';

const BEGAN = 1_000_000;

const RUN: DrainRun = {
  livePerSecond: 5000,
  bareBytes: 70e6,
  filling: [
    { atMs: BEGAN - 2000, waiting: 0, rssAnonBytes: 71e6 },
    { atMs: BEGAN - 1000, waiting: 400_000, rssAnonBytes: 110e6 },
  ],
  draining: [
    { atMs: BEGAN + 400, waiting: 350_000, rssAnonBytes: 120e6 },
    { atMs: BEGAN + 900, waiting: 300_000, rssAnonBytes: 150e6 },
    { atMs: BEGAN + 2100, waiting: 9000, rssAnonBytes: 140e6 },
  ],
  beganMs: BEGAN,
  endedMs: BEGAN + 2200,
  idleUntilMs: BEGAN,
  waitingAtFirst: 400_000,
  drainedPerSecond: 177_727,
  p99BeforeMs: 20,
  liveSeconds: [
    { endMs: BEGAN + 1000, perSecond: 5000, p99Ms: 40 },
    { endMs: BEGAN + 2000, perSecond: 4000, p99Ms: 400 },
    { endMs: BEGAN + 3000, perSecond: 6000, p99Ms: 90 },
    { endMs: BEGAN + 4000, perSecond: 5000, p99Ms: 900 },
  ],
  stored: 411_000,
  found: 411_000,
};

describe('the series of a drain', () => {
  it('has each second with the last that was seen in it, and gaps where nothing was', () => {
    expect(drainSeries(RUN)).toEqual([
      { second: 1, waiting: 300_000, rssAnonBytes: 150e6, livePerSecond: 5000, liveP99Ms: 40 },
      { second: 2, waiting: null, rssAnonBytes: null, livePerSecond: 4000, liveP99Ms: 400 },
      { second: 3, waiting: 9000, rssAnonBytes: 140e6, livePerSecond: 6000, liveP99Ms: 90 },
      { second: 4, waiting: null, rssAnonBytes: null, livePerSecond: 5000, liveP99Ms: 900 },
    ]);
  });

  it('is not made from nothing', () => {
    expect(() => drainSeries({ ...RUN, draining: [], liveSeconds: [] })).toThrow('nothing was seen');
  });

  it('is thinned in the table, and whole in the plot', () => {
    const draining = Array.from({ length: 100 }, (_, i) => ({
      atMs: BEGAN + 500 + i * 1000,
      waiting: 100 - i,
      rssAnonBytes: 1e8,
    }));
    const { table, plots } = drainReport({ ...RUN, draining, endedMs: BEGAN + 100_000 });
    expect(table.split('\n').length).toBeLessThanOrEqual(2 + 1 + 15);
    expect(table).toContain('| 100 | 1 | 100 MB | – | – |');
    expect(plots[0]?.plot.lines[0]?.points).toHaveLength(101);
  });
});

describe('the sentences of a drain', () => {
  it('say how long it took, and that everything is there', () => {
    expect(drainSentence(RUN)).toBe(
      '400,000 readings are written in 2.2 s, 177,727/s, while 5,000/s more come in; all 411,000 are found in InfluxDB.',
    );
  });

  it('tell the wait for the next attempt from the drain itself', () => {
    expect(drainSentence({ ...RUN, idleUntilMs: BEGAN + 1200 })).toMatch(
      /^The gateway tries again after 1\.2 s\. 400,000 readings are written in 1 s, /,
    );
  });

  it('say so when something is not there, or too often', () => {
    expect(drainSentence({ ...RUN, found: 410_990 })).toContain('10 of 411,000 are NOT found in InfluxDB.');
    expect(drainSentence({ ...RUN, found: 411_001 })).toContain('1 of 411,000 are found too often');
  });

  it('take the worst second of the drain, and not of the time after it', () => {
    expect(worstSecondMs(RUN)).toBe(400);
    expect(liveSentence(RUN, drainSeries(RUN))).toBe(
      'Live readings at 5,000/s: p99 20 ms before, 400 ms in the worst second of the drain. The slowest second acknowledged 4,000 of them.',
    );
  });

  it('say what memory the backlog takes', () => {
    expect(memorySentence(RUN)).toBe(
      '70 MB with nothing waiting, at most 110 MB while 400,000 readings pile up (100 B for each), at most 150 MB while they drain.',
    );
  });
});
