import { GatewayError, isRefusal, messageOf } from '../errors.ts';
import type {
  Account,
  Group,
  IdentityKey,
  LogReader,
  Outbox,
  OutboxLedger,
  Rejection,
  RejectionFilter,
  RejectionPage,
  Settlement,
  SinkLedger,
  Store,
  StoreStatus,
  TransferKey,
} from '../store-contract.ts';
import { checkBase } from './arrival-bases.ts';
import { Books } from './books.ts';
import { GroupWriter } from './group-writer.ts';
import { LogSlices } from './log-slices.ts';
import type { OpenGroup } from './open-group.ts';
import type { OutboxOptions } from './outboxes-table.ts';
import { type End, parseRejectionId } from './rejection-record.ts';
import type { SinkOptions } from './sinks-table.ts';
import { RESERVE_BYTES, type Storage } from './storage.ts';
import type { StoreDeps, StoreLimits } from './store-options.ts';
import { StoredOutbox } from './stored-outbox.ts';
import { Takings } from './takings.ts';
import type { Change } from './transaction.ts';
import { Upkeep } from './upkeep.ts';

const MIB = 1024 * 1024;
/** With this much free inside the file, and half of it, groups find their place there. */
const ROOMY_BYTES = 4 * MIB;
const RESERVE_WHEN_ROOMY = MIB;
/** Rejections that one transaction ends: each is a value that it writes. */
const ENDS_TOGETHER = 250;
const NOTHING: Change = { write: () => undefined, done: () => undefined };

/**
 * The store, over any storage: `Books` knows what is true, `GroupWriter` orders the transactions, `Takings` says whether
 * readings are taken, `Upkeep` folds, drops and trims; here they meet.
 */
export class DurableStore implements Store {
  readonly id: string;
  readonly path: string | null;
  readonly highWaterMs: number;
  readonly transfers: Iterable<TransferKey>;
  readonly identities: Iterable<IdentityKey>;
  readonly lastPayloads: Store['lastPayloads'];
  readonly #storage: Storage;
  readonly #limits: StoreLimits;
  readonly #deps: StoreDeps;
  readonly #books: Books;
  readonly #writer: GroupWriter;
  readonly #takings: Takings;
  readonly #upkeep: Upkeep;
  readonly #listeners: ((seq: number) => void)[] = [];
  readonly #closing = new AbortController();
  #closed: Promise<void> | null = null;

  /** @throws GatewayError `store-version`, `store-damaged`. */
  constructor(storage: Storage, limits: StoreLimits, deps: StoreDeps) {
    this.#storage = storage;
    this.#limits = limits;
    this.#deps = deps;
    const books = new Books(storage, limits);
    this.#books = books;
    this.id = books.id;
    this.path = storage.path;
    this.highWaterMs = books.log.highWaterMs;
    this.transfers = books.transfers;
    this.identities = books.identities;
    this.lastPayloads = books.lastPayloads;
    this.#writer = new GroupWriter({
      clock: deps.clock,
      commitDelayMs: limits.commitDelayMs,
      maxGroupPoints: limits.maxGroupPoints,
      maxGroupBytes: limits.maxGroupBytes,
      newGroup: () => books.newGroup(deps.clock.nowMs()),
      commit: (group) => this.#commitGroup(group),
      refused: (groups) => books.refused(groups),
      asError: asRefusal,
    });
    this.#takings = new Takings({
      limits,
      log: books.log,
      sinks: books.sinks,
      outboxes: books.outboxes,
      events: deps.events,
      clock: deps.clock,
      signal: this.#closing.signal,
      shortage: () => storage.shortage(this.#reserveBytes()),
      probe: () => this.#probe(),
    });
    this.#upkeep = new Upkeep({
      books,
      writer: this.#writer,
      limits,
      clock: deps.clock,
      events: deps.events,
      signal: this.#closing.signal,
      commit: (change) => this.#commit(change, 0),
      refresh: () => storage.refresh(),
      looked: () => this.#takings.look(),
      commitLateCounts: () => this.#commitLateCounts(),
    });
    this.#takings.look();
    if (limits.upkeepEveryMs !== null) void this.#upkeep.keepUp(limits.upkeepEveryMs);
  }

  get provisionalNs(): string {
    return this.#books.provisionalNs;
  }

  // ── Taking ────────────────────────────────────────────────────────────────────────────────────────────────

  group(): Group {
    this.#takings.check(this.#writer.pendingBytes);
    return this.#writer.group();
  }

  countLater(source: string, device: string, outcome: 'refused' | 'forwarded', n: number): void {
    const { account } = this.#books;
    this.#books.countLater(account.key(source, device, 'received'), n);
    this.#books.countLater(account.key(source, device, outcome), n);
  }

  async #commitGroup(group: OpenGroup): Promise<void> {
    const next = this.#books.commitGroup(group);
    if (next === null) return;
    const { clock, committed, synced } = this.#deps;
    const sinceMs = clock.monotonicMs();
    await this.#commit(next.change, this.#reserveBytes(), synced);
    committed?.(clock.monotonicMs() - sinceMs);
    this.#look();
    if (group.lines.length > 0) for (const listener of this.#listeners) listener(next.seq);
    if (next.notesLost > 0) {
      const error = `${next.notesLost} notes of a group were too large or too many to be kept`;
      this.#deps.events.emit('hook.failed', { hook: 'store', error });
    }
  }

  /** One transaction. `synced` is awaited before it counts: where that rejects, the next group takes its number. */
  async #commit(change: Change, reserveBytes: number, synced?: () => Promise<void>): Promise<void> {
    const whole = this.#books.together(change);
    try {
      await this.#storage.commit(whole.write, reserveBytes);
      await synced?.();
    } catch (error) {
      whole.failed?.();
      this.#takings.failed(error);
      throw error;
    }
    whole.done();
  }

  /** Groups leave a reserve to trimming and settling; less of it when the file has much free inside. */
  #reserveBytes(): number {
    const { usedBytes } = this.#storage;
    const { log, rejected, outboxes } = this.#books;
    const free = usedBytes - log.liveBytes - rejected.bytes - outboxes.bytes;
    return free > ROOMY_BYTES + usedBytes / 2 ? RESERVE_WHEN_ROOMY : RESERVE_BYTES;
  }

  /** After whatever may have changed what the store can take or should let go. */
  #look(thorough = false): void {
    this.#takings.look();
    this.#upkeep.look(thorough);
  }

  /** What is counted while nothing is taken would wait in memory for as long as that lasts. */
  async #commitLateCounts(): Promise<boolean> {
    if (!this.#books.hasLateCounts || this.#takings.state !== 'full') return false;
    const group = this.#books.newGroup(this.#deps.clock.nowMs());
    await this.#writer.upkeep(() => this.#commitGroup(group));
    return true;
  }

  async #probe(): Promise<void> {
    await this.#storage.refresh();
    const now = Buffer.from(String(this.#deps.clock.nowMs()));
    const change: Change = { ...NOTHING, write: (writes) => writes.put('state', 'probe', now) };
    await this.#writer.upkeep(() => this.#commit(change, 0, this.#deps.synced));
  }

  // ── Sinks ─────────────────────────────────────────────────────────────────────────────────────────────────

  openSink(name: string, options: SinkOptions): SinkLedger {
    const { sinks } = this.#books;
    if (sinks.open(name, options)) this.#books.withNext((writes) => sinks.write(name, writes));
    this.#look();
    return sinks.ledger(name);
  }

  sinks(): readonly SinkLedger[] {
    return this.#books.sinks.ledgers();
  }

  async settle(name: string, settlement: Settlement): Promise<void> {
    this.#mustBeOpen();
    await this.#writer.upkeep(async () => {
      const change = this.#books.settle(name, settlement, this.#deps.clock.nowMs());
      await this.#commit(change, 0);
      const { difference: points } = change;
      if (points !== 0) this.#deps.events.emit('store.settle-mismatch', { sink: name, points });
    });
    this.#look();
  }

  async forgetSink(name: string): Promise<SinkLedger> {
    this.#mustBeOpen();
    const { sinks } = this.#books;
    const ledger = await this.#writer.upkeep(async () => {
      sinks.mayForget(name);
      const last = sinks.ledger(name);
      await this.#commit({ write: (w) => w.remove('sinks', name), done: () => sinks.forget(name) }, 0);
      return last;
    });
    this.#look(true);
    return ledger;
  }

  // ── Outboxes ──────────────────────────────────────────────────────────────────────────────────────────────

  openOutbox(name: string, options: OutboxOptions): Outbox {
    const { outboxes, log } = this.#books;
    if (outboxes.open(name, options)) this.#books.withNext((writes) => outboxes.write(name, writes));
    this.#look();
    return new StoredOutbox(name, { outboxes, log, change: (plan) => this.#change(plan) });
  }

  outboxIsFull(name: string): boolean {
    return this.#books.outboxes.isFull(name);
  }

  outboxes(): readonly OutboxLedger[] {
    return this.#books.outboxes.ledgers();
  }

  async forgetOutbox(name: string): Promise<OutboxLedger> {
    this.#mustBeOpen();
    const { outboxes } = this.#books;
    const ledger = await this.#writer.upkeep(async () => {
      const [change, last] = [outboxes.forget(name), outboxes.ledger(name)];
      await this.#commit(change, 0);
      return last;
    });
    this.#look();
    return ledger;
  }

  async #change(plan: () => Change): Promise<void> {
    this.#mustBeOpen();
    await this.#writer.upkeep(async () => await this.#commit(plan(), 0));
    this.#look();
  }

  onCommit(listener: (seq: number) => void): void {
    this.#listeners.push(listener);
  }

  reader(): LogReader {
    return new LogSlices(
      this.#storage,
      () => undefined,
      async () => undefined,
    );
  }

  // ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────

  account(): Account {
    const { account, sinkRejected, rejected } = this.#books;
    return {
      ...account.account(sinkRejected),
      rejectedEvicted: rejected.evicted,
      rejectedReplayed: rejected.replayed,
      rejectedDiscarded: rejected.discarded,
    };
  }

  status(): StoreStatus {
    const { log, rejected, outboxes } = this.#books;
    return {
      state: this.#takings.state,
      reason: this.#takings.reason,
      lastSeq: log.lastSeq,
      liveBytes: log.liveBytes + outboxes.bytes,
      maxBytes: this.#limits.maxLogBytes,
      rejectedBytes: rejected.bytes,
      rejectedMaxBytes: this.#limits.maxRejectedBytes,
      rejectedCount: rejected.count,
      rejectedOpenCount: rejected.openCount,
      diskFreeBytes: this.#storage.diskFreeBytes,
    };
  }

  rejections(filter: RejectionFilter): readonly Rejection[] {
    return this.#books.rejected.queries.list(filter);
  }

  rejection(id: string): Rejection | null {
    return this.#books.rejected.queries.byId(id);
  }

  rejectionPage(filter: RejectionFilter, after: string | null, limit: number): RejectionPage {
    return this.#books.rejected.queries.page(filter, after, limit);
  }

  async discardRejections(ids: readonly string[]): Promise<number> {
    return await this.#end(ids, 'discarded');
  }

  async settleReplayed(sink: string, rejectionIds: readonly string[]): Promise<number> {
    return await this.#end(rejectionIds, 'written', sink);
  }

  async #end(ids: readonly string[], end: End, sink?: string): Promise<number> {
    this.#mustBeOpen();
    const numbers = ids.map(parseRejectionId).filter((id) => id !== null);
    let ended = 0;
    for (let from = 0; from < numbers.length; from += ENDS_TOGETHER) {
      const some = numbers.slice(from, from + ENDS_TOGETHER);
      await this.#writer.upkeep(async () => {
        const change = this.#books.end(some, end, this.#deps.clock.nowMs(), sink);
        await this.#commit(change, 0);
        ended += change.ended;
      });
    }
    return ended;
  }

  document(name: string): string | null {
    return this.#books.documents.get(name);
  }

  documents(prefix: string): Iterable<readonly [name: string, text: string]> {
    return this.#books.documents.startingWith(prefix);
  }

  async setDocument(name: string, text: string): Promise<void> {
    await this.setDocuments(new Map([[name, text]]));
  }

  async setDocuments(changes: ReadonlyMap<string, string | null>): Promise<void> {
    this.#mustBeOpen();
    await this.#writer.upkeep(async () => await this.#commit(this.#books.documents.set(changes), 0));
  }

  // ── Arrival times ─────────────────────────────────────────────────────────────────────────────────────────

  async setArrivalBase(baseNs: string): Promise<void> {
    checkBase(baseNs);
    this.#mustBeOpen();
    // One that is under way has its times as they are: it is committed before the base, which then is for it, too.
    for (const group of this.#writer.waiting) group.baseNs ??= baseNs;
    await this.#writer.upkeep(async () => {
      const change = this.#books.setArrivalBase(baseNs);
      if (change !== null) await this.#commit(change, 0);
    });
    for (const listener of this.#listeners) listener(this.#books.log.lastSeq);
  }

  // ── The end ───────────────────────────────────────────────────────────────────────────────────────────────

  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.#takings.close();
    await this.#writer.close(async () => {
      try {
        await this.#commitGroup(this.#books.newGroup(this.#deps.clock.nowMs()));
        await this.#upkeep.foldAll();
        if (this.#books.hasWithNext) await this.#commit(NOTHING, 0);
      } catch {
        // A disk that takes nothing: what was acknowledged is on it already, and the next start replays it.
      }
    });
    await this.#storage.close();
  }

  #mustBeOpen(): void {
    if (this.#closing.signal.aborted) throw new GatewayError('stopping', 'the gateway is shutting down');
  }
}

function asRefusal(error: unknown): GatewayError {
  return isRefusal(error) ? error : new GatewayError('store-unavailable', messageOf(error), { cause: error });
}
