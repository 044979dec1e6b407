import type { Clock } from '../contracts.ts';
import { GatewayError } from '../errors.ts';
import type { OpenGroup } from './open-group.ts';

export interface GroupWriterDeps {
  readonly clock: Clock;
  readonly commitDelayMs: number;
  readonly maxGroupPoints: number;
  readonly maxGroupBytes: number;
  readonly newGroup: () => OpenGroup;
  /** Resolves when the group is on disk. Rejects when it is not, and leaves nothing of it. */
  readonly commit: (group: OpenGroup) => Promise<void>;
  /** `groups` were refused because a commit failed: count their readings. */
  readonly refused: (groups: readonly OpenGroup[]) => void;
  readonly asError: (error: unknown) => GatewayError;
}

/**
 * Who writes, and when. One transaction at a time:
 *
 *   group() ──▶ open ──full──▶ queue ──▶ commit ──▶ resolve        (then one piece of upkeep, then the next group)
 *                 └──────── nobody commits ──┘
 *
 * An open group is taken when no commit is running, at the next turn of the event loop, so that everything that came with
 * one chunk of a socket joins it; while a commit runs it collects. So groups are small when little comes, and large when
 * much does, without anything to set. The queue is bounded by the senders' waiting for acknowledgements, and at last by
 * `pendingBytes`, which the store looks at.
 */
export class GroupWriter {
  readonly #deps: GroupWriterDeps;
  #open: OpenGroup | null = null;
  /** The open group has waited for company long enough. */
  #isDue: boolean = false;
  #queue: OpenGroup[] = [];
  #queuedBytes = 0;
  readonly #upkeep: (() => Promise<void>)[] = [];
  #isRunning: boolean = false;
  #running: Promise<void> = Promise.resolve();
  #isScheduled: boolean = false;
  #closing: boolean = false;
  #closed: boolean = false;

  constructor(deps: GroupWriterDeps) {
    this.#deps = deps;
  }

  /** What has been taken and is not yet being committed. */
  get pendingBytes(): number {
    return this.#queuedBytes + (this.#open?.bytes ?? 0);
  }

  /** What has been taken and is not yet being committed, group by group. */
  get waiting(): readonly OpenGroup[] {
    return this.#open === null ? this.#queue : [...this.#queue, this.#open];
  }

  group(): OpenGroup {
    const { maxGroupPoints, maxGroupBytes } = this.#deps;
    if (this.#open?.isFull(maxGroupPoints, maxGroupBytes) === true) this.#shut();
    if (this.#open === null) {
      this.#open = this.#deps.newGroup();
      this.#await(this.#open);
    }
    return this.#open;
  }

  /**
   * Runs `task` when no transaction is under way. One at a time, in order, by turns with groups.
   * Rejects with what `task` rejects with, or with a GatewayError `stopping`.
   */
  upkeep<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new GatewayError('stopping', 'the store is closed'));
        return;
      }
      this.#upkeep.push(() => task().then(resolve, reject));
      this.#start();
    });
  }

  /** Commits everything that was taken, ends the upkeep, does `last`; from then on there are no transactions. */
  async close(last: () => Promise<void>): Promise<void> {
    this.#closing = true;
    do {
      this.#start();
      await this.#running;
    } while (this.#open !== null || this.#queue.length > 0 || this.#upkeep.length > 0);
    const lastly = this.upkeep(last);
    this.#closed = true;
    await lastly;
  }

  #await(group: OpenGroup): void {
    const { commitDelayMs, clock } = this.#deps;
    this.#isDue = commitDelayMs <= 0;
    if (this.#isDue) {
      this.#schedule();
      return;
    }
    void clock.sleep(commitDelayMs).then(() => {
      if (this.#open !== group) return;
      this.#isDue = true;
      this.#start();
    });
  }

  #shut(): void {
    if (this.#open === null) return;
    this.#queue.push(this.#open);
    this.#queuedBytes += this.#open.bytes;
    this.#open = null;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isRunning) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#start();
    });
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    for (;;) {
      const group = this.#take();
      if (group !== null) await this.#commit(group);
      const task = this.#upkeep.shift();
      if (task !== undefined) await task();
      if (group === null && task === undefined) {
        // In the same breath as the look: nothing can have come in between.
        this.#isRunning = false;
        return;
      }
    }
  }

  #take(): OpenGroup | null {
    const queued = this.#queue.shift();
    if (queued !== undefined) {
      this.#queuedBytes -= queued.bytes;
      return queued;
    }
    if (this.#open === null || !(this.#isDue || this.#closing)) return null;
    const group = this.#open;
    this.#open = null;
    return group;
  }

  async #commit(group: OpenGroup): Promise<void> {
    try {
      await this.#deps.commit(group);
      group.succeed();
    } catch (error) {
      // Those behind it would only wait for the same; their senders keep them and come again.
      const groups = [group, ...this.#queue, ...(this.#open === null ? [] : [this.#open])];
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#open = null;
      this.#deps.refused(groups);
      const refusal = this.#deps.asError(error);
      for (const each of groups) each.refuse(refusal);
    }
  }
}
