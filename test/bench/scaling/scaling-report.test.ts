import { describe, expect, it } from 'vitest';
import { usageWithin } from '../../../bench/scaling/process-usage.ts';
import { chosenSections, fullPlan, SECTIONS } from '../../../bench/scaling/scaling-plan.ts';
import {
  bytesText,
  courseText,
  figures,
  markdownTable,
  sectionText,
  times,
} from '../../../bench/scaling/scaling-report.ts';

describe('what is measured', () => {
  it('is everything, or what is named, in the order of the report', () => {
    expect(chosenSections(undefined)).toEqual(SECTIONS);
    expect(chosenSections('drain, payload')).toEqual(['payload', 'drain']);
  });

  it.each(['', 'latency', 'payload,'])('is not what there is not: %j', (only) => {
    expect(() => chosenSections(only)).toThrow('is none of connections, payload, schemas, drain');
  });

  it('ends with 15,000 connections at 10,000 readings/s for a minute', () => {
    expect(fullPlan().connections.steps.at(-1)).toEqual({
      connections: 15_000,
      perSecond: 10_000,
      seconds: 60,
    });
  });
});

describe('the use of a process', () => {
  const samples = [0, 1000, 2000, 3000].map((atMs) => ({
    atMs,
    cpuSeconds: atMs / 2000,
    rssAnonBytes: atMs === 3000 ? 999 : 100 + atMs,
  }));

  it('is that of the time that was asked for', () => {
    expect(usageWithin(samples, 500, 2500)).toEqual({ cores: 0.5, rssAnonBytes: 2100 });
  });

  it('is unknown where fewer than two looks lie in it', () => {
    expect(usageWithin(samples, 500, 1500)).toBeNull();
    expect(usageWithin([], 0, 1)).toBeNull();
  });
});

describe('words', () => {
  it('have two digits that count, and no exponent', () => {
    expect([0.0451, 1, 3.14, 31.4, 314.15, 1e6].map(figures)).toEqual([
      '0.045',
      '1',
      '3.1',
      '31',
      '314',
      '1,000,000',
    ]);
    expect([50, 999, 1000, 1500, 64_000].map(bytesText)).toEqual([
      '50 B',
      '999 B',
      '1 KB',
      '1.5 KB',
      '64 KB',
    ]);
  });

  it('claim no ratio where there is none', () => {
    expect(times(31, 10)).toBe('3.1 ×');
    expect([times(null, 10), times(10, null), times(10, 0), times(Number.NaN, 1)]).toEqual([
      '–',
      '–',
      '–',
      '–',
    ]);
  });

  it('call a tenth no change', () => {
    expect(courseText(100, 91, 'MB/s')).toBe('stays about the same, 100 and 91 MB/s');
    expect(courseText(100, 80, 'MB/s')).toBe('falls from 100 to 80 MB/s');
    expect(courseText(1, 2, 'MB/s')).toBe('rises from 1 to 2 MB/s');
  });

  it('make a table, and a section with its plots and what they say', () => {
    const table = markdownTable(['a', 'b'], [['1', null]]);
    expect(table).toBe('| a | b |\n| --- | --- |\n| 1 | – |');
    const axis = { name: 'x', scale: 'linear' } as const;
    const plot = { title: 'Title', says: 'It rises.', x: axis, y: axis, lines: [] };
    expect(sectionText('a machine', { table, plots: [{ file: 'a.svg', plot }] })).toBe(
      `a machine\n\n${table}\n\n![Title. It rises.](plots/a.svg)`,
    );
  });
});
