import { HyperLogLog } from './hyper-log-log.ts';

/** 4 KiB each. */
export interface SketchLimits {
  /** Tag keys, over all measurements, whose values are estimated; of further ones nothing is known. */
  readonly maxTags: number;
  /** Measurements whose refused series are estimated each by itself; further ones only in the total. */
  readonly maxRefused: number;
}

/** At most 3 MiB in all. */
export const DEFAULT_SKETCH_LIMITS: SketchLimits = { maxTags: 512, maxRefused: 256 };

const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const EQUALS = 0x3d;

/** Distinct values of each tag of one measurement. Its keys are as line protocol writes them. */
export type TagSketches = Map<string, HyperLogLog>;

/** What is too many to be counted exactly: values of tags, and series that were refused. */
export class SeriesSketches {
  readonly #limits: SketchLimits;
  readonly #refused = new Map<string, HyperLogLog>();
  readonly #allRefused = new HyperLogLog();
  #tags = 0;

  constructor(limits: SketchLimits = DEFAULT_SKETCH_LIMITS) {
    this.#limits = limits;
  }

  /** Takes the tags of a series key (line protocol before the fields) into the sketches of its measurement. */
  addTags(sketches: TagSketches, key: string): void {
    let at = endOfToken(key, 0, COMMA);
    while (at < key.length) {
      const equals = endOfToken(key, at + 1, EQUALS);
      const end = endOfToken(key, equals + 1, COMMA);
      const tag = key.slice(at + 1, equals);
      let sketch = sketches.get(tag);
      if (sketch === undefined && this.#tags < this.#limits.maxTags) {
        sketch = new HyperLogLog();
        sketches.set(tag, sketch);
        this.#tags += 1;
      }
      if (sketch !== undefined) addText(sketch, key, equals + 1, end);
      at = end;
    }
  }

  /** The measurement has no series any more. */
  dropTags(sketches: TagSketches): void {
    this.#tags -= sketches.size;
    sketches.clear();
  }

  addRefused(measurement: string, high: number, low: number): void {
    this.#allRefused.add(high, low);
    let sketch = this.#refused.get(measurement);
    if (sketch === undefined) {
      if (this.#refused.size >= this.#limits.maxRefused) return;
      sketch = new HyperLogLog();
      this.#refused.set(measurement, sketch);
    }
    sketch.add(high, low);
  }

  /** Measurements that have refused series, with an estimate of how many. */
  *refused(): Generator<readonly [measurement: string, estimate: number]> {
    for (const [measurement, sketch] of this.#refused) yield [measurement, sketch.estimate()];
  }

  refusedInAll(): number {
    return this.#allRefused.estimate();
  }
}

/** Of the tags, most values first, unescaped. */
export function estimateTags(sketches: TagSketches): { key: string; valuesEstimate: number }[] {
  return [...sketches]
    .map(([key, sketch]) => ({ key: key.replace(/\\([,= ])/g, '$1'), valuesEstimate: sketch.estimate() }))
    .sort((a, b) => b.valuesEstimate - a.valuesEstimate);
}

/** Where the unescaped `stop` is, or the end. */
function endOfToken(text: string, from: number, stop: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) !== stop) {
    at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  }
  return Math.min(at, text.length);
}

/**
 * A hash of 64 bits that is quick for short texts: two lanes of the mixing of MurmurHash3 (Austin Appleby, public domain).
 * Somebody who wants it can spoil an estimate with it, of their own series, and nothing else.
 */
function addText(sketch: HyperLogLog, text: string, from: number, to: number): void {
  let a = 0x9747_b28c ^ (to - from);
  let b = 0x2545_f491 ^ (to - from);
  for (let i = from; i < to; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0xcc9e_2d51);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b ^ code, 0x1b87_3593);
    b = (b << 15) | (b >>> 17);
  }
  sketch.add(finish(a ^ Math.imul(b, 0x85eb_ca6b)), finish(b + Math.imul(a, 0xc2b2_ae35)));
}

function finish(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85eb_ca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
