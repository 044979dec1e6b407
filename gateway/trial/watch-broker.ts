import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import type { BrokerSession, SubscribeResult } from '../broker-link/broker-session.ts';
import { shownUrl } from '../broker-link/broker-stream.ts';
import { type BrokerLink, connectBroker } from '../broker-link/connect-broker.ts';
import type { Clock } from '../contracts.ts';
import { GatewayError } from '../errors.ts';
import type { TrafficMessage } from '../infer/traffic.ts';

export interface WatchOptions {
  readonly filters: readonly string[];
  /** From the moment the subscription was answered. */
  readonly forMs: number;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** Ends it early, with what has come by then. */
  readonly signal: AbortSignal;
  readonly onMessage: (message: TrafficMessage) => void;
}

export interface Watched {
  /** The answer to each filter, of the last connection. */
  readonly subscriptions: readonly SubscribeResult[];
  readonly elapsedMs: number;
  /** How often the connection was lost meanwhile: each time the broker repeats what it keeps. */
  readonly reconnected: number;
}

const GOODBYE_MS = 2_000;

/** Read only, and of nobody's: an id and a session of its own, no will, QoS 0, so that the broker queues nothing for it. */
export function readOnly(connection: BrokerConnection, clientId: string): BrokerConnection {
  return { ...connection, clientId, cleanStart: true, sessionExpirySeconds: 0, will: null };
}

/**
 * Listens at a broker and changes nothing there: it subscribes, and never publishes.
 * @throws GatewayError `broker-unavailable` where the first connection cannot be made, or ends before its answer.
 */
export async function watchBroker(connection: BrokerConnection, options: WatchOptions): Promise<Watched> {
  const { clock, random, signal, filters, forMs } = options;
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  let subscriptions: readonly SubscribeResult[] | null = null;
  let sinceMs: number | null = null;
  let failure: string | null = null;

  /** Never rejects. */
  const subscribe = async (session: BrokerSession): Promise<void> => {
    const answer = await session.subscribe(filters.map((filter) => ({ filter, qos: 0 })));
    if (answer === null) return;
    subscriptions = answer;
    if (sinceMs !== null) return;
    sinceMs = clock.monotonicMs();
    void clock.sleep(forMs, until).then(() => over.abort());
    if (answer.every(({ grantedQos }) => grantedQos === null)) over.abort();
  };
  const link: BrokerLink = connectBroker(connection, {
    clock,
    random,
    onMessage: ({ topic, payload, retain, contentType }) =>
      options.onMessage({ topic, payload, retained: retain, contentType, atMs: clock.nowMs() }),
    onConnected: (session) => void subscribe(session),
    onState: ({ state, reason }) => {
      if (sinceMs !== null || (state !== 'retrying' && state !== 'refused')) return;
      failure = reason ?? 'it cannot be reached';
      over.abort();
    },
  });
  link.start();
  await new Promise<void>((resolve) => {
    if (until.aborted) resolve();
    until.addEventListener('abort', () => resolve(), { once: true });
  });
  const { reconnected } = link.status();
  const elapsedMs = sinceMs === null ? 0 : clock.monotonicMs() - sinceMs;
  await lastMessages(link, filters, clock);
  await link.stop(GOODBYE_MS);
  if (failure !== null) throw new GatewayError('broker-unavailable', `${shownUrl(connection)}: ${failure}`);
  return {
    subscriptions: subscriptions ?? [],
    elapsedMs,
    reconnected,
  };
}

/** A broker answers in order: what was on its way comes before the answer to UNSUBSCRIBE. */
async function lastMessages(link: BrokerLink, filters: readonly string[], clock: Clock): Promise<void> {
  const answered = new AbortController();
  const asked = link.session()?.unsubscribe(filters) ?? Promise.resolve();
  await Promise.race([asked, clock.sleep(GOODBYE_MS, answered.signal)]);
  answered.abort();
}
