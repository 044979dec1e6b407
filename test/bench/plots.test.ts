import { describe, expect, it } from 'vitest';
import { plotSvg, short } from '../../bench/plots.ts';

const PLOT = {
  title: 'Acknowledgement by connections',
  says: 'From one connection to 15,000 the median stays where it was, and that is the sentence which says so at some length, in two lines.',
  x: { name: 'connections', scale: 'log' },
  y: { name: 'ms', scale: 'linear' },
  lines: [
    {
      name: 'p50',
      points: [
        [1, 2],
        [15_000, 3.456],
      ],
    },
    {
      name: 'p99',
      points: [
        [1, 20],
        [15_000, null],
      ],
    },
  ],
} as const;

describe('a plot', () => {
  it('is one SVG document with its title, sentence, axes, units and values', () => {
    const svg = plotSvg(PLOT);
    expect(svg).toMatch(/^<svg [^>]*width="760"/);
    for (const text of [
      'Acknowledgement by connections',
      'connections',
      '>ms<',
      'p50',
      'p99',
      '10 k',
      '3.46',
    ])
      expect(svg).toContain(text);
    expect(svg).toContain('From one connection to 15,000');
    expect(svg).not.toMatch(/(?:href|src)=/);
  });

  it('is the same for the same figures', () => {
    expect(plotSvg(PLOT)).toBe(plotSvg(PLOT));
  });
});

describe('a figure in it', () => {
  it('has three digits and a unit', () => {
    expect([0, 3.1449, 999, 9999, 12_345, 1_234_567, Number.NaN].map(short)).toEqual([
      '0',
      '3.14',
      '999',
      '10000',
      '12.3 k',
      '1.23 M',
      '',
    ]);
  });
});
