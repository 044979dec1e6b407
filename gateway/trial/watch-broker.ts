import type { Duplex } from 'node:stream';
import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import type { BrokerSession, SubscribeResult } from '../broker-link/broker-session.ts';
import { shownUrl } from '../broker-link/broker-stream.ts';
import { type BrokerLink, connectBroker } from '../broker-link/connect-broker.ts';
import type { Clock } from '../contracts.ts';
import { GatewayError } from '../errors.ts';
import type { TrafficMessage } from '../infer/traffic.ts';
import { guardInbound } from './inbound-guard.ts';

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
  /** For tests: where streams come from. */
  readonly open?: (connection: BrokerConnection) => Promise<Duplex>;
}

export interface Watched {
  /** The answer to each filter, of the last connection. */
  readonly subscriptions: readonly SubscribeResult[];
  readonly elapsedMs: number;
  /** Of these, while there was a connection, subscribed to: what came came then. */
  readonly heardMs: number;
  /** How often it was connected again: each time the broker repeats what it keeps. */
  readonly reconnected: number;
  /** The connection was lost, and not made again by the end; null where it was there. */
  readonly lost: { readonly atMs: number; readonly reason: string } | null;
  /** Messages of more than `MAX_PACKET_BYTES`: nothing is known of them. */
  readonly passedOver: number;
}

/** As `brokers:` has it: more is not taken into memory. */
export const MAX_PACKET_BYTES = 32 * 1024 * 1024;

const GOODBYE_MS = 2_000;
/** For the first connection, and for the answer to each subscription. */
const ANSWER_WITHIN_MS = 10_000;
const ANSWER_WITHIN = `${ANSWER_WITHIN_MS / 1000} s`;

/** Read only, and of nobody's: an id and a session of its own, no will, QoS 0, so that the broker queues nothing for it. */
export function readOnly(connection: BrokerConnection, clientId: string): BrokerConnection {
  return { ...connection, clientId, cleanStart: true, sessionExpirySeconds: 0, will: null };
}

/**
 * Listens at a broker and changes nothing there: it subscribes, and never publishes.
 * @throws GatewayError `broker-unavailable` where the first connection cannot be made, or ends or stays silent before its
 * subscription is answered; and what `onMessage` threw.
 */
export async function watchBroker(connection: BrokerConnection, options: WatchOptions): Promise<Watched> {
  const { clock, random, signal, filters, forMs } = options;
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  let subscriptions: readonly SubscribeResult[] | null = null;
  let sinceMs: number | null = null;
  /** Since the last subscription was answered; null while there is no connection. */
  let hearingSinceMs: number | null = null;
  let heardMs = 0;
  let lost: Watched['lost'] = null;
  let passedOver = 0;
  let failure: string | null = null;
  const bugs: unknown[] = [];

  /** Never rejects. */
  const subscribe = async (session: BrokerSession): Promise<void> => {
    const asked = session.subscribe(filters.map((filter) => ({ filter, qos: 0 })));
    const answer = await inTime(asked, until, clock);
    if (until.aborted || (answer === null && session.closed)) return;
    if (answer === null || answer === 'late') {
      link.drop(`it took the connection, and did not answer the subscription within ${ANSWER_WITHIN}`);
      return;
    }
    subscriptions = answer;
    lost = null;
    hearingSinceMs = clock.monotonicMs();
    if (sinceMs !== null) return;
    sinceMs = hearingSinceMs;
    void clock.sleep(forMs, until).then(() => over.abort());
    if (answer.every(({ grantedQos }) => grantedQos === null)) over.abort();
  };
  const stopHearing = (): void => {
    if (hearingSinceMs !== null) heardMs += clock.monotonicMs() - hearingSinceMs;
    hearingSinceMs = null;
  };
  const connected = new AbortController();
  const link: BrokerLink = connectBroker(connection, {
    clock,
    random,
    maxPacketBytes: MAX_PACKET_BYTES,
    ...(options.open === undefined ? {} : { open: options.open }),
    wrap: (wire) =>
      guardInbound(wire, {
        maxPacketBytes: MAX_PACKET_BYTES,
        onNoBroker: (words) => link.drop(words),
        onTooLarge() {
          passedOver += 1;
        },
      }),
    onMessage({ topic, payload, retain, relay: { contentType, ...properties } }) {
      const atMs = clock.nowMs();
      options.onMessage({ topic, payload, retained: retain, contentType, properties, atMs });
    },
    onFailure(_hook, error) {
      if (bugs.length === 0) bugs.push(error);
      over.abort();
    },
    onConnected(session) {
      connected.abort();
      void subscribe(session);
    },
    onState: ({ state, reason }) => {
      if (state !== 'retrying' && state !== 'refused') return;
      if (sinceMs === null) {
        failure = reason ?? 'it cannot be reached';
        over.abort();
        return;
      }
      stopHearing();
      lost ??= { atMs: clock.nowMs(), reason: reason ?? 'the connection ended' };
    },
  });
  link.start();
  void clock.sleep(ANSWER_WITHIN_MS, AbortSignal.any([until, connected.signal])).then(() => {
    if (until.aborted || connected.signal.aborted) return;
    link.drop(`no MQTT broker answers there: nothing came within ${ANSWER_WITHIN}`);
  });
  await new Promise<void>((resolve) => {
    if (until.aborted) resolve();
    until.addEventListener('abort', () => resolve(), { once: true });
  });
  over.abort();
  const { reconnected } = link.status();
  const elapsedMs = sinceMs === null ? 0 : clock.monotonicMs() - sinceMs;
  stopHearing();
  // What comes of the farewell is no loss.
  const lostBefore = lost;
  await lastMessages(link, filters, clock);
  await link.stop(GOODBYE_MS);
  if (bugs.length > 0) throw bugs[0];
  if (failure !== null) throw new GatewayError('broker-unavailable', `${shownUrl(connection)}: ${failure}`);
  return {
    ...{ subscriptions: subscriptions ?? [], elapsedMs, heardMs, reconnected },
    ...{ lost: lostBefore, passedOver },
  };
}

/** `late` where it has not come by then, or `until` came first. */
async function inTime<T>(answer: Promise<T>, until: AbortSignal, clock: Clock): Promise<T | 'late'> {
  const answered = new AbortController();
  const patience = clock.sleep(ANSWER_WITHIN_MS, AbortSignal.any([until, answered.signal]));
  const first = await Promise.race([answer, patience.then(() => 'late' as const)]);
  answered.abort();
  return first;
}

/** A broker answers in order: what was on its way comes before the answer to UNSUBSCRIBE. */
async function lastMessages(link: BrokerLink, filters: readonly string[], clock: Clock): Promise<void> {
  const answered = new AbortController();
  const asked = link.session()?.unsubscribe(filters) ?? Promise.resolve();
  await Promise.race([asked, clock.sleep(GOODBYE_MS, answered.signal)]);
  answered.abort();
}
