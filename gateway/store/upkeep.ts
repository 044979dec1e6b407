import type { Clock } from '../contracts.ts';
import { isGatewayError, messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { Books } from './books.ts';
import type { GroupWriter } from './group-writer.ts';
import type { StoreLimits } from './store-options.ts';
import { planTidying, type Tidying } from './tidying.ts';
import type { Change } from './transaction.ts';

const EXPIRE_EVERY_MS = 60_000;
/** While nothing is taken each record of late counts stays in the log: more and more rarely, up to this. */
const LATE_COUNTS_EVERY_MS = 60_000;
/** By then, whoever is in the configuration has opened its ledger. While there is nothing to say, so often is looked. */
const UNCLAIMED_AFTER_MS = 10_000;
const UNCLAIMED_AGAIN_MS = 3_600_000;

export interface UpkeepDeps {
  readonly books: Books;
  readonly writer: GroupWriter;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly events: Events;
  /** The store closes. */
  readonly signal: AbortSignal;
  /** One transaction that needs no reserve. */
  readonly commit: (change: Change) => Promise<void>;
  /** Looks at the disk. */
  readonly refresh: () => Promise<void>;
  /** After a look at the clock: whether readings are taken may have changed. */
  readonly looked: () => void;
  /** Counts that wait for a group, while none comes. False: there was nothing to do. */
  readonly commitLateCounts: () => Promise<boolean>;
}

/** What a store does beside taking: folds, drops, trims, ages; after commits, and when the clock says so. */
export class Upkeep {
  readonly #deps: UpkeepDeps;
  #foldedAtMs: number;
  #expiredAtMs: number;
  #unclaimedAtMs: number;
  #lateCountsAtMs: number;
  #lateCountsPauseMs: number = 0;
  #isTidying: boolean = false;

  constructor(deps: UpkeepDeps) {
    this.#deps = deps;
    this.#foldedAtMs = deps.clock.monotonicMs();
    this.#expiredAtMs = this.#foldedAtMs;
    this.#unclaimedAtMs = this.#foldedAtMs + UNCLAIMED_AFTER_MS;
    this.#lateCountsAtMs = this.#foldedAtMs;
  }

  /** After whatever may have changed what the store should let go. `thorough`: also of little. */
  look(thorough = false): void {
    if (this.#isTidying || this.#deps.signal.aborted || !this.#isUntidy(thorough)) return;
    this.#isTidying = true;
    const stop = (): void => {
      this.#isTidying = false;
    };
    this.#deps.writer
      .upkeep(() => this.#tidy(thorough, false))
      .then((wasWorth) => {
        stop();
        if (!wasWorth) return;
        this.#deps.looked();
        this.look(thorough);
      }, stop);
  }

  /** Until it closes. */
  async keepUp(everyMs: number): Promise<void> {
    const { clock, events, signal, refresh, looked } = this.#deps;
    for (;;) {
      await clock.sleep(everyMs, signal);
      if (!signal.aborted) await refresh();
      if (signal.aborted) return;
      looked();
      this.look(true);
      this.#sayUnclaimed();
      try {
        if (clock.monotonicMs() >= this.#lateCountsAtMs) await this.#commitLateCounts(everyMs);
        if (clock.monotonicMs() - this.#expiredAtMs >= EXPIRE_EVERY_MS) await this.#expireRejected();
      } catch (error) {
        // A transaction that failed is known to the store, which tries again when it has healed.
        if (!isGatewayError(error)) events.emit('hook.failed', { hook: 'store', error: messageOf(error) });
      }
    }
  }

  async #commitLateCounts(everyMs: number): Promise<void> {
    const longer = Math.min(LATE_COUNTS_EVERY_MS, Math.max(everyMs, 2 * this.#lateCountsPauseMs));
    this.#lateCountsPauseMs = (await this.#deps.commitLateCounts()) ? longer : this.#lateCountsPauseMs / 2;
    this.#lateCountsAtMs = this.#deps.clock.monotonicMs() + this.#lateCountsPauseMs;
  }

  /** At the end, within the last piece of upkeep: everything into its folded form, so that a start replays nothing. */
  async foldAll(): Promise<void> {
    const { log } = this.#deps.books;
    if (log.folded.seq < log.lastSeq) await this.#tidy(true, true);
    while (log.foldedThrough < log.folded.seq) await this.#tidy(true, false);
  }

  /** Never throws: a broken record must not make a commit look failed that is on disk. */
  #isUntidy(thorough: boolean): boolean {
    try {
      return this.#deps.books.outboxes.isUntidy || this.#plan(thorough, false) !== null;
    } catch (error) {
      this.#deps.events.emit('hook.failed', { hook: 'store', error: messageOf(error) });
      return false;
    }
  }

  #plan(thorough: boolean, fold: boolean): Tidying | null {
    const { books, limits } = this.#deps;
    const { log, sinks, outboxes } = books;
    const maxLogBytes = limits.maxLogBytes - outboxes.shareBytes;
    const foldDue = fold || this.#isFoldDue();
    const flushDue = log.foldedThrough < log.folded.seq;
    return planTidying({ log, sinks, maxLogBytes, whenFull: limits.whenFull, foldDue, flushDue, thorough });
  }

  #isFoldDue(): boolean {
    const { books, limits, clock } = this.#deps;
    const { folded, lastSeq, last } = books.log;
    if (lastSeq === folded.seq) return false;
    return (
      last.cost - folded.marks.cost >= limits.foldBytes ||
      lastSeq - folded.seq >= limits.foldGroups ||
      clock.monotonicMs() - this.#foldedAtMs >= limits.foldAfterMs
    );
  }

  /** One transaction of folding, dropping and trimming. False: there was nothing to do. */
  async #tidy(thorough: boolean, fold: boolean): Promise<boolean> {
    const { books, commit, clock, events } = this.#deps;
    const plan = this.#plan(thorough, fold);
    if (plan === null) return await this.#tidyOutboxes();
    const change = books.tidy(plan);
    await commit(change);
    if (plan.fold) this.#foldedAtMs = clock.monotonicMs();
    for (const { name, points } of change.dropped) events.emit('store.dropped', { sink: name, points });
    return true;
  }

  async #tidyOutboxes(): Promise<boolean> {
    const { books, commit, events } = this.#deps;
    const change = books.outboxes.tidy();
    if (change === null) return false;
    await commit(change);
    const { dropped } = change;
    if (dropped !== null)
      events.emit('forward.dropped', { forward: dropped.name, messages: dropped.messages });
    return true;
  }

  /** Who is not in the configuration and has nothing takes nobody's room; one that something comes to is told of then. */
  #sayUnclaimed(): void {
    const { books, clock, events } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#unclaimedAtMs) return;
    const keepsSomething = ({ configured, pending }: { configured: boolean; pending: number }): boolean =>
      !configured && pending > 0;
    const sinks = books.sinks.ledgers().filter(keepsSomething);
    const forwards = books.outboxes.ledgers().filter(keepsSomething);
    const isCalm = sinks.length === 0 && forwards.length === 0;
    this.#unclaimedAtMs = nowMs + (isCalm ? UNCLAIMED_AFTER_MS : UNCLAIMED_AGAIN_MS);
    for (const { name, pending } of sinks)
      events.emit('store.sink-unclaimed', { sink: name, points: pending });
    for (const { name, pending } of forwards)
      events.emit('store.forward-unclaimed', { forward: name, messages: pending });
  }

  /** Removes rejected readings that are older than allowed. */
  async #expireRejected(): Promise<void> {
    const { books, writer, limits, clock, commit, signal } = this.#deps;
    this.#expiredAtMs = clock.monotonicMs();
    let isMore = true;
    while (isMore && !signal.aborted) {
      isMore = await writer.upkeep(async () => {
        const change = books.rejected.expire(clock.nowMs() - limits.rejected.maxAgeMs);
        if (change !== null) await commit(change);
        return change !== null;
      });
    }
  }
}
