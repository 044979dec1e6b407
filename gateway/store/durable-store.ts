import { GatewayError, isGatewayError, isRefusal, messageOf } from '../errors.ts';
import type {
  Account,
  Group,
  LogReader,
  Rejection,
  RejectionFilter,
  Settlement,
  SinkLedger,
  Store,
  StoreStatus,
  TransferKey,
} from '../store-contract.ts';
import { Books } from './books.ts';
import { GroupWriter } from './group-writer.ts';
import { LogSlices } from './log-slices.ts';
import type { OpenGroup } from './open-group.ts';
import type { SinkOptions } from './sinks-table.ts';
import { RESERVE_BYTES, type Storage } from './storage.ts';
import type { StoreDeps, StoreLimits } from './store-options.ts';
import { Takings } from './takings.ts';
import { planTidying, type Tidying } from './tidying.ts';
import type { Change } from './transaction.ts';

const MIB = 1024 * 1024;
/** With this much free inside the file, and half of it, groups find their place there. */
const ROOMY_BYTES = 4 * MIB;
const RESERVE_WHEN_ROOMY = MIB;
const EXPIRE_EVERY_MS = 60_000;
/** By then, whoever is in the configuration has opened its ledger. */
const UNCLAIMED_AFTER_MS = 10_000;
const UNCLAIMED_AGAIN_MS = 3_600_000;
const NOTHING: Change = { write: () => undefined, done: () => undefined };

/**
 * The store, over any storage: `Books` knows what is true, `GroupWriter` orders the transactions, `Takings` says whether
 * readings are taken, `planTidying` what to fold, drop and trim; here they meet.
 */
export class DurableStore implements Store {
  readonly id: string;
  readonly path: string | null;
  readonly highWaterMs: number;
  readonly transfers: Iterable<TransferKey>;
  readonly #storage: Storage;
  readonly #limits: StoreLimits;
  readonly #deps: StoreDeps;
  readonly #books: Books;
  readonly #writer: GroupWriter;
  readonly #takings: Takings;
  readonly #listeners: ((seq: number) => void)[] = [];
  readonly #closing = new AbortController();
  #foldedAtMs: number;
  #expiredAtMs: number;
  #unclaimedAtMs: number;
  #isTidying: boolean = false;
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
    this.#foldedAtMs = deps.clock.monotonicMs();
    this.#expiredAtMs = this.#foldedAtMs;
    this.#unclaimedAtMs = this.#foldedAtMs + UNCLAIMED_AFTER_MS;
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
      events: deps.events,
      clock: deps.clock,
      signal: this.#closing.signal,
      shortage: () => storage.shortage(this.#reserveBytes()),
      probe: () => this.#probe(),
    });
    this.#takings.look();
    if (limits.upkeepEveryMs !== null) void this.#keepUp(limits.upkeepEveryMs);
  }

  // ── Taking ────────────────────────────────────────────────────────────────────────────────────────────────

  group(): Group {
    this.#takings.check(this.#writer.pendingBytes);
    return this.#writer.group();
  }

  countLater(source: string, device: string, outcome: 'refused' | 'forwarded', n: number): void {
    this.#books.countLater(this.#books.account.key(source, device, outcome), n);
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
    const free = usedBytes - this.#books.log.liveBytes - this.#books.rejected.bytes;
    return free > ROOMY_BYTES + usedBytes / 2 ? RESERVE_WHEN_ROOMY : RESERVE_BYTES;
  }

  // ── Upkeep ────────────────────────────────────────────────────────────────────────────────────────────────

  /** After whatever may have changed what the store can take or should let go. */
  #look(thorough = false): void {
    this.#takings.look();
    if (this.#isTidying || this.#closing.signal.aborted || !this.#isUntidy(thorough)) return;
    this.#isTidying = true;
    const stop = (): void => {
      this.#isTidying = false;
    };
    this.#writer
      .upkeep(() => this.#tidy(thorough, false))
      .then((wasWorth) => {
        stop();
        if (wasWorth) this.#look(thorough);
      }, stop);
  }

  /** Never throws: a broken record must not make a commit look failed that is on disk. */
  #isUntidy(thorough: boolean): boolean {
    try {
      return this.#plan(thorough, false) !== null;
    } catch (error) {
      this.#deps.events.emit('hook.failed', { hook: 'store', error: messageOf(error) });
      return false;
    }
  }

  #plan(thorough: boolean, fold: boolean): Tidying | null {
    const { log, sinks } = this.#books;
    const foldDue = fold || this.#isFoldDue();
    return planTidying({ log, sinks, limits: this.#limits, foldDue, thorough });
  }

  #isFoldDue(): boolean {
    const { folded, lastSeq, last } = this.#books.log;
    if (lastSeq === folded.seq) return false;
    const { foldBytes, foldGroups, foldAfterMs } = this.#limits;
    return (
      last.cost - folded.marks.cost >= foldBytes ||
      lastSeq - folded.seq >= foldGroups ||
      this.#deps.clock.monotonicMs() - this.#foldedAtMs >= foldAfterMs
    );
  }

  /** One transaction of folding, dropping and trimming. False: there was nothing to do. */
  async #tidy(thorough: boolean, fold: boolean): Promise<boolean> {
    const plan = this.#plan(thorough, fold);
    if (plan === null) return false;
    const change = this.#books.tidy(plan);
    await this.#commit(change, 0);
    if (plan.fold) this.#foldedAtMs = this.#deps.clock.monotonicMs();
    for (const { name, points } of change.dropped) {
      this.#deps.events.emit('store.dropped', { sink: name, points });
    }
    return true;
  }

  async #keepUp(everyMs: number): Promise<void> {
    const { signal } = this.#closing;
    const { clock, events } = this.#deps;
    for (;;) {
      await clock.sleep(everyMs, signal);
      if (!signal.aborted) await this.#storage.refresh();
      if (signal.aborted) return;
      this.#look(true);
      this.#sayUnclaimed();
      try {
        // What is counted while nothing is taken would wait in memory for as long as that lasts.
        if (this.#books.hasLateCounts && this.#takings.state === 'full') await this.#commitLateCounts();
        if (clock.monotonicMs() - this.#expiredAtMs >= EXPIRE_EVERY_MS) await this.expireRejected();
      } catch (error) {
        // A transaction that failed is known to the store, which tries again when it has healed.
        if (!isGatewayError(error)) events.emit('hook.failed', { hook: 'store', error: messageOf(error) });
      }
    }
  }

  #sayUnclaimed(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < this.#unclaimedAtMs) return;
    this.#unclaimedAtMs = nowMs + UNCLAIMED_AGAIN_MS;
    for (const { name, configured, pending } of this.sinks()) {
      if (!configured) this.#deps.events.emit('store.sink-unclaimed', { sink: name, points: pending });
    }
  }

  async #commitLateCounts(): Promise<void> {
    const group = this.#books.newGroup(this.#deps.clock.nowMs());
    await this.#writer.upkeep(() => this.#commitGroup(group));
  }

  /** Removes rejected readings that are older than allowed. Runs by itself every minute. */
  async expireRejected(): Promise<void> {
    const { clock } = this.#deps;
    this.#expiredAtMs = clock.monotonicMs();
    let isMore = true;
    while (isMore && !this.#closing.signal.aborted) {
      isMore = await this.#writer.upkeep(async () => {
        const change = this.#books.rejected.expire(clock.nowMs() - this.#limits.rejected.maxAgeMs);
        if (change !== null) await this.#commit(change, 0);
        return change !== null;
      });
    }
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

  async forgetSink(name: string): Promise<void> {
    this.#mustBeOpen();
    const { sinks } = this.#books;
    await this.#writer.upkeep(async () => {
      sinks.mayForget(name);
      await this.#commit({ write: (w) => w.remove('sinks', name), done: () => sinks.forget(name) }, 0);
    });
    this.#look(true);
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
    return account.account(sinkRejected, rejected.evicted);
  }

  status(): StoreStatus {
    const { log, rejected } = this.#books;
    return {
      state: this.#takings.state,
      reason: this.#takings.reason,
      lastSeq: log.lastSeq,
      liveBytes: log.liveBytes,
      maxBytes: this.#limits.maxLogBytes,
      rejectedBytes: rejected.bytes,
      rejectedMaxBytes: this.#limits.maxRejectedBytes,
      rejectedCount: rejected.count,
      diskFreeBytes: this.#storage.diskFreeBytes,
    };
  }

  rejections(filter: RejectionFilter): readonly Rejection[] {
    return this.#books.rejected.list(filter);
  }

  rejection(id: string): Rejection | null {
    return this.#books.rejected.byId(id);
  }

  document(name: string): string | null {
    return this.#books.documents.get(name);
  }

  async setDocument(name: string, text: string): Promise<void> {
    this.#mustBeOpen();
    const change = this.#books.documents.set(name, text);
    await this.#writer.upkeep(() => this.#commit(change, 0));
  }

  // ── The end ───────────────────────────────────────────────────────────────────────────────────────────────

  async close(): Promise<void> {
    this.#closed ??= this.#end();
    await this.#closed;
  }

  async #end(): Promise<void> {
    this.#closing.abort();
    this.#takings.close();
    await this.#writer.close(async () => {
      try {
        await this.#commitGroup(this.#books.newGroup(this.#deps.clock.nowMs()));
        const { log } = this.#books;
        if (log.folded.seq < log.lastSeq) await this.#tidy(true, true);
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
