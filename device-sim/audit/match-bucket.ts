import type { AuditUnits } from './audit-units.ts';
import { BucketFiles } from './bucket-files.ts';
import type { Gathered } from './gather.ts';
import { compare } from './match-intervals.ts';
import { type MatchRules, nsOfMs } from './match-rules.ts';
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
  const pieces = borders.length === 0 ? gathered : cut(bucket, gathered, borders);
  for (let piece = 0; piece <= borders.length; piece += 1) {
    const from = borders.length === 0 ? bucket : piece;
    const parts = new Map<number, Part>();
    const partOf = (unit: number): Part => {
      let part = parts.get(unit);
      if (part === undefined) {
        part = { sent: [], rows: [], rejections: [] };
        parts.set(unit, part);
      }
      return part;
    };
    for (const reading of all(pieces.readings, from, readReading)) partOf(reading.unit).sent.push(reading);
    for (const row of all(pieces.rows, from, readRow)) partOf(row.unit).rows.push(row);
    for (const rejection of all(pieces.rejections, from, readRejection))
      partOf(rejection.unit).rejections.push(rejection);
    for (const [unit, { sent, rows, rejections }] of parts) matcherOf(unit)?.feed(sent, rows, rejections);
  }
  if (pieces !== gathered)
    for (const files of [pieces.readings, pieces.rows, pieces.rejections]) files.remove();
  for (const matcher of matchers.values()) matcher.finish();
}

type Pieces = Pick<Gathered, 'readings' | 'rows' | 'rejections'>;

/** Spreads a bucket over files of its own, one for each piece, so that each is read once. */
function cut(bucket: number, { readings, rows, rejections }: Pieces, borders: readonly bigint[]): Pieces {
  const pieceOf = (ns: bigint): number => {
    let low = 0;
    for (let high = borders.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (ns < (borders[middle] ?? ns)) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const spread = <T>(
    files: BucketFiles,
    read: (from: Buffer, at: number) => T,
    nsOf: (item: T) => bigint,
  ): BucketFiles => {
    const into = new BucketFiles(`${files.folder}-of-${bucket}`, files.recordBytes);
    for (const { buffer, at } of files.records(bucket)) {
      into.add(pieceOf(nsOf(read(buffer, at))), (to, place) =>
        buffer.copy(to, place, at, at + files.recordBytes),
      );
    }
    into.flush();
    return into;
  };
  return {
    readings: spread(readings, readReading, orderNs),
    rows: spread(rows, readRow, ({ timeNs }) => timeNs),
    rejections: spread(rejections, readRejection, ({ atMs }) => nsOfMs(atMs)),
  };
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
