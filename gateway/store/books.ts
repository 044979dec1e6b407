import { randomBytes } from 'node:crypto';
import type { NewRejection, Settlement, TransferKey } from '../store-contract.ts';
import { AccountTable, refusedInstead } from './account-table.ts';
import { ByteWriter } from './bytes.ts';
import { Documents } from './documents.ts';
import { readFormat, writeFormat } from './format.ts';
import { encodeFolded, type FoldedLog, Log } from './log.ts';
import { OpenGroup } from './open-group.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { RejectedReadings } from './rejected-readings.ts';
import { RejectedMessage } from './rejection-record.ts';
import { RememberedTransfers } from './remembered-transfers.ts';
import { SinksTable } from './sinks-table.ts';
import type { Reading, Writes } from './storage.ts';
import type { StoreLimits } from './store-options.ts';
import type { Tidying } from './tidying.ts';
import type { Change } from './transaction.ts';

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
  readonly #remembered: RememberedTransfers;
  readonly #record = new ByteWriter();
  /** What nobody waits for, and goes with the next transaction whatever it is. */
  readonly #withNext: ((writes: Writes) => void)[] = [];
  /** Counts that wait for the next group. */
  #late = new Map<number, number>();
  sinkRejected: number;

  /** @throws GatewayError `store-version`, `store-damaged`. */
  constructor(reading: Reading, limits: StoreLimits) {
    const known = readFormat(reading);
    this.id = known ?? randomBytes(16).toString('hex');
    if (known === null) this.withNext((writes) => writeFormat(writes, this.id));
    this.log = new Log(reading);
    this.log.load();
    this.sinks = new SinksTable(this.log);
    this.sinks.load(reading);
    this.account = new AccountTable(limits.maxDevices);
    this.account.load(reading);
    this.#remembered = new RememberedTransfers(limits);
    this.#remembered.load(reading);
    this.rejected = new RejectedReadings(reading, this.id, limits.maxRejectedBytes);
    this.rejected.load();
    this.documents = new Documents(reading);
    this.sinkRejected = Number(reading.get('state', 'sink-rejected')?.toString() ?? 0);
    const nextId = Number(reading.get('state', 'next-rejection')?.toString() ?? 1);
    this.rejected.nextId = Math.max(this.rejected.nextId, nextId, this.log.folded.nextRejectionId);
    this.#replay(reading);
  }

  /** As they are now. No copy is kept: a million of them would be 100 MB. */
  get transfers(): Iterable<TransferKey> {
    return this.#remembered;
  }

  /** The groups behind the last fold are in no counter yet. */
  #replay(reading: Reading): void {
    for (const { key, value } of reading.entries('log', { from: this.log.folded.seq + 1 })) {
      const seq = Number(key);
      const record = decodeRecord(value, seq);
      this.account.replay(record);
      for (const transfer of record.transfers) this.#remembered.remember(transfer, seq);
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
  commitGroup(group: OpenGroup): { change: Change; seq: number } | null {
    const late = this.#late;
    const { arrivedMs, highWaterMs, codes, transfers, lines } = group;
    const tallies = new Map(group.tallies);
    addTo(tallies, late);
    const isEmpty = tallies.size + lines.length + transfers.length + group.rejected.length === 0;
    if (isEmpty && highWaterMs <= this.log.highWaterMs) return null;
    this.#late = new Map();
    const { log } = this;
    const seq = log.lastSeq + 1;
    const rejected = this.rejected.add(group.rejected);
    const marks = encodeRecord(this.#record, {
      arrivedMs,
      highWaterMs,
      nextRejectionId: this.rejected.nextId,
      before: log.last,
      names: this.account.newNames(tallies),
      tallies,
      codes,
      transfers,
      lines,
    });
    const change: Change = {
      write: (writes) => {
        writes.put('log', seq, this.#record.written());
        rejected.write(writes);
      },
      done: () => {
        log.lastSeq = seq;
        log.last = marks;
        log.highWaterMs = Math.max(log.highWaterMs, highWaterMs);
        this.account.apply(tallies, codes);
        for (const transfer of transfers) this.#remembered.remember(transfer, seq);
        rejected.done();
      },
      failed: () => addTo(this.#late, late),
    };
    return { change, seq };
  }

  /** @throws GatewayError `sink-unknown`, `usage`. */
  settle(name: string, settlement: Settlement, nowMs: number): Change & { readonly difference: number } {
    const ledger = this.sinks.settle(name, settlement);
    const messages = settlement.rejected.map((each) => this.#sinkRejection(name, each, nowMs));
    const rejected = this.rejected.add(messages);
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
    };
    const message = new RejectedMessage(this.#nextRejectionId(), rejection);
    message.add(rejection);
    return message;
  }

  /** Folds, drops and trims as planned. `dropped` says what was lost to whom. */
  tidy(plan: Tidying): Change & { readonly dropped: readonly { name: string; points: number }[] } {
    const { log } = this;
    const { fold, dropThrough, dropFor, trimThrough } = plan;
    const moved = this.sinks.move(dropThrough, dropFor);
    const base = log.marksAt(trimThrough);
    const folded: FoldedLog = {
      seq: log.lastSeq,
      marks: log.last,
      highWaterMs: log.highWaterMs,
      nextRejectionId: this.rejected.nextId,
    };
    let accountFolded: (() => void) | null = null;
    return {
      dropped: moved.dropped,
      write: (writes) => {
        moved.write(writes);
        for (let seq = log.firstSeq; seq <= trimThrough; seq += 1) writes.remove('log', seq);
        if (!fold) return;
        accountFolded = this.account.fold(writes);
        this.#remembered.fold(writes);
        writes.put('state', 'log', encodeFolded(folded));
      },
      done: () => {
        moved.done();
        log.firstSeq = trimThrough + 1;
        log.base = base;
        this.sinks.trimmed(trimThrough, base);
        if (!fold) return;
        log.folded = folded;
        accountFolded?.();
      },
      failed: () => {
        if (!fold) return;
        this.account.foldFailed();
        this.#remembered.foldFailed();
      },
    };
  }
}

function addTo(sum: Map<number, number>, more: ReadonlyMap<number, number>): void {
  for (const [key, n] of more) sum.set(key, (sum.get(key) ?? 0) + n);
}
