import { describe, expect, it } from 'vitest';
import { rateText, summaryFrom, timeUnderLoad } from '../../../bench/scaling/connections.ts';
import {
  type ConnectionsRow,
  connectionsReport,
  latencySentence,
  memorySentence,
  openingSentence,
} from '../../../bench/scaling/connections-report.ts';

function row(connections: number, p99Ms: number | null, more: Partial<ConnectionsRow> = {}): ConnectionsRow {
  return {
    subject: 'gateway',
    connections,
    perSecond: 2000,
    seconds: 20,
    opened: connections,
    openSeconds: connections / 1000,
    offered: 40_000,
    acknowledged: 40_000,
    p50Ms: 2,
    p99Ms,
    maxMs: 100,
    ownP99Ms: 1,
    server: { cores: 0.5, rssAnonBytes: 70e6 + connections * 6000 },
    simulator: { cores: 0.25, rssAnonBytes: 80e6 },
    ...more,
  };
}

const GATEWAY = [row(1, 10), row(15_000, 31)];
const MOSQUITTO = [row(1, 4, { subject: 'mosquitto' }), row(15_000, 8, { subject: 'mosquitto' })];

describe('the sentence about latency', () => {
  it('compares the most connections with the fewest, and with Mosquitto', () => {
    expect(latencySentence(GATEWAY, MOSQUITTO)).toBe(
      "With 15,000 connections the gateway's p99 is 3.1 × that with 1 (31 ms and 10 ms); that of Mosquitto, which stores nothing, is 8 ms.",
    );
  });

  it('says what was never acknowledged, what did not come up, and that the simulator was late', () => {
    const bad = row(15_000, 3000, { opened: 14_000, acknowledged: 39_000, ownP99Ms: 2000 });
    const says = latencySentence([row(1, 10), bad], []);
    expect(says).toContain('(of which 14,000 came up)');
    expect(says).toContain('300 × that with 1');
    expect(says).toContain('1,000 readings were never acknowledged.');
    expect(says).toContain('The simulator itself was late by 2000 ms at p99.');
    expect(says).not.toContain('Mosquitto');
  });

  it('is not made from one measurement', () => {
    expect(() => latencySentence([row(1, 10)], [])).toThrow('two measurements');
  });
});

describe('the sentence about memory', () => {
  it('says what each connection adds', () => {
    expect(memorySentence(GATEWAY, MOSQUITTO)).toBe(
      'The gateway has 70 MB with 1 and 160 MB with 15,000 connections that send: 6 KB more for each, and Mosquitto 6 KB.',
    );
  });

  it('claims nothing where nothing was measured', () => {
    expect(memorySentence([row(1, 10), row(100, 10, { server: null })], [])).toBe('Too short to measure.');
  });
});

describe('the sentence about opening', () => {
  it('takes the most connections at the highest rate, and says whether the mark is met', () => {
    const rows = [...GATEWAY, row(15_000, 55, { perSecond: 10_000, seconds: 60 })];
    expect(openingSentence(rows)).toBe(
      '15,000 connections from one process were open after 15 s (mark: under 60 s, met); then 10,000 readings/s for 60 s, all of them acknowledged, p99 55 ms from the due time.',
    );
  });

  it('does not hide what failed', () => {
    expect(openingSentence([row(15_000, 55, { openSeconds: 61 })])).toContain('missed');
    const never = row(15_000, null, { openSeconds: null, opened: 9000, acknowledged: 39_999 });
    expect(openingSentence([never])).toBe(
      '9,000 of 15,000 connections came up; then 2,000 readings/s for 20 s, 1 of 40,000 not acknowledged, p99 – from the due time.',
    );
  });
});

describe('the report', () => {
  it('plots what was measured at one rate, and tables everything', () => {
    const fast = row(15_000, 55, { perSecond: 10_000 });
    const { table, plots } = connectionsReport([...GATEWAY, ...MOSQUITTO, fast]);
    expect(table).toContain('| gateway + InfluxDB | 15,000 | 15 s | 10,000 | all 40,000 | 2 | 55 |');
    expect(plots.map(({ file }) => file)).toEqual(['connections-latency.svg', 'connections-memory.svg']);
    expect(plots[0]?.plot.lines[0]).toEqual({
      name: 'gateway + InfluxDB, p99',
      points: [
        [1, 10],
        [15_000, 31],
      ],
    });
  });

  it('has no line for what was not measured', () => {
    const { plots } = connectionsReport(GATEWAY);
    expect(plots[0]?.plot.lines.map(({ name }) => name)).toEqual([
      'gateway + InfluxDB, p99',
      'gateway + InfluxDB, p50',
    ]);
  });
});

describe('what the simulator prints', () => {
  const SUMMARY = {
    offered: 1,
    acknowledged: 1,
    latency: null,
    ownDelay: null,
    connections: { wanted: 1, opened: 1, openSeconds: 0.1, reconnects: 0 },
  };

  it('is taken as it is', () => {
    expect(summaryFrom(JSON.stringify(SUMMARY), '')).toEqual(SUMMARY);
  });

  it.each([
    '',
    'no JSON',
    'null',
    '[]',
    '{}',
    '{"offered":"1"}',
    JSON.stringify({ ...SUMMARY, connections: null }),
  ])('is refused with its own words where it is no summary: %s', (stdout) => {
    expect(() => summaryFrom(stdout, 'no connection came up')).toThrow('no connection came up');
  });

  it('tells when it was surely under load, or that it cannot', () => {
    expect(timeUnderLoad(100_000, 20, 2500)).toEqual({ fromMs: 80_000, toMs: 97_000 });
    const never = timeUnderLoad(100_000, 20, 30_000);
    expect(never.toMs).toBeLessThan(never.fromMs);
  });

  it('gets its rate without an exponent', () => {
    expect([2000 / 15_000, 2000].map(rateText)).toEqual(['0.133333333/s', '2000/s']);
  });
});
