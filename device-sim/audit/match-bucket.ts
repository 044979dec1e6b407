import type { AuditUnits } from './audit-units.ts';
import type { BucketFiles } from './bucket-files.ts';
import type { Gathered } from './gather.ts';
import { compare } from './match-intervals.ts';
import type { MatchRules } from './match-rules.ts';
import {
  orderNs,
  readReading,
  readRejection,
  readRow,
  type SentReading,
  type SpilledRejection,
  type SpilledRow,
} from './spilled.ts';
import type { Tally } from './tally.ts';
import { UnitMatcher } from './unit-matcher.ts';

const SAMPLE = 10_000;
/** Longer than the unit of any time: no reading and its row come into different pieces. */
const BORDER_NS = 1_000_000_000n;

/** Matches all units of a bucket, at most about `mostAtOnce` readings and rows at a time. */
export function matchBucket(
  bucket: number,
  gathered: Gathered,
  units: AuditUnits,
  rules: MatchRules,
  tally: Tally,
  mostAtOnce: number,
): void {
  const matchers = new Map<number, UnitMatcher>();
  const matcherOf = (index: number): UnitMatcher | null => {
    const known = matchers.get(index);
    const unit = units.all[index];
    if (known !== undefined || unit === undefined) return known ?? null;
    const matcher = new UnitMatcher(unit, rules, tally);
    matchers.set(index, matcher);
    return matcher;
  };
  const borders = bordersOf(bucket, gathered, mostAtOnce);
  for (let piece = 0; piece <= borders.length; piece += 1) {
    const fromNs = borders[piece - 1] ?? null;
    const toNs = borders[piece] ?? null;
    const within = (ns: bigint): boolean => (fromNs === null || ns >= fromNs) && (toNs === null || ns < toNs);
    const parts = new Map<number, Part>();
    const partOf = (unit: number): Part => {
      let part = parts.get(unit);
      if (part === undefined) {
        part = { sent: [], rows: [], rejections: [] };
        parts.set(unit, part);
      }
      return part;
    };
    for (const reading of all(gathered.readings, bucket, readReading)) {
      if (within(orderNs(reading))) partOf(reading.unit).sent.push(reading);
    }
    for (const row of all(gathered.rows, bucket, readRow)) {
      if (within(row.timeNs)) partOf(row.unit).rows.push(row);
    }
    for (const rejection of all(gathered.rejections, bucket, readRejection)) {
      if (within(BigInt(Math.floor(rejection.atMs)) * 1_000_000n))
        partOf(rejection.unit).rejections.push(rejection);
    }
    for (const [unit, { sent, rows, rejections }] of parts) matcherOf(unit)?.feed(sent, rows, rejections);
  }
  for (const matcher of matchers.values()) matcher.finish();
}

interface Part {
  readonly sent: SentReading[];
  readonly rows: SpilledRow[];
  readonly rejections: SpilledRejection[];
}

/** Where to cut a bucket that is too large, so that the pieces are about equal. */
function bordersOf(bucket: number, { readings, rows, rejections }: Gathered, mostAtOnce: number): bigint[] {
  const count = readings.count(bucket) + rows.count(bucket) + rejections.count(bucket);
  const pieces = Math.ceil(count / mostAtOnce);
  if (pieces <= 1) return [];
  const every = Math.max(1, Math.floor(count / SAMPLE));
  const sample: bigint[] = [];
  let seen = 0;
  const look = (ns: bigint): void => {
    if (seen % every === 0) sample.push(ns - (((ns % BORDER_NS) + BORDER_NS) % BORDER_NS));
    seen += 1;
  };
  for (const reading of all(readings, bucket, readReading)) look(orderNs(reading));
  for (const row of all(rows, bucket, readRow)) look(row.timeNs);
  sample.sort(compare);
  const borders = new Set<bigint>();
  for (let i = 1; i < pieces; i += 1) {
    const border = sample[Math.floor((i * sample.length) / pieces)];
    if (border !== undefined) borders.add(border);
  }
  return [...borders];
}

function* all<T>(
  files: BucketFiles,
  bucket: number,
  read: (from: Buffer, at: number) => T,
): Generator<T, undefined> {
  for (const { buffer, at } of files.records(bucket)) yield read(buffer, at);
  return undefined;
}
