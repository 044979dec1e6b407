import type { BrokerConnection } from '../../gateway/broker-link/broker-connection.ts';
import type { BrokerLimits, BrokerSession, PublishResult } from '../../gateway/broker-link/broker-session.ts';
import type { BrokerLink, BrokerLinkOptions, LinkStatus } from '../../gateway/broker-link/connect-broker.ts';

export interface Sent {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
  readonly answer: (result: PublishResult) => void;
}

const LIMITS: BrokerLimits = { receiveMaximum: 65_535, maxPacketBytes: null, maxQos: 2, retain: true };

/** The other broker, moved by hand: what it was sent waits for its answer. */
export class ScriptedBroker {
  /** Everything it was ever sent, in order. */
  readonly sent: Sent[] = [];
  /** Of the connection that is open, what is not answered. */
  unanswered: Sent[] = [];
  limits: BrokerLimits = LIMITS;
  stopped = false;
  /** What is still answered while the connection is being closed. */
  atStop: () => void = () => undefined;
  dropped = 0;
  #options: BrokerLinkOptions | null = null;
  #session: (BrokerSession & { closed: boolean }) | null = null;
  #status: LinkStatus = {
    ...{ state: 'connecting', reason: null, sinceMs: 0, reconnected: 0, sessionPresent: null },
  };

  readonly connect = (_: BrokerConnection, options: BrokerLinkOptions): BrokerLink => {
    this.#options = options;
    return {
      ended: Promise.resolve(),
      start: () => undefined,
      status: () => this.#status,
      session: () => this.#session,
      tryNow: () => undefined,
      drop: (reason) => {
        this.dropped += 1;
        this.cut(reason);
      },
      stop: async () => {
        this.stopped = true;
        this.atStop();
        this.cut('stopped', 'stopped');
      },
    };
  };

  get texts(): string[] {
    return this.sent.map(({ payload }) => payload);
  }

  open(): void {
    this.unanswered = [];
    const session: BrokerSession & { closed: boolean } = {
      number: 1,
      sessionPresent: false,
      limits: this.limits,
      closed: false,
      subscribe: async () => null,
      unsubscribe: async () => undefined,
      publish: (topic, payload, { retain }, done) => {
        if (session.closed) {
          done({ ok: false, reasonCode: null, words: 'not connected' });
          return;
        }
        const one: Sent = {
          topic,
          payload: payload.toString(),
          retain,
          answer: (result) => {
            this.unanswered = this.unanswered.filter((each) => each !== one);
            done(result);
          },
        };
        this.sent.push(one);
        this.unanswered.push(one);
      },
    };
    this.#session = session;
    this.#become('connected', null);
    this.#options?.onConnected?.(session);
  }

  /** Acknowledges the first `n`. */
  acknowledge(n = 1): void {
    for (const one of this.unanswered.slice(0, n)) one.answer({ ok: true });
  }

  refuse(reasonCode: number, words = 'no'): void {
    this.unanswered[0]?.answer({ ok: false, reasonCode, words });
  }

  cut(reason: string, state: LinkStatus['state'] = 'retrying'): void {
    if (this.#session === null) return;
    this.#session.closed = true;
    this.#session = null;
    const lost = this.unanswered;
    this.unanswered = [];
    for (const one of lost) one.answer({ ok: false, reasonCode: null, words: 'the connection ended' });
    this.#become(state, reason);
  }

  /** No connection can be made. */
  fail(reason: string): void {
    this.#become('retrying', reason);
  }

  #become(state: LinkStatus['state'], reason: string | null): void {
    this.#status = { ...this.#status, state, reason };
    this.#options?.onState?.(this.#status);
  }
}
