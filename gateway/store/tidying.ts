import type { Log } from './log.ts';
import type { Marks } from './record.ts';
import type { SinksTable } from './sinks-table.ts';
import type { StoreLimits } from './store-options.ts';

/** What one transaction of tidying deletes at most: long lists of freed pages make every later commit dearer. */
const MAX_TRIM_GROUPS = 512;
const MAX_TRIM_BYTES = 8 * 1024 * 1024;
/** Less than this is left to the next look at the clock. */
const LEAST_TRIM_GROUPS = 64;
const LEAST_TRIM_BYTES = 1024 * 1024;
/** What is dropped makes room for a while. */
const DROP_TO = 15 / 16;

/** What to do in one transaction to keep the log within its limits. */
export interface Tidying {
  /** Counters, and of the windows as much as one transaction takes. */
  readonly fold: boolean;
  /** More of the windows. */
  readonly flush: boolean;
  /** Groups up to this one are lost to every sink that does not have them yet; 0: none. */
  readonly dropThrough: number;
  /** Groups that are lost to one sink alone. */
  readonly dropFor: ReadonlyMap<string, number>;
  /** Groups up to this one are deleted, as far as they are folded by then; `firstSeq - 1`: none. */
  readonly trimThrough: number;
}

export interface TidyingFacts {
  readonly log: Log;
  readonly sinks: SinksTable;
  /** What the log may take up at the moment. */
  readonly maxLogBytes: number;
  readonly whenFull: StoreLimits['whenFull'];
  readonly foldDue: boolean;
  readonly flushDue: boolean;
  /** Also what is too little to be worth a transaction of its own. */
  readonly thorough: boolean;
}

/** Null when there is nothing to do. A group is deleted when no sink waits for it and it is folded. */
export function planTidying({
  log,
  sinks,
  maxLogBytes,
  whenFull,
  foldDue,
  flushDue,
  thorough,
}: TidyingFacts): Tidying | null {
  const isOver = log.liveBytes > maxLogBytes;
  const done = sinks.doneThrough();
  const dropFor = new Map<string, number>();
  for (const { name, cursor, maxBytes } of sinks.over('drop-oldest')) {
    const allowed = maxBytes * DROP_TO;
    const from = Math.max(cursor + 1, log.firstSeq);
    dropFor.set(
      name,
      firstEnough(log, from, (marks) => log.last.bytes - marks.bytes <= allowed),
    );
  }
  let dropThrough = 0;
  if (isOver && whenFull === 'drop-oldest') {
    const allowed = maxLogBytes * DROP_TO;
    if (log.last.cost - log.marksAt(done).cost > allowed) {
      dropThrough = firstEnough(log, done + 1, (marks) => log.last.cost - marks.cost <= allowed);
    }
  }
  const through = Math.max(done, dropThrough);
  const fold = foldDue || (isOver && through > log.folded.seq);
  const flush = flushDue && !fold;
  const folded = flush ? log.folded.seq : log.foldedThrough;
  const deletable = Math.min(through, fold ? log.lastSeq : folded);
  const groups = deletable - log.firstSeq + 1;
  const averageBytes = log.liveBytes / Math.max(1, log.lastSeq - log.firstSeq + 1);
  const isWorthIt =
    thorough ||
    isOver ||
    fold ||
    flush ||
    groups >= LEAST_TRIM_GROUPS ||
    groups * averageBytes >= LEAST_TRIM_BYTES;
  const most = Math.max(1, Math.min(MAX_TRIM_GROUPS, Math.trunc(MAX_TRIM_BYTES / Math.max(1, averageBytes))));
  const trimmed = isWorthIt && groups > 0 ? Math.min(groups, most) : 0;
  if (!fold && !flush && dropThrough === 0 && dropFor.size === 0 && trimmed === 0) return null;
  return { fold, flush, dropThrough, dropFor, trimThrough: log.firstSeq - 1 + trimmed };
}

/**
 * The first group from `from` on at which `isEnough`; gives up after as many as one transaction deletes. By halving: marks
 * only rise, and each look reads and checks a whole group, on the thread that everybody waits for.
 */
function firstEnough(log: Log, from: number, isEnough: (marks: Marks) => boolean): number {
  let low = from;
  let high = Math.min(log.lastSeq, from + MAX_TRIM_GROUPS - 1);
  while (low < high) {
    const middle = low + Math.trunc((high - low) / 2);
    if (isEnough(log.marksAt(middle))) high = middle;
    else low = middle + 1;
  }
  return high;
}
