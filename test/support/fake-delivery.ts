/** A loop of delivery with everything around it in memory: the log, the sink, the settlements. */

import { DeliveryLoop, type DeliveryOptions } from '../../gateway/delivery.ts';
import type { Decision, Sink, SinkHealth } from '../../gateway/sink-contract.ts';
import type { LogReader, Settlement } from '../../gateway/store-contract.ts';
import { LeapingClock } from './leaping-clock.ts';

export interface FakeGroup {
  readonly lines: readonly string[];
  readonly atMs: number;
}

export class FakeLog implements LogReader {
  readonly groups: FakeGroup[] = [];
  reads = 0;
  closed = false;

  read(
    afterSeq: number,
    throughSeq: number,
    limits: { readonly maxPoints: number; readonly maxBytes: number },
  ): ReturnType<LogReader['read']> {
    this.reads += 1;
    const taken: string[] = [];
    let seq = Math.max(0, afterSeq);
    let bytes = 0;
    while (seq < Math.min(throughSeq, this.groups.length)) {
      const lines = this.groups[seq]?.lines ?? [];
      const more = lines.join('').length;
      if (
        taken.length > 0 &&
        (taken.length + lines.length > limits.maxPoints || bytes + more > limits.maxBytes)
      )
        break;
      taken.push(...lines);
      bytes += more;
      seq += 1;
    }
    if (taken.length === 0) return null;
    return {
      firstSeq: afterSeq + 1,
      lastSeq: seq,
      points: taken.length,
      lines: Buffer.from(taken.join('')),
      oldestMs: this.groups[afterSeq]?.atMs ?? 0,
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export interface Write {
  readonly lines: readonly string[];
  readonly throughSeq: number | null;
}

export class FakeDelivery {
  readonly clock = new LeapingClock();
  readonly log = new FakeLog();
  readonly writes: Write[] = [];
  readonly settlements: Settlement[] = [];
  readonly events: { name: string; reason: unknown }[] = [];
  readonly states: SinkHealth[] = [];
  /** What the sink says to each write. */
  decide: (lines: readonly string[], write: Write, signal: AbortSignal) => Decision | Promise<Decision> =
    () => ({
      kind: 'written',
    });
  /** What the sink's `open` does. */
  opens: () => number | null = () => null;
  /** Fails settlements while it is set. */
  settleError: Error | null = null;
  /** Settlements wait for it. */
  settleGate: Promise<void> = Promise.resolve();
  settling = 0;
  mostSettling = 0;
  closed = 0;
  readonly loop: DeliveryLoop;
  running: Promise<void> | null = null;

  constructor(options: Partial<DeliveryOptions> = {}) {
    const sink: Sink = {
      open: async () => this.opens(),
      write: async (lines, throughSeq, signal) => {
        const text = lines.toString().match(/.*\n/g) ?? [];
        const write = { lines: text, throughSeq };
        this.writes.push(write);
        return await this.decide(text, write, signal);
      },
      close: async () => {
        this.closed += 1;
      },
    };
    this.loop = new DeliveryLoop(
      {
        sink,
        reader: this.log,
        clock: this.clock,
        ports: {
          settle: async (settlement) => {
            if (this.settleError !== null) throw this.settleError;
            this.settling += 1;
            this.mostSettling = Math.max(this.mostSettling, this.settling);
            await this.settleGate;
            this.settling -= 1;
            this.settlements.push(settlement);
          },
          report: (health) => this.states.push(health),
          wrote: () => undefined,
          emit: (name, fields) => this.events.push({ name, reason: fields.reason ?? fields.words }),
        },
      },
      {
        name: 'fake',
        storeId: 'store',
        cursor: 0,
        throughSeq: 0,
        batch: { maxPoints: 5000, maxBytes: 1_000_000, maxAgeMs: 1000 },
        random: () => 0.5,
        ...options,
      },
    );
  }

  start(): this {
    this.running = this.loop.run();
    return this;
  }

  /** Adds a group and says so. */
  add(lines: readonly string[]): void {
    this.log.groups.push({ lines, atMs: this.clock.nowMs() });
    this.loop.wake(this.log.groups.length);
  }

  async stop(deadlineMs = 1000): Promise<void> {
    this.loop.stop(deadlineMs);
    await this.running;
  }

  get state(): SinkHealth | undefined {
    return this.states.at(-1);
  }

  get settledThrough(): number {
    return this.settlements.at(-1)?.throughSeq ?? 0;
  }

  get rejected(): { line: string; words: string }[] {
    return this.settlements.flatMap(({ rejected }) =>
      rejected.map(({ line, words }) => ({ line: line.toString(), words })),
    );
  }

  get written(): number {
    return this.settlements.reduce((sum, { written }) => sum + written, 0);
  }
}

/** `m,device=d0 f=0 …` */
export function lineOf(index: number, field = 'f=1'): string {
  return `m,device=d${index % 5} ${field} ${1_700_000_000_000 + index}000000\n`;
}
