import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Throughput } from '../../bench/measure.ts';
import { median, replaceBetweenMarkers, tableOf } from '../../bench/report.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

function round(acknowledgedPerSecond: number, foundPerSecond: number | null): Throughput {
  return {
    acknowledgedPerSecond,
    foundPerSecond,
    backlogSeconds: foundPerSecond === null ? null : 0.2,
    lost: foundPerSecond === null ? null : 0,
    generatorCoreShare: 0.4,
    cores: 1.2,
  };
}

test('the median is the middle one, and of two the mean', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('the table sets medians of what was found against the marks', () => {
  const table = tableOf({
    rounds: {
      'gateway-influx': [round(90_000, 50_000), round(90_000, 60_000), round(90_000, 70_000)],
      mosquitto: [round(100_000, null)],
      aedes: [round(100_000, null)],
      'gateway-paused': [round(65_000, null)],
      'node-stack': [round(60_000, 20_000)],
    },
    latency: null,
    idle: { connections: 15_000, atFirst: 15_360, settled: 10_240 },
    startMs: [400],
    serial: { ports: 50, perSecond: 100, sent: 40_000, found: 40_000, cores: 0.25 },
    seconds: 5,
  });
  expect(table).toContain('| 60,000 : 100,000 | **0.60×** | ≥ 0.6× | 1× | yes |');
  expect(table).toContain('| 60,000 : 20,000 | **3.00×** | ≥ 2× | 3× | yes |');
  expect(table).toContain('| 65,000 : 100,000 | **0.65×** | ≥ 0.7× | 0.9× | no |');
  expect(table).toContain('**10.0 KB** | ≤ 12 KB');
  expect(table).toContain('**0.40 s** | ≤ 1 s');
  expect(table).toContain('| 40,000 : 40,000, with 0.25 cores | **1.00×** | ≥ 1× | 1× | yes |');
});

test('the page keeps all but what is between the markers', () => {
  const path = join(temporaryFolder('report'), 'page.md');
  writeFileSync(path, 'before\n<!-- t:begin -->\nold\n<!-- t:end -->\nafter\n');
  replaceBetweenMarkers(path, 't', 'new');
  expect(readFileSync(path, 'utf8')).toBe('before\n<!-- t:begin -->\nnew\n<!-- t:end -->\nafter\n');
  expect(() => replaceBetweenMarkers(path, 'x', 'new')).toThrow('no markers');
});
