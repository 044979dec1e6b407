import type { Clock } from '../contracts.ts';
import { GatewayError, messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { StoreState } from '../store-contract.ts';
import type { Log } from './log.ts';
import type { OutboxesTable } from './outboxes-table.ts';
import type { SinksTable } from './sinks-table.ts';
import type { Shortage } from './storage.ts';
import type { StoreLimits } from './store-options.ts';

const FIRST_PROBE_MS = 100;
const LAST_PROBE_MS = 5000;
const WAITING_SHOWN = 3;

export interface TakingsDeps {
  readonly limits: StoreLimits;
  readonly log: Log;
  readonly sinks: SinksTable;
  readonly outboxes: OutboxesTable;
  readonly clock: Clock;
  readonly events: Events;
  /** Ends the probing. */
  readonly signal: AbortSignal;
  readonly shortage: () => Shortage | null;
  /** Resolves when something small could be committed. */
  readonly probe: () => Promise<void>;
}

/**
 * Whether the store takes readings, and if not why. `full`: a limit of the operator's is reached; room comes as the sinks
 * catch up. `unavailable`: the disk does not do what it should; it is probed until it does.
 */
export class Takings {
  readonly #deps: TakingsDeps;
  state: StoreState = 'open';
  /** In words; null when open. */
  reason: string | null = null;
  #refusal: GatewayError | null = null;
  /** Why the last transaction failed, until one succeeds. */
  #trouble: string | null = null;

  constructor(deps: TakingsDeps) {
    this.#deps = deps;
  }

  /** @throws GatewayError `store-full`, `store-unavailable`, `stopping`. */
  check(pendingBytes: number): void {
    if (this.#refusal !== null) throw this.#refusal;
    const { limits, log, outboxes } = this.#deps;
    if (pendingBytes > limits.maxQueuedBytes) {
      throw new GatewayError('store-unavailable', `${pendingBytes} bytes wait for their commit already`);
    }
    if (
      limits.whenFull === 'refuse' &&
      log.liveBytes + outboxes.shareBytes + pendingBytes > limits.maxLogBytes
    ) {
      throw new GatewayError('store-full', this.#fullReason(pendingBytes));
    }
  }

  /** Looks at every limit again. */
  look(): void {
    if (this.state === 'closed') return;
    const shortage = this.#shortage();
    if (shortage === null) this.#become('open', null);
    else this.#become(shortage.state, shortage.reason);
  }

  /** A transaction has failed. Where the disk had no room to give, its next look at it will tell; else it is probed. */
  failed(error: unknown): void {
    if (this.#deps.shortage() === null) {
      const isProbed = this.#trouble !== null;
      this.#trouble = messageOf(error);
      if (!isProbed) void this.#heal();
    }
    this.look();
  }

  close(): void {
    this.#become('closed', 'the gateway is shutting down');
  }

  #shortage(): Shortage | null {
    const { limits, log, sinks, outboxes, shortage } = this.#deps;
    if (this.#trouble !== null) return { state: 'unavailable', reason: this.#trouble };
    if (limits.whenFull === 'refuse' && log.liveBytes + outboxes.shareBytes > limits.maxLogBytes) {
      return { state: 'full', reason: this.#fullReason() };
    }
    const [blocking] = sinks.over('block');
    if (blocking !== undefined) {
      const reason = `the backlog of sink ${blocking.name} is at its limit of ${blocking.maxBytes} bytes (maxBacklog)`;
      return { state: 'full', reason };
    }
    const forward = outboxes.blocking();
    if (forward !== null) {
      const reason = `the backlog of forward ${forward.name} is at its limit of ${forward.maxBytes} bytes (maxBacklog, and all forwards together half of the store). Room comes as it sends; or raise maxBacklog, or let it lose its oldest with whenFull: drop-oldest`;
      return { state: 'full', reason };
    }
    return shortage();
  }

  /** What has the room, which room that is, and whom it waits for. */
  #fullReason(pendingBytes = 0): string {
    const { limits, log, outboxes } = this.#deps;
    const others = [
      ...(outboxes.bytes > 0 ? [`the outboxes of forwards and peers ${outboxes.bytes}`] : []),
      ...(pendingBytes > 0 ? [`what is about to be committed ${pendingBytes}`] : []),
    ];
    const taken = [`the log takes up ${log.liveBytes} bytes`, ...others].join(', ');
    const room = `of the ${limits.maxLogBytes} there are (store.maxBytes less ${limits.maxRejectedBytes} for rejected readings)`;
    return `${taken}, ${room}; ${this.#waitedFor()}`;
  }

  #waitedFor(): string {
    const { sinks, outboxes } = this.#deps;
    const waiting = [
      ...sinks
        .ledgers()
        .map(({ name, pending }) => ({ words: `${pending} points for sink ${name}`, pending })),
      ...outboxes
        .ledgers()
        .map(({ name, pending }) => ({ words: `${pending} messages for forward ${name}`, pending })),
    ]
      .filter(({ pending }) => pending > 0)
      .sort((a, b) => b.pending - a.pending);
    if (waiting.length === 0) return 'nothing in it waits any more, so there is room in a moment';
    const shown = waiting.slice(0, WAITING_SHOWN).map(({ words }) => words);
    const more = waiting.length > shown.length ? [`${waiting.length - shown.length} more`] : [];
    return `waiting: ${[...shown, ...more].join(', ')}. Room comes as they are taken; or raise store.maxBytes`;
  }

  #become(state: StoreState, reason: string | null): void {
    if (this.state === state && this.reason === reason) return;
    const before = this.state;
    this.state = state;
    this.reason = reason;
    this.#refusal = refusalFor(state, reason);
    const { events } = this.#deps;
    if (state === 'open') events.emit('store.open');
    else if (before !== state && state === 'full') events.emit('store.full', { reason });
    else if (before !== state && state === 'unavailable') events.emit('store.unavailable', { reason });
  }

  async #heal(): Promise<void> {
    const { clock, signal, probe } = this.#deps;
    for (let waitMs = FIRST_PROBE_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, LAST_PROBE_MS)) {
      await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
      try {
        await probe();
      } catch {
        continue;
      }
      this.#trouble = null;
      this.look();
      return;
    }
  }
}

function refusalFor(state: StoreState, reason: string | null): GatewayError | null {
  const words = reason ?? state;
  if (state === 'full') return new GatewayError('store-full', words);
  if (state === 'unavailable') return new GatewayError('store-unavailable', words);
  if (state === 'closed') return new GatewayError('stopping', words);
  return null;
}
