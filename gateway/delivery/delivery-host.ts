/**
 * Runs the loop of one sink, on a thread of its own or here, and keeps what it says: health, counters, settlements.
 * A thread that ends by itself is started again behind what the store has settled: nothing is lost with it.
 */
import { Worker } from 'node:worker_threads';
import type { SinkConfig } from '../config/gateway-config.ts';
import type { Clock } from '../contracts.ts';
import { DeliveryLoop, type DeliveryPorts } from '../delivery.ts';
import { messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { SinkHealth } from '../sink-contract.ts';
import type { Settlement, Store } from '../store-contract.ts';
import { BACKOFF, Backoff } from './delivery-backoff.ts';
import type { ReplayedLines } from './delivery-replay.ts';
import { batchLimitsOf, createSink } from './delivery-sink.ts';
import type { FromWorker, ToWorker, WorkerStart } from './delivery-worker.ts';

export interface DeliveryDeps {
  readonly store: Store;
  readonly events: Events;
  readonly clock: Clock;
  /**
   * `worker`: on a thread of its own; where there is none to be had (a store in memory, a program that was not
   * compiled) it is `inline`: on this one.
   */
  readonly mode: 'worker' | 'inline';
  /** Where the embedded database is. */
  readonly dataDir: string;
  /** One request has written so many points, in so long. */
  readonly onWrite?: (sink: string, points: number, ms: number) => void;
  /** The thread's program; tests run one that crashes. */
  readonly workerUrl?: URL;
}

export interface DeliveryStats {
  /** Points in requests that were written, since the start; written again after a crash or in a search for bad lines counts again. */
  readonly writtenPoints: number;
  readonly writes: number;
  readonly writeMs: number;
  readonly refusedPoints: number;
  readonly restarts: number;
}

export interface Delivery {
  health(): SinkHealth;
  stats(): DeliveryStats;
  /** Gives the sink, and it alone, lines that it once refused; they are settled by who asks. One at a time. Never rejects. */
  replay(lines: Buffer): Promise<ReplayedLines>;
  /** Writes what is there within `deadlineMs`, then lets go. What was not written stays in the store. */
  stop(deadlineMs: number): Promise<void>;
}

/** A commit may come every millisecond; the thread hears of one in so many. */
const WAKE_EVERY_MS = 10;
/** A slice makes garbage quickly and keeps little: a small nursery saves 30 MB a thread, and no time is lost. */
const YOUNG_MB = 4;
/**
 * What a thread may take beyond its deadline. Then it is left to the end of the program: a thread that is terminated
 * in the middle of native work (DuckDB's) can take the whole process along.
 */
const GRACE_MS = 2000;

/**
 * Starts to deliver behind `cursor`, the place of the sink's ledger.
 * @throws GatewayError `config-invalid`: the sink cannot be made from its configuration.
 */
export function startDelivery(config: SinkConfig, cursor: number, deps: DeliveryDeps): Delivery {
  const { store } = deps;
  const host = new Host(config, deps);
  // What is wrong with the configuration is said here, not in the thread.
  const sink = createSink(config, deps.dataDir);
  if (deps.mode === 'worker' && store.path !== null && import.meta.url.endsWith('.js')) {
    void host.runWorker(store.path, cursor);
  } else {
    host.runInline(
      new DeliveryLoop(
        { sink, reader: store.reader(), ports: host.ports, clock: deps.clock },
        {
          name: config.name,
          storeId: store.id,
          cursor,
          throughSeq: store.status().lastSeq,
          batch: batchLimitsOf(config),
        },
      ),
    );
  }
  return host;
}

/** One run of the loop, wherever it is. */
interface Run {
  wake(throughSeq: number): void;
  stop(deadlineMs: number): void;
  replay(lines: Buffer): Promise<ReplayedLines>;
  readonly ended: Promise<void>;
}

class Host implements Delivery {
  readonly ports: DeliveryPorts;
  private readonly config: SinkConfig;
  private readonly deps: DeliveryDeps;
  private run: Run | null = null;
  private stopped: Promise<void> | null = null;
  private readonly stopping = new AbortController();
  private current: SinkHealth;
  private counters = { writtenPoints: 0, writes: 0, writeMs: 0, refusedPoints: 0, restarts: 0 };
  private settling: Promise<unknown> = Promise.resolve();
  private replays = 0;

  constructor(config: SinkConfig, deps: DeliveryDeps) {
    this.config = config;
    this.deps = deps;
    const { name } = config;
    this.current = {
      name,
      state: 'starting',
      reason: null,
      sinceMs: deps.clock.nowMs(),
      lastWriteMs: null,
    };
    this.ports = {
      settle: (settlement) => this.settle(settlement),
      report: (health) => {
        const lastWriteMs = health.lastWriteMs ?? this.current.lastWriteMs;
        this.current = { ...health, lastWriteMs };
      },
      wrote: (points, ms) => {
        this.counters.writtenPoints += points;
        this.counters.writes += 1;
        this.counters.writeMs += ms;
        this.current = { ...this.current, lastWriteMs: deps.clock.nowMs() };
        deps.onWrite?.(name, points, ms);
      },
      emit: (event, fields) => deps.events.emit(event, fields),
    };
    let due = false;
    let through = 0;
    deps.store.onCommit((seq) => {
      through = seq;
      if (due || this.stopped !== null) return;
      due = true;
      setTimeout(() => {
        due = false;
        this.run?.wake(through);
      }, WAKE_EVERY_MS).unref();
    });
  }

  health(): SinkHealth {
    return this.current;
  }

  stats(): DeliveryStats {
    return { ...this.counters };
  }

  async replay(lines: Buffer): Promise<ReplayedLines> {
    if (this.replays > 0) return { error: 'another replay is under way' };
    if (this.run === null) return { error: this.current.reason ?? `the sink is ${this.current.state}` };
    this.replays += 1;
    try {
      return await this.run.replay(lines);
    } finally {
      this.replays -= 1;
    }
  }

  stop(deadlineMs: number): Promise<void> {
    this.stopped ??= this.end(deadlineMs);
    return this.stopped;
  }

  runInline(loop: DeliveryLoop): void {
    this.run = {
      wake: (throughSeq) => loop.wake(throughSeq),
      stop: (deadlineMs) => loop.stop(deadlineMs),
      replay: (lines) => loop.replay(lines),
      ended: loop.run(),
    };
  }

  /** Until stopped. Never rejects. */
  async runWorker(path: string, cursor: number): Promise<void> {
    const { clock, store, events } = this.deps;
    const backoff = new Backoff(BACKOFF, Math.random);
    let from = cursor;
    while (!this.stopping.signal.aborted) {
      const startedMs = clock.monotonicMs();
      const start: WorkerStart = {
        config: this.config,
        dataDir: this.deps.dataDir,
        path,
        storeId: store.id,
        cursor: from,
        throughSeq: store.status().lastSeq,
      };
      // Where the thread cannot even be made, it is tried again like one that ended.
      const error = await this.oneWorker(start).catch(messageOf);
      if (error === null || this.stopping.signal.aborted) return;
      await this.settling;
      from = store.sinks().find(({ name }) => name === this.config.name)?.cursor ?? from;
      this.counters.restarts += 1;
      events.emit('delivery.restarted', { sink: this.config.name, error });
      const reason = `its thread ended (${error}) and is started again`;
      this.current = { ...this.current, state: 'retrying', reason, sinceMs: clock.nowMs() };
      if (clock.monotonicMs() - startedMs > BACKOFF.capMs) backoff.reset();
      await clock.sleep(backoff.retryMs(null), this.stopping.signal);
    }
  }

  /** Null: it ended as it was told to. Else why it did. */
  private async oneWorker(workerData: WorkerStart): Promise<string | null> {
    const worker = new Worker(this.deps.workerUrl ?? new URL('./delivery-worker.js', import.meta.url), {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      name: `sink ${this.config.name}`,
    });
    let error: string | null = 'exit';
    const say = (message: ToWorker): void => worker.postMessage(message);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'settle') {
        this.settle(received(message.settlement)).then(
          () => say({ kind: 'settled', error: null }),
          (failure: unknown) => say({ kind: 'settled', error: messageOf(failure) }),
        );
      } else if (message.kind === 'replayed') replayed(message.result);
      else if (message.kind === 'health') this.ports.report(message.health);
      else if (message.kind === 'wrote') this.ports.wrote(message.points, message.ms);
      else if (message.kind === 'event') this.ports.emit(message.name, message.fields);
      else error = null;
    });
    worker.on('error', (failure) => {
      error = messageOf(failure);
    });
    let replayed: (result: ReplayedLines) => void = () => undefined;
    let leave = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      leave = resolve;
      worker.once('exit', () => resolve());
    });
    this.run = {
      ended,
      wake: (throughSeq) => say({ kind: 'wake', throughSeq }),
      // A thread that ends answers nothing any more.
      replay: (lines) =>
        new Promise((resolve) => {
          replayed = resolve;
          void ended.then(() => resolve({ error: 'its thread ended' }));
          say({ kind: 'replay', lines });
        }),
      stop: (deadlineMs) => {
        say({ kind: 'stop', deadlineMs });
        const timer = setTimeout(() => {
          worker.unref();
          leave();
        }, deadlineMs + GRACE_MS);
        void ended.then(() => clearTimeout(timer));
      },
    };
    await ended;
    this.run = null;
    return error;
  }

  private settle(settlement: Settlement): Promise<void> {
    const settled = this.deps.store.settle(this.config.name, settlement).then(() => {
      this.counters.refusedPoints += settlement.rejected.length;
    });
    this.settling = settled.catch(() => undefined);
    return settled;
  }

  private async end(deadlineMs: number): Promise<void> {
    this.stopping.abort();
    this.run?.wake(this.deps.store.status().lastSeq);
    this.run?.stop(deadlineMs);
    await this.run?.ended;
    await this.settling;
    this.current = { ...this.current, state: 'stopped', reason: null };
  }
}

/** A Buffer arrives from another thread as a plain Uint8Array. */
function received(settlement: Settlement): Settlement {
  return {
    ...settlement,
    rejected: settlement.rejected.map((each) => ({
      ...each,
      line: Buffer.from(each.line.buffer, each.line.byteOffset, each.line.byteLength),
    })),
  };
}
