import { randomBytes } from 'node:crypto';
import type { IdentityKey, NewRejection, Settlement, TransferKey } from '../store-contract.ts';
import { AccountTable, refusedInstead } from './account-table.ts';
import { latestProvisional, withBaseEach, writeBases } from './arrival-bases.ts';
import { ByteWriter } from './bytes.ts';
import { Documents } from './documents.ts';
import { FORMAT_VERSION, readFormat, writeFormat } from './format.ts';
import { HeldWrites } from './held-writes.ts';
import { LastPayloads } from './last-payloads.ts';
import { encodeFolded, type FoldedLog, foldedThrough, Log } from './log.ts';
import { OpenGroup } from './open-group.ts';
import { OutboxesTable } from './outboxes-table.ts';
import { decodeRecord, encodeRecord, type Marks } from './record.ts';
import { RejectedReadings } from './rejected-readings.ts';
import { type End, RejectedMessage } from './rejection-record.ts';
import { RememberedIdentities } from './remembered-identities.ts';
import { RememberedTransfers } from './remembered-transfers.ts';
import { SinksTable } from './sinks-table.ts';
import type { Reading, Writes } from './storage.ts';
import type { StoreLimits } from './store-options.ts';
import type { Tidying } from './tidying.ts';
import type { Change } from './transaction.ts';

/** What of the windows goes with a fold, and in a transaction of its own: see `DiskRoom` for why they are small. */
const FLUSH_WITH_FOLD_BYTES = 512 * 1024;
const FLUSH_ALONE_BYTES = 1536 * 1024;

/**
 * All that is true of the readings, in memory: where the log ends, the counters, the windows, the ledgers. It changes only
 * when the transaction that makes it true on disk has ended, and transactions never overlap: there is no state in between
 * to undo, and what is on disk is at any instant what a start makes of it.
 */
export class Books {
  readonly id: string;
  readonly log: Log;
  readonly sinks: SinksTable;
  readonly account: AccountTable;
  readonly rejected: RejectedReadings;
  readonly documents: Documents;
  readonly outboxes: OutboxesTable;
  readonly lastPayloads: LastPayloads;
  readonly #transfers: RememberedTransfers;
  readonly #identities: RememberedIdentities;
  readonly #record = new ByteWriter();
  /** What nobody waits for, and goes with the next transaction whatever it is. */
  readonly #withNext: ((writes: Writes) => void)[] = [];
  /** Counts that wait for the next group. */
  #late = new Map<number, number>();
  sinkRejected: number;

  /** @throws GatewayError `store-version`, `store-damaged`. */
  constructor(reading: Reading, limits: StoreLimits) {
    const known = readFormat(reading);
    this.id = known?.id ?? randomBytes(16).toString('hex');
    if (known?.version !== FORMAT_VERSION) this.withNext((writes) => writeFormat(writes, this.id));
    this.log = new Log(reading);
    this.log.load();
    this.sinks = new SinksTable(this.log);
    this.sinks.load(reading);
    this.account = new AccountTable(limits.maxDevices);
    this.account.load(reading);
    this.#transfers = new RememberedTransfers(limits);
    this.#transfers.load(reading);
    this.#identities = new RememberedIdentities(limits);
    this.#identities.load(reading);
    this.rejected = new RejectedReadings(reading, this.id, limits.maxRejectedBytes);
    this.rejected.load();
    this.documents = new Documents(reading, limits);
    this.outboxes = new OutboxesTable(reading, limits.maxOutboxBytes);
    this.outboxes.load();
    this.lastPayloads = new LastPayloads(reading);
    this.lastPayloads.load();
    this.sinkRejected = Number(reading.get('state', 'sink-rejected')?.toString() ?? 0);
    const nextId = Number(reading.get('state', 'next-rejection')?.toString() ?? 1);
    this.rejected.nextId = Math.max(this.rejected.nextId, nextId, this.log.folded.nextRejectionId);
    this.#replay(reading);
  }

  /** As they are now. No copy is kept: a million of them would be 100 MB. */
  get transfers(): Iterable<TransferKey> {
    return this.#transfers;
  }

  get identities(): Iterable<IdentityKey> {
    return this.#identities;
  }

  get provisionalNs(): string {
    const { bases, firstSeq } = this.log;
    return bases.isWaiting(firstSeq) ? bases.last.ns : '0';
  }

  /** The groups behind the last fold are in no counter yet; windows may be older. */
  #replay(reading: Reading): void {
    const { folded, foldedThrough, bases } = this.log;
    for (const { key, value } of reading.entries('log', { from: foldedThrough + 1 })) {
      const seq = Number(key);
      const record = decodeRecord(value, seq);
      for (const transfer of record.transfers) this.#transfers.remember(transfer, seq);
      for (const { device, high, low } of record.identities)
        this.#identities.remember(device, high, low, seq);
      if (seq <= folded.seq) continue;
      this.account.replay(record);
      bases.saw(seq, record.provisionalNs);
      this.rejected.nextId = Math.max(this.rejected.nextId, record.nextRejectionId);
    }
  }

  withNext(write: (writes: Writes) => void): void {
    this.#withNext.push(write);
  }

  get hasWithNext(): boolean {
    return this.#withNext.length > 0;
  }

  /** `change` together with what waits for any transaction. */
  together(change: Change): Change {
    const along = this.#withNext.slice();
    return {
      write: (writes) => {
        for (const write of along) write(writes);
        change.write(writes);
      },
      done: () => {
        this.#withNext.splice(0, along.length);
        change.done();
      },
      failed: () => change.failed?.(),
    };
  }

  newGroup(nowMs: number): OpenGroup {
    const { account } = this;
    const nextRejectionId = (): number => this.#nextRejectionId();
    return new OpenGroup({ account, nextRejectionId, nowMs, highWaterMs: this.log.highWaterMs });
  }

  #nextRejectionId(): number {
    const id = this.rejected.nextId;
    this.rejected.nextId += 1;
    return id;
  }

  get hasLateCounts(): boolean {
    return this.#late.size > 0;
  }

  countLater(key: number, n: number): void {
    this.#late.set(key, (this.#late.get(key) ?? 0) + n);
  }

  /** The groups were not committed: what they held is refused. */
  refused(groups: readonly OpenGroup[]): void {
    for (const { tallies } of groups) addTo(this.#late, refusedInstead(tallies));
  }

  /** The group's record and its rejections, as the next of the log. Null when there is nothing in it. */
  commitGroup(group: OpenGroup): { change: Change; seq: number; notesLost: number } | null {
    const late = this.#late;
    const { arrivedMs, highWaterMs, codes, transfers, identities } = group;
    const tallies = new Map(group.tallies);
    addTo(tallies, late);
    if (group.isEmpty && late.size === 0 && highWaterMs <= this.log.highWaterMs) return null;
    const { log } = this;
    const seq = log.lastSeq + 1;
    const rejected = this.rejected.change(group.rejected, { ends: group.resolutions, atMs: arrivedMs });
    const notes = this.documents.note(group.notes);
    const outboxes = this.outboxes.commit(group.parcels, seq, arrivedMs);
    const last = this.lastPayloads.commit(group.lastPayloads, seq);
    const { lines, provisionalNs } = timesOf(group);
    const marks = encodeRecord(this.#record, {
      arrivedMs,
      highWaterMs,
      nextRejectionId: this.rejected.nextId,
      before: log.last,
      names: this.account.newNames(tallies),
      tallies,
      codes,
      transfers,
      identities,
      lines,
      provisionalNs,
    });
    // Nothing throws from here on: were it let go before, a record that cannot be read would take these counts along.
    this.#late = new Map();
    const change: Change = {
      write: (writes) => {
        writes.put('log', seq, this.#record.written());
        rejected.write(writes);
        notes.write(writes);
        outboxes.write(writes);
        last.write(writes);
      },
      done: () => {
        log.lastSeq = seq;
        log.last = marks;
        log.highWaterMs = Math.max(log.highWaterMs, highWaterMs);
        this.account.apply(tallies, codes);
        log.bases.saw(seq, provisionalNs);
        for (const transfer of transfers) this.#transfers.remember(transfer, seq);
        for (const [device, halves] of identities) this.#rememberAll(device, halves, seq);
        rejected.done();
        notes.done();
        last.done();
        outboxes.done();
      },
      failed: () => {
        addTo(this.#late, late);
        outboxes.failed?.();
        last.failed?.();
      },
    };
    return { change, seq, notesLost: group.notesLost + notes.lost };
  }

  #rememberAll(device: string, halves: readonly number[], seq: number): void {
    for (let i = 0; i + 1 < halves.length; i += 2) {
      this.#identities.remember(device, halves[i] ?? 0, halves[i + 1] ?? 0, seq);
    }
  }

  /** Null where no group waits for it. */
  setArrivalBase(baseNs: string): Change | null {
    const { bases, firstSeq, lastSeq } = this.log;
    if (!bases.isWaiting(firstSeq)) return null;
    const entries = [...bases.neededFrom(firstSeq), { throughSeq: lastSeq, baseNs }];
    return {
      write: (writes) => writeBases(writes, entries),
      done: () => {
        bases.bases = entries;
      },
    };
  }

  /** Ends these rejections; `ended`: how many that were. With a `sink`: lines that were written to it after all. */
  end(ids: readonly number[], end: End, atMs: number, sink?: string): Change & { readonly ended: number } {
    const ends = new Map(ids.map((id) => [id, end]));
    const rejected = this.rejected.change([], sink === undefined ? { ends, atMs } : { ends, atMs, sink });
    const ledger = sink === undefined ? null : this.sinks.settleReplayed(sink, rejected.ended);
    return {
      ended: rejected.ended,
      write: (writes) => {
        rejected.write(writes);
        ledger?.write(writes);
      },
      done: () => {
        rejected.done();
        ledger?.done();
      },
    };
  }

  /** @throws GatewayError `sink-unknown`, `usage`. */
  settle(name: string, settlement: Settlement, nowMs: number): Change & { readonly difference: number } {
    const ledger = this.sinks.settle(name, settlement);
    const messages = settlement.rejected.map((each) => this.#sinkRejection(name, each, nowMs));
    const rejected = this.rejected.change(messages, null);
    const sinkRejected = this.sinkRejected + messages.length;
    return {
      difference: ledger.difference,
      write: (writes) => {
        ledger.write(writes);
        if (messages.length === 0) return;
        rejected.write(writes);
        writes.put('state', 'sink-rejected', Buffer.from(String(sinkRejected)));
        writes.put('state', 'next-rejection', Buffer.from(String(this.rejected.nextId)));
      },
      done: () => {
        ledger.done();
        rejected.done();
        this.sinkRejected = sinkRejected;
      },
    };
  }

  #sinkRejection(
    sink: string,
    { line, words, device }: Settlement['rejected'][number],
    atMs: number,
  ): RejectedMessage {
    const rejection: NewRejection = {
      code: 'sink-rejected',
      source: 'sink',
      topic: '',
      client: `sink:${sink}`,
      device,
      schema: null,
      index: null,
      atMs,
      payload: line,
      violations: [{ pointer: '', message: words }],
      sink,
      username: null,
      format: null,
      relay: null,
      schemaVersion: null,
    };
    const message = new RejectedMessage(this.#nextRejectionId(), rejection);
    message.add(rejection);
    return message;
  }

  /** Folds, flushes, drops and trims as planned. `dropped` says what was lost to whom. */
  tidy(plan: Tidying): Change & { readonly dropped: readonly { name: string; points: number }[] } {
    const { log } = this;
    const { bases } = log;
    const { fold, flush, dropThrough, dropFor } = plan;
    const moved = this.sinks.move(dropThrough, dropFor);
    const flushed = fold || flush ? this.#flush(fold) : null;
    const folded: FoldedLog = {
      ...(fold ? this.#foldedNow() : log.folded),
      ...(flushed === null ? {} : { windowsSeq: flushed.windowsSeq }),
    };
    const trimmed = Math.min(plan.trimThrough, foldedThrough(folded));
    const base = this.#marksForTrim(trimmed);
    const needed = bases.neededFrom(trimmed + 1);
    let accountFolded: (() => void) | null = null;
    return {
      dropped: moved.dropped,
      write: (writes) => {
        moved.write(writes);
        for (let seq = log.firstSeq; seq <= trimmed; seq += 1) writes.remove('log', seq);
        if (needed.length !== bases.bases.length) writeBases(writes, needed);
        if (fold) accountFolded = this.account.fold(writes);
        flushed?.writes.writeTo(writes);
        if (folded !== log.folded) writes.put('state', 'log', encodeFolded(folded));
      },
      done: () => {
        moved.done();
        log.firstSeq = trimmed + 1;
        log.base = base;
        this.sinks.trimmed(trimmed, base);
        bases.bases = needed;
        log.folded = folded;
        accountFolded?.();
      },
      failed: () => {
        if (fold) this.account.foldFailed();
        if (flushed !== null) this.#flushFailed();
      },
    };
  }

  /** The totals at `seq`. What was flushed for this transaction is to be flushed again where they cannot be read. */
  #marksForTrim(seq: number): Marks {
    try {
      return this.log.marksAt(seq);
    } catch (error) {
      this.#flushFailed();
      throw error;
    }
  }

  #foldedNow(): FoldedLog {
    const { lastSeq, last, highWaterMs, bases } = this.log;
    const { nextId } = this.rejected;
    return { seq: lastSeq, marks: last, highWaterMs, nextRejectionId: nextId, provisional: bases.last };
  }

  /** What to write of what the fold needs, and up to which group the windows on disk are whole then. */
  #flush(withFold: boolean): { readonly writes: HeldWrites; readonly windowsSeq: number } {
    const maxBytes = withFold ? FLUSH_WITH_FOLD_BYTES : FLUSH_ALONE_BYTES;
    const throughSeq = withFold ? this.log.lastSeq : this.log.folded.seq;
    const writes = new HeldWrites();
    this.#transfers.flush(writes, maxBytes, throughSeq);
    this.#identities.flush(writes, maxBytes, throughSeq);
    const { lastSeq } = this.log;
    const windowsSeq = Math.min(
      this.#transfers.cleanThrough(lastSeq),
      this.#identities.cleanThrough(lastSeq),
    );
    return { writes, windowsSeq };
  }

  #flushFailed(): void {
    this.#transfers.flushFailed();
    this.#identities.flushFailed();
  }
}

/** Its lines, with real times where the clock was set meanwhile; else the latest of the provisional ones. */
function timesOf(group: OpenGroup): {
  readonly lines: readonly string[];
  readonly provisionalNs: string | null;
} {
  const { lines, isProvisional, baseNs } = group;
  if (!isProvisional) return { lines, provisionalNs: null };
  if (baseNs !== null) return { lines: withBaseEach(lines, baseNs), provisionalNs: null };
  return { lines, provisionalNs: latestProvisional(lines) };
}

function addTo(sum: Map<number, number>, more: ReadonlyMap<number, number>): void {
  for (const [key, n] of more) sum.set(key, (sum.get(key) ?? 0) + n);
}
