/**
 * The loop of one sink: read a slice of the log, write it, settle it, go on behind it. The only place that tries a
 * sink again; what an answer means is the sink's `Decision`. Knows no threads: `delivery-host.ts` runs it here or in
 * a worker.
 *
 *   open ─▶ read ─▶ write ─▶ written ───────────▶ settle ─▶ read …   (settling goes on beside the next write)
 *             ▲        │ isolate, halve ─▶ delivery-slice.ts
 *             └─ wait ◀┘ retry, pause
 *
 * Memory is flat: one slice, whatever the backlog. Nothing is dropped by any answer: what is not settled is read again.
 */
import type { Clock } from './contracts.ts';
import { BACKOFF, Backoff, type BackoffOptions } from './delivery/delivery-backoff.ts';
import { deviceIn, splitLines } from './delivery/delivery-lines.ts';
import { type ReplayedLines, replayLines } from './delivery/delivery-replay.ts';
import { deliverSlice, type RefusedLine } from './delivery/delivery-slice.ts';
import { isGatewayError, messageOf } from './errors.ts';
import type { EventFields, EventName } from './monitoring/events.ts';
import type { Decision, Sink, SinkHealth, SinkState } from './sink-contract.ts';
import type { LogReader, LogSlice, Settlement } from './store-contract.ts';

export interface BatchLimits {
  readonly maxPoints: number;
  readonly maxBytes: number;
  /** A batch that is not full is sent when its oldest point has waited this long. */
  readonly maxAgeMs: number;
}

/** What the loop needs from where it runs. */
export interface DeliveryPorts {
  /** Resolves when the store has it. Where it rejects, it is tried again: the same settlement. */
  settle(settlement: Settlement): Promise<void>;
  /** The state or its reason has changed. */
  report(health: SinkHealth): void;
  /** One request has written so many points. */
  wrote(points: number, ms: number): void;
  emit(name: EventName, fields: EventFields): void;
}

export interface DeliveryOptions {
  readonly name: string;
  readonly storeId: string;
  /** The store's cursor for this sink. */
  readonly cursor: number;
  /** The last group that is synced. */
  readonly throughSeq: number;
  readonly batch: BatchLimits;
  readonly backoff?: BackoffOptions;
  readonly random?: () => number;
}

/** Lines to be given to the sink once more, between two slices. */
interface ReplayJob {
  readonly lines: Buffer;
  readonly done: (result: ReplayedLines) => void;
}

/** What one loop works with. */
export interface DeliveryParts {
  readonly sink: Sink;
  readonly reader: LogReader;
  readonly ports: DeliveryPorts;
  readonly clock: Clock;
}

/** How often a batch that fills is looked at, as a part of its age. */
const LOOKS = 10;

type Trouble = Extract<Decision, { kind: 'retry' | 'pause' }>;

export class DeliveryLoop {
  private readonly parts: DeliveryParts;
  private readonly options: DeliveryOptions;
  private readonly backoff: Backoff;
  /** Ends every wait, and the tries. */
  private readonly stopping = new AbortController();
  /** Ends the request in flight. */
  private readonly deadline = new AbortController();
  private cursor: number;
  private throughSeq: number;
  private replayJob: ReplayJob | null = null;
  /** Ends the wait for something to write; null where nothing waits. */
  private rouse: (() => void) | null = null;
  /** Both sides agree on what is written. After a write that failed, but may be done all the same, they may not. */
  private sure: boolean;
  private settling: Promise<void> = Promise.resolve();
  private health: SinkHealth;
  /** When the slice that is filling goes. The wall clock may jump: it is only asked once. */
  private filling: { readonly seq: number; readonly dueMs: number } = { seq: -1, dueMs: 0 };

  constructor(parts: DeliveryParts, options: DeliveryOptions) {
    this.parts = parts;
    this.options = options;
    this.backoff = new Backoff(options.backoff ?? BACKOFF, options.random ?? Math.random);
    this.cursor = options.cursor;
    this.sure = false;
    this.throughSeq = options.throughSeq;
    this.health = {
      name: options.name,
      state: 'starting',
      reason: null,
      sinceMs: parts.clock.nowMs(),
      lastWriteMs: null,
    };
  }

  /** Groups up to this one are synced and may be read. The same again: one that was held back may be now. */
  wake(throughSeq: number): void {
    if (throughSeq < this.throughSeq) return;
    this.throughSeq = throughSeq;
    this.rouse?.();
  }

  /** Writes what is there, without waiting for trouble to pass, until it is done or `deadlineMs` are over. */
  stop(deadlineMs: number): void {
    if (this.stopping.signal.aborted) return;
    this.stopping.abort();
    this.rouse?.();
    void this.parts.clock.sleep(deadlineMs, this.deadline.signal).then(() => this.deadline.abort());
  }

  /**
   * Gives the sink lines that it once refused: between two slices, so it is never written twice at once. Where it is in
   * trouble that is said at once: nobody waits for it to pass. Never rejects.
   */
  replay(lines: Buffer): Promise<ReplayedLines> {
    const { state, reason } = this.health;
    if (this.stopping.signal.aborted || state === 'stopped')
      return Promise.resolve({ error: 'the gateway is stopping' });
    if (state !== 'idle' && state !== 'writing')
      return Promise.resolve({
        error: reason === null ? `the sink is ${state}` : `the sink is ${state}: ${reason}`,
      });
    if (this.replayJob !== null) return Promise.resolve({ error: 'another replay is under way' });
    return new Promise((done) => {
      this.replayJob = { lines, done };
      this.rouse?.();
    });
  }

  /** Runs until stopped; then everything is settled or left as it was, and sink and reader are closed. Never rejects. */
  async run(): Promise<void> {
    const { sink, reader } = this.parts;
    this.parts.ports.report(this.health);
    try {
      if (await this.open()) {
        this.parts.ports.emit('sink.ready', { sink: this.options.name });
        this.recovered();
        await this.deliver();
      }
      await this.settling;
    } finally {
      this.deadline.abort();
      this.endReplay({ error: 'the gateway is stopping' });
      await Promise.allSettled([sink.close(), reader.close()]);
      this.become('stopped', null);
    }
  }

  /** False: it was stopped before the sink could be opened. */
  private async open(): Promise<boolean> {
    while (!this.stopping.signal.aborted) {
      const trouble = await this.tryOpen();
      if (trouble === null) return true;
      if (!(await this.waitAfter(trouble))) return false;
    }
    return false;
  }

  /** Null: it is open, and both sides agree on what is written. */
  private async tryOpen(): Promise<Trouble | null> {
    try {
      const { storeId } = this.options;
      const own = await this.parts.sink.open(storeId, this.throughSeq, this.stopping.signal);
      if (own !== null && own > this.cursor) await this.catchUp(own);
      this.sure = true;
      return null;
    } catch (error) {
      const lasting = isGatewayError(error) && error.code !== 'sink-unavailable';
      const reason = messageOf(error);
      return lasting ? { kind: 'pause', reason } : { kind: 'retry', afterMs: null, reason };
    }
  }

  /** The sink holds more than the store knows of: it was written, but a crash came before it was settled. */
  private async catchUp(own: number): Promise<void> {
    const through = Math.min(own, this.throughSeq);
    for (let slice = this.read(through); slice !== null; slice = this.read(through)) {
      await this.settle(slice, []);
    }
    this.cursor = Math.max(this.cursor, through);
  }

  private async deliver(): Promise<void> {
    while (!this.deadline.signal.aborted) {
      try {
        if (!this.sure && !(await this.open())) return;
        if (this.replayJob !== null) {
          await this.answerReplay(this.replayJob.lines);
          continue;
        }
        const slice = this.read(this.throughSeq);
        if (slice === null) {
          if (this.stopping.signal.aborted) return;
          this.become('idle', null);
          await this.untilWoken();
        } else if (this.stopping.signal.aborted || this.isFull(slice) || this.isDue(slice)) {
          if (!(await this.deliverOne(slice))) return;
        } else {
          await this.untilDue();
        }
      } catch (error) {
        // Neither the sink nor the store may throw; if one does, what is not settled is read and written again.
        this.sure = false;
        const reason = `internal error: ${messageOf(error)}`;
        if (!(await this.waitAfter({ kind: 'retry', afterMs: null, reason }))) return;
      }
    }
  }

  /** False: stop. */
  private async deliverOne(slice: LogSlice): Promise<boolean> {
    if (this.health.state === 'idle') this.become('writing', null);
    const lines = splitLines(slice.lines);
    if (lines.count === 0) {
      await this.settle(slice, []);
      return true;
    }
    const result = await deliverSlice(
      lines,
      async (part, count, whole) => await this.write(part, count, whole ? slice.lastSeq : null),
      async (trouble) => await this.waitAfter(trouble),
    );
    if (result.kind === 'stopped') return false;
    if (result.kind !== 'done') {
      this.sure = false;
      return await this.waitAfter(result);
    }
    await this.settle(
      slice,
      result.refused.map(({ index, words }) => ({ line: lines.at(index), words })),
    );
    this.recovered();
    this.reportRefused(result.refused);
    return true;
  }

  private async write(lines: Buffer, count: number, throughSeq: number | null): Promise<Decision> {
    const { sink, ports, clock } = this.parts;
    const startedMs = clock.monotonicMs();
    const decision = await sink.write(lines, throughSeq, this.deadline.signal);
    if (decision.kind !== 'written') return decision;
    this.health = { ...this.health, lastWriteMs: clock.nowMs() };
    ports.wrote(count, clock.monotonicMs() - startedMs);
    if (this.health.state === 'retrying') this.recovered();
    return decision;
  }

  /** Nothing of it is settled here: whose lines they were does that. */
  private async answerReplay(bytes: Buffer): Promise<void> {
    if (this.health.state === 'idle') this.become('writing', null);
    const result = await replayLines(splitLines(bytes), (part, count) => this.write(part, count, null)).catch(
      (error: unknown): ReplayedLines => ({ error: `internal error: ${messageOf(error)}` }),
    );
    // What was not answered may be written or not: both sides have to agree again.
    if ('error' in result) this.sure = false;
    this.endReplay(result);
  }

  private endReplay(result: ReplayedLines): void {
    const job = this.replayJob;
    this.replayJob = null;
    job?.done(result);
  }

  private read(throughSeq: number): LogSlice | null {
    return this.parts.reader.read(this.cursor, throughSeq, this.options.batch);
  }

  /** One settlement is on its way while the next slice is written, never two. */
  private async settle(
    slice: LogSlice,
    refused: readonly { readonly line: Buffer; readonly words: string }[],
  ): Promise<void> {
    await this.settling;
    this.cursor = slice.lastSeq;
    this.settling = this.settleSurely({
      throughSeq: slice.lastSeq,
      written: slice.points - refused.length,
      rejected: refused.map(({ line, words }) => ({
        line: Buffer.from(line),
        words,
        device: deviceIn(line),
      })),
    });
  }

  private async settleSurely(settlement: Settlement): Promise<void> {
    const backoff = new Backoff(this.options.backoff ?? BACKOFF, this.options.random ?? Math.random);
    for (;;) {
      try {
        return await this.parts.ports.settle(settlement);
      } catch (error) {
        this.parts.ports.emit('delivery.unsettled', { sink: this.options.name, error: messageOf(error) });
        if (this.stopping.signal.aborted) return;
        await this.parts.clock.sleep(backoff.retryMs(null), this.stopping.signal);
      }
    }
  }

  private reportRefused(refused: readonly RefusedLine[]): void {
    const [first] = refused;
    if (first === undefined) return;
    const { name: sink } = this.options;
    this.parts.ports.emit('sink.refused', { sink, points: refused.length, words: first.words });
  }

  /** Says what is wrong and waits. False: it is time to stop instead. */
  private async waitAfter(trouble: Trouble): Promise<boolean> {
    if (this.stopping.signal.aborted) return false;
    const state = trouble.kind === 'pause' ? 'paused' : 'retrying';
    const { health, backoff } = this;
    if (health.state !== state || (state === 'paused' && health.reason !== trouble.reason)) {
      const fields = { sink: this.options.name, reason: trouble.reason };
      this.parts.ports.emit(state === 'paused' ? 'sink.paused' : 'sink.retrying', fields);
    }
    this.become(state, trouble.reason);
    this.endReplay({ error: `the sink is ${state}: ${trouble.reason}` });
    const ms = trouble.kind === 'pause' ? backoff.pauseMs() : backoff.retryMs(trouble.afterMs);
    await this.parts.clock.sleep(ms, this.stopping.signal);
    return !this.stopping.signal.aborted;
  }

  private recovered(): void {
    this.backoff.reset();
    if (this.health.state === 'retrying' || this.health.state === 'paused') {
      this.parts.ports.emit('sink.recovered', { sink: this.options.name });
    }
    if (this.health.state !== 'writing') this.become('writing', null);
  }

  private become(state: SinkState, reason: string | null): void {
    if (this.health.state === state && this.health.reason === reason) return;
    const sinceMs = this.health.state === state ? this.health.sinceMs : this.parts.clock.nowMs();
    this.health = { ...this.health, state, reason, sinceMs };
    this.parts.ports.report(this.health);
  }

  /** No more would fit, as far as can be told. Groups behind it may hold no points: such are no reason to hurry. */
  private isFull({ points, lines, lastSeq }: LogSlice): boolean {
    const { maxPoints, maxBytes } = this.options.batch;
    if (points >= maxPoints || lines.length >= maxBytes) return true;
    if (lastSeq >= this.throughSeq) return false;
    return this.parts.reader.read(lastSeq, this.throughSeq, { maxPoints: 1, maxBytes: 1 }) !== null;
  }

  private isDue(slice: LogSlice): boolean {
    const { clock } = this.parts;
    const { maxAgeMs } = this.options.batch;
    if (this.filling.seq !== slice.firstSeq) {
      const ageMs = Math.min(maxAgeMs, Math.max(0, clock.nowMs() - slice.oldestMs));
      this.filling = { seq: slice.firstSeq, dueMs: clock.monotonicMs() + maxAgeMs - ageMs };
    }
    return clock.monotonicMs() >= this.filling.dueMs;
  }

  private async untilDue(): Promise<void> {
    const { clock } = this.parts;
    const ms = Math.min(this.filling.dueMs - clock.monotonicMs(), this.options.batch.maxAgeMs / LOOKS);
    await clock.sleep(Math.max(1, ms), this.stopping.signal);
  }

  private async untilWoken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.rouse = resolve;
    });
    this.rouse = null;
  }
}
