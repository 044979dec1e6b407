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
      throw new GatewayError('store-full', this.#fullReason());
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
      const reason = `the backlog of forward ${forward.name} is at its limit of ${forward.maxBytes} bytes (maxBacklog, and all forwards together half of the store)`;
      return { state: 'full', reason };
    }
    return shortage();
  }

  #fullReason(): string {
    const { maxLogBytes, maxRejectedBytes } = this.#deps.limits;
    const { shareBytes } = this.#deps.outboxes;
    const forwards = shareBytes === 0 ? '' : `, ${shareBytes} of them for forwards`;
    return `the readings that wait take up ${maxLogBytes} bytes${forwards} (store.maxBytes less ${maxRejectedBytes} for rejected ones)`;
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
