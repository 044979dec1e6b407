import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { HyperLogLog } from '../../gateway/ledgers/hyper-log-log.ts';
import { SeriesSketches, type TagSketches } from '../../gateway/ledgers/series-sketches.ts';

/** Numbers as tags have them: a counter with something before it. */
const PREFIXES = ['', 'message-', 'a4:c1:38:00:'];
const MOST_ERROR = 0.05;

function errorOf(estimate: number, n: number): number {
  return Math.abs(estimate - n) / n;
}

describe('the estimate of how many different values there are', () => {
  it.each([1e2, 1e3, 1e4, 1e5, 1e6])('is within 5 % at %d values of a tag', (n) => {
    for (const prefix of PREFIXES) {
      const sketches: TagSketches = new Map();
      const all = new SeriesSketches();
      for (let i = 0; i < n; i += 1) all.addTags(sketches, `m,id=${prefix}${i}`);
      expect(errorOf(sketches.get('id')?.estimate() ?? 0, n)).toBeLessThan(MOST_ERROR);
    }
  });

  it.each([1e2, 1e3, 1e4, 2e4, 1e5])('is within 5 % at %d refused series', (n) => {
    const sketch = new HyperLogLog();
    for (let i = 0; i < n; i += 1) {
      const digest = hash('sha256', `m,id=${i}`, 'hex');
      sketch.add(Number.parseInt(digest.slice(0, 8), 16), Number.parseInt(digest.slice(8, 16), 16));
    }
    expect(errorOf(sketch.estimate(), n)).toBeLessThan(MOST_ERROR);
  });

  it('counts a value once, however often it comes', () => {
    const sketch = new HyperLogLog();
    expect(sketch.estimate()).toBe(0);
    for (let i = 0; i < 1000; i += 1) sketch.add(0x1234_5678, 0x9abc_def0);
    expect(sketch.estimate()).toBe(1);
  });

  it('tells tags apart by their unescaped separators', () => {
    const sketches: TagSketches = new Map();
    const all = new SeriesSketches();
    for (const key of ['my\\ m,a=x\\,b\\=1,c=2', 'my\\ m,a=x\\,b\\=2,c=2', 'my\\ m'])
      all.addTags(sketches, key);
    expect([...sketches].map(([key, sketch]) => [key, sketch.estimate()])).toEqual([
      ['a', 2],
      ['c', 1],
    ]);
  });

  it('has a bounded number of sketches', () => {
    const all = new SeriesSketches({ maxTags: 3, maxRefused: 2 });
    const sketches: TagSketches = new Map();
    for (let i = 0; i < 10; i += 1) {
      all.addTags(sketches, `m,tag${i}=1`);
      all.addRefused(`m${i}`, i * 0x1000_0000, i);
    }
    expect(sketches.size).toBe(3);
    expect([...all.refused()]).toHaveLength(2);
    expect(all.refusedInAll()).toBe(10);
    all.dropTags(sketches);
    all.addTags(sketches, 'm,other=1');
    expect(sketches.size).toBe(1);
  });
});
