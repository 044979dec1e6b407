import type { Settlement } from '../store-contract.ts';
import { damaged } from './bytes.ts';
import type { Marks } from './record.ts';

/**
 * What is kept of one sink, and the arithmetic on it. Everything is relative to the log's running totals, so
 *
 *   stored  = points at the end of the log − points when the sink was added
 *   pending = points at the end of the log − points at the cursor
 *
 * and the account closes as long as `cursor points − added points = written + rejected + dropped`, which every function
 * here keeps true.
 */
export interface LedgerEntry {
  readonly cursor: number;
  /** The log's totals at the cursor. */
  readonly cursorPoints: number;
  readonly cursorBytes: number;
  readonly addedPoints: number;
  readonly written: number;
  readonly rejected: number;
  readonly dropped: number;
}

export function newEntry(cursor: number, at: Marks): LedgerEntry {
  return {
    cursor,
    cursorPoints: at.points,
    cursorBytes: at.bytes,
    addedPoints: at.points,
    written: 0,
    rejected: 0,
    dropped: 0,
  };
}

/** Moves the cursor past groups that the sink will never get. */
export function drop(entry: LedgerEntry, throughSeq: number, through: Marks): LedgerEntry {
  if (throughSeq <= entry.cursor) return entry;
  const lost = through.points - entry.cursorPoints;
  return { ...entry, ...at(throughSeq, through), dropped: entry.dropped + lost };
}

export interface Settled {
  readonly entry: LedgerEntry;
  /** By how many points the settlement differs from what lay there: anything but 0 is a bug, and is corrected. */
  readonly difference: number;
}

/**
 * Enters a settlement. Groups can be dropped while the sink is writing them: what it reports beyond the points that lie
 * between cursor and `throughSeq` was such, and was not lost after all. At most `droppedMeanwhile` can be that.
 *
 * `through` are the totals at `throughSeq`; null when the cursor has already passed it.
 */
export function settle(
  entry: LedgerEntry,
  settlement: Settlement,
  through: Marks | null,
  droppedMeanwhile: number,
): Settled {
  const covered = through === null ? 0 : through.points - entry.cursorPoints;
  const rejected = settlement.rejected.length;
  const reported = settlement.written + rejected;
  const saved = Math.max(0, Math.min(reported - covered, droppedMeanwhile));
  const difference = reported - covered - saved;
  const moved = through === null ? {} : at(settlement.throughSeq, through);
  return {
    entry: {
      ...entry,
      ...moved,
      written: entry.written + settlement.written - difference,
      rejected: entry.rejected + rejected,
      dropped: entry.dropped - saved,
    },
    difference,
  };
}

/** `points` that it refused were written to it after all. */
export function writtenAfterAll(entry: LedgerEntry, points: number): LedgerEntry {
  // Fewer are known of where the sink was forgotten and added anew.
  const moved = Math.min(points, entry.rejected);
  return { ...entry, rejected: entry.rejected - moved, written: entry.written + moved };
}

/** Moves the cursor over groups without points: there is nothing to write in them. */
export function passOver(entry: LedgerEntry, throughSeq: number, through: Marks): LedgerEntry {
  return through.points === entry.cursorPoints ? { ...entry, ...at(throughSeq, through) } : entry;
}

function at(seq: number, marks: Marks): Pick<LedgerEntry, 'cursor' | 'cursorPoints' | 'cursorBytes'> {
  return { cursor: seq, cursorPoints: marks.points, cursorBytes: marks.bytes };
}

export function encodeEntry(entry: LedgerEntry): Buffer {
  return Buffer.from(JSON.stringify(entry));
}

/** @throws GatewayError `store-damaged`. */
export function decodeEntry(name: string, value: Buffer): LedgerEntry {
  const what = `the ledger of sink ${name}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString());
  } catch (error) {
    throw damaged(what, String(error));
  }
  const number = (key: keyof LedgerEntry): number => {
    const found: unknown =
      typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, key) : undefined;
    if (typeof found !== 'number') throw damaged(what, `it has no ${key}`);
    return found;
  };
  return {
    cursor: number('cursor'),
    cursorPoints: number('cursorPoints'),
    cursorBytes: number('cursorBytes'),
    addedPoints: number('addedPoints'),
    written: number('written'),
    rejected: number('rejected'),
    dropped: number('dropped'),
  };
}
