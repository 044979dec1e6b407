import { GatewayError, isGatewayError } from '../errors.ts';
import type { Settlement, SinkLedger } from '../store-contract.ts';
import type { Log } from './log.ts';
import type { Marks, RecordHeader } from './record.ts';
import {
  decodeEntry,
  drop,
  encodeEntry,
  type LedgerEntry,
  newEntry,
  passOver,
  settle,
  writtenAfterAll,
} from './sink-ledger.ts';
import type { Reading, Writes } from './storage.ts';
import type { Change } from './transaction.ts';

export interface SinkOptions {
  readonly maxBacklogBytes: number | null;
  readonly whenFull: 'block' | 'drop-oldest';
}

interface Known {
  entry: LedgerEntry;
  /** Null when it is not in today's configuration. */
  options: SinkOptions | null;
  /** Points dropped since it last settled: it may have been writing them. */
  droppedMeanwhile: number;
  /** The group behind `entry.cursor`, so that it is read once. */
  oldest: { readonly cursor: number; readonly seq: number; readonly header: RecordHeader } | null;
}

/** The sinks that the store remembers: whoever is here pins the log behind its cursor. */
export class SinksTable {
  readonly #log: Log;
  readonly #known = new Map<string, Known>();

  constructor(log: Log) {
    this.#log = log;
  }

  load(reading: Reading): void {
    for (const { key, value } of reading.entries('sinks')) {
      const name = String(key);
      const entry = decodeEntry(name, value);
      this.#known.set(name, { entry, options: null, droppedMeanwhile: 0, oldest: null });
    }
  }

  /** Marks it configured. True when it is new. */
  open(name: string, options: SinkOptions): boolean {
    const known = this.#known.get(name);
    if (known !== undefined) {
      known.options = options;
      return false;
    }
    const entry = newEntry(this.#log.firstSeq - 1, this.#log.base);
    this.#known.set(name, { entry, options, droppedMeanwhile: 0, oldest: null });
    return true;
  }

  write(name: string, writes: Writes): void {
    const known = this.#known.get(name);
    if (known !== undefined) writes.put('sinks', name, encodeEntry(known.entry));
  }

  /** @throws GatewayError `sink-unknown`, `sink-configured`. */
  mayForget(name: string): void {
    if (this.#get(name).options !== null) {
      throw new GatewayError(
        'sink-configured',
        `sink ${name} is in the configuration; remove it there first`,
      );
    }
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  /** The group up to which every sink is done: what lies before is of no use to any. */
  doneThrough(): number {
    let through = this.#log.lastSeq;
    for (const { entry } of this.#known.values()) {
      if (entry.cursorPoints !== this.#log.last.points) through = Math.min(through, entry.cursor);
    }
    return through;
  }

  /** Sinks whose backlog is over their own limit. */
  over(whenFull: SinkOptions['whenFull']): { name: string; cursor: number; maxBytes: number }[] {
    const found: { name: string; cursor: number; maxBytes: number }[] = [];
    for (const [name, { entry, options }] of this.#known) {
      const maxBytes = options?.maxBacklogBytes ?? null;
      if (maxBytes === null || options?.whenFull !== whenFull) continue;
      if (this.#log.last.bytes - entry.cursorBytes > maxBytes)
        found.push({ name, cursor: entry.cursor, maxBytes });
    }
    return found;
  }

  /** @throws GatewayError `sink-unknown`, or `usage` when `throughSeq` is no group. */
  settle(name: string, settlement: Settlement): Change & { difference: number } {
    const known = this.#get(name);
    const through =
      settlement.throughSeq <= known.entry.cursor ? null : this.#log.marksAt(settlement.throughSeq);
    const { entry, difference } = settle(known.entry, settlement, through, known.droppedMeanwhile);
    return {
      difference,
      write: (writes) => writes.put('sinks', name, encodeEntry(entry)),
      done: () => {
        known.entry = entry;
        known.droppedMeanwhile = 0;
      },
    };
  }

  /** Points that the sink refused were written after all. @throws GatewayError `sink-unknown`. */
  settleReplayed(name: string, points: number): Change {
    const known = this.#get(name);
    const entry = writtenAfterAll(known.entry, points);
    return {
      write: (writes) => writes.put('sinks', name, encodeEntry(entry)),
      done: () => {
        known.entry = entry;
      },
    };
  }

  /**
   * Moves cursors: every sink's over what is dropped for all (`throughSeq`), some sinks' further, and those that wait for
   * nothing to the end of the log. `dropped` says what was lost to whom.
   */
  move(
    throughSeq: number,
    further: ReadonlyMap<string, number>,
  ): Change & { dropped: { name: string; points: number }[] } {
    const changed: { name: string; known: Known; entry: LedgerEntry; points: number }[] = [];
    const marks = new Map<number, Marks>();
    const marksAt = (seq: number): Marks => {
      const found = marks.get(seq) ?? this.#log.marksAt(seq);
      marks.set(seq, found);
      return found;
    };
    for (const [name, known] of this.#known) {
      const to = Math.max(throughSeq, further.get(name) ?? 0);
      let entry = passOver(known.entry, this.#log.lastSeq, this.#log.last);
      if (to > entry.cursor) entry = drop(entry, to, marksAt(to));
      if (entry.cursor === known.entry.cursor) continue;
      changed.push({ name, known, entry, points: entry.dropped - known.entry.dropped });
    }
    return {
      dropped: changed.filter(({ points }) => points > 0).map(({ name, points }) => ({ name, points })),
      write: (writes) => {
        for (const { name, entry } of changed) writes.put('sinks', name, encodeEntry(entry));
      },
      done: () => {
        for (const { known, entry, points } of changed) {
          known.entry = entry;
          known.droppedMeanwhile += points;
        }
      },
    };
  }

  /** A sink that was opened while these groups were being deleted begins behind them. */
  trimmed(throughSeq: number, through: Marks): void {
    for (const known of this.#known.values()) {
      if (known.entry.cursor < throughSeq) known.entry = newEntry(throughSeq, through);
    }
  }

  ledger(name: string): SinkLedger {
    const known = this.#get(name);
    const { entry, options } = known;
    const pending = this.#log.last.points - entry.cursorPoints;
    return {
      name,
      cursor: entry.cursor,
      stored: this.#log.last.points - entry.addedPoints,
      written: entry.written,
      rejected: entry.rejected,
      dropped: entry.dropped,
      pending,
      pendingBytes: this.#log.last.bytes - entry.cursorBytes,
      oldestPendingMs: pending === 0 ? null : this.#oldestPendingMs(known),
      configured: options !== null,
    };
  }

  ledgers(): SinkLedger[] {
    return [...this.#known.keys()].map((name) => this.ledger(name));
  }

  /** Null also where the group cannot be read: a ledger must be had all the same, and delivery says what is wrong. */
  #oldestPendingMs(known: Known): number | null {
    const { cursor } = known.entry;
    if (known.oldest?.cursor !== cursor) {
      try {
        const seq = Math.max(cursor + 1, this.#log.firstSeq);
        known.oldest = { cursor, seq, header: this.#log.header(seq) };
      } catch (error) {
        // Trimmed by a transaction that is on disk but not in these books yet, or damaged.
        if (!isGatewayError(error)) throw error;
        return null;
      }
    }
    const { oldest } = known;
    return oldest === null ? null : this.#log.arrivedMs(oldest.seq, oldest.header);
  }

  #get(name: string): Known {
    const known = this.#known.get(name);
    if (known === undefined) throw new GatewayError('sink-unknown', `no sink is called ${name}`);
    return known;
  }
}
