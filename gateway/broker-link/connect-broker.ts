import type { Duplex } from 'node:stream';
import type { Clock } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { BrokerStatus } from '../operations-contract.ts';
import type { BrokerConnection } from './broker-connection.ts';
import {
  type Attempt,
  attemptConnection,
  type BrokerSession,
  CLOSED_WITHOUT_WORDS,
  type CutCause,
  type LinkMessage,
} from './broker-session.ts';
import { openBrokerStream } from './broker-stream.ts';

export interface LinkStatus {
  readonly state: BrokerStatus['state'];
  /** In words, without secrets; null when all is well. */
  readonly reason: string | null;
  /** Since when in this state, ms since the epoch. */
  readonly sinceMs: number;
  /** How often it was connected again. */
  readonly reconnected: number;
  /** Of the present connection, or the last one; null before the first. */
  readonly sessionPresent: boolean | null;
}

export interface BrokerLinkOptions {
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Told to an MQTT 5 broker: how many QoS 1 and 2 messages it may send unacknowledged, 1 to 65,535. Left out: any. */
  readonly receiveMaximum?: number;
  /** Told to an MQTT 5 broker: it is not to send larger packets. Left out: any. */
  readonly maxPacketBytes?: number;
  /** Stands between the wire and mqtt.js, at each connection. It must end when the stream does. */
  readonly wrap?: (stream: Duplex) => Duplex;
  /** For tests: where streams come from. */
  readonly open?: (connection: BrokerConnection) => Promise<Duplex>;
  /** The broker has taken us. Nothing is subscribed but what its session remembers. */
  readonly onConnected?: (session: BrokerSession) => void;
  /** After the state has changed. */
  readonly onState?: (status: LinkStatus) => void;
  /** Messages as mqtt.js hands them over: acknowledged at once. Not for what must not be lost. */
  readonly onMessage?: (message: LinkMessage) => void;
  /** What one of these threw; it stops nothing. */
  readonly onFailure?: (hook: string, error: unknown) => void;
  /** Ends after the first connection that failed, or ended: for looking at a broker once. */
  readonly once?: boolean;
}

/** A connection to another broker that is made again for ever. */
export interface BrokerLink {
  start(): void;
  status(): LinkStatus;
  /** Null while there is no connection. */
  session(): BrokerSession | null;
  /**
   * Cuts the connection; it is made again after a pause. What was `refused` may find room at any moment, so these pauses
   * stay short, and as the broker takes us each time, the state stays `retrying` with this reason until a connection lasts.
   */
  drop(reason: string, cause?: CutCause): void;
  /** The other side is evidently there: a pause ends, unless it has just begun. */
  tryNow(): void;
  /** Says DISCONNECT (no will is sent then), once QoS 1 messages outstanding are acknowledged, within the deadline. */
  stop(deadlineMs: number): Promise<void>;
  /** Resolves when it is stopped, or with `once` when its connection has ended. */
  readonly ended: Promise<void>;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** Where somebody must act, and after that. */
const FIRST_REFUSED_PAUSE_MS = 60_000;
const LONGEST_REFUSED_PAUSE_MS = 300_000;
/** Where the broker is well: what came could not be taken here, or it has answered messages before it cut. */
const LONGEST_SHORT_PAUSE_MS = 5_000;
/** A broker that answers one message at each connection is not to be worn out by that. */
const SHORTEST_ANSWERED_PAUSE_MS = 1_000;
/** Jitter may take all of a pause but this. */
const SHORTEST_PAUSE_MS = 100;
/** However often somebody says that the other side is there. */
const SHORTEST_TRY_MS = 1_000;
/** So many connections before, one after the other, were made and did not last. */
const THROWN_OUT_AFTER = 2;
/** A connection that lasted so long worked: the next pause is a short one again. */
const WORKED_AFTER_MS = 10_000;

/** Never throws. Nothing is connected before `start`. */
export function connectBroker(connection: BrokerConnection, options: BrokerLinkOptions): BrokerLink {
  const { clock, random, onMessage } = options;
  const stopping = new AbortController();
  let status: LinkStatus = {
    state: 'connecting',
    reason: null,
    sinceMs: clock.nowMs(),
    reconnected: 0,
    sessionPresent: null,
  };
  let connections = 0;
  let session: BrokerSession | null = null;
  let attempt: Attempt | null = null;
  let running: Promise<void> | null = null;
  let pause: { readonly over: AbortController; readonly sinceMs: number } | null = null;
  let tellEnded: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    tellEnded = resolve;
  });

  function contained(hook: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      options.onFailure?.(hook, error);
    }
  }

  function become(state: LinkStatus['state'], reason: string | null): void {
    if (status.state === state && status.reason === reason) return;
    const sinceMs = status.state === state ? status.sinceMs : clock.nowMs();
    status = { ...status, state, reason, sinceMs };
    contained('broker state', () => options.onState?.(status));
  }

  async function run(): Promise<void> {
    let failures = 0;
    let shortPauses = 0;
    let cutSoon = 0;
    let isRefusing = false;
    while (!stopping.signal.aborted) {
      let connectedAtMs: number | null = null;
      const over = new AbortController();
      attempt = attemptConnection(connection, connections + 1, {
        open: options.open ?? openBrokerStream,
        wrap: options.wrap ?? null,
        receiveMaximum: options.receiveMaximum ?? null,
        maxPacketBytes: options.maxPacketBytes ?? null,
        onMessage:
          onMessage === undefined ? null : (message) => contained('broker message', () => onMessage(message)),
        onConnected(made) {
          connectedAtMs = clock.monotonicMs();
          connections += 1;
          session = made;
          status = { ...status, reconnected: connections - 1, sessionPresent: made.sessionPresent };
          if (isRefusing) void becomeConnectedLater(made, over.signal);
          else become('connected', null);
          contained('broker connected', () => options.onConnected?.(made));
        },
      });
      const { reason, final, isRefusal, hasAnswered } = await attempt.ended;
      attempt = null;
      session = null;
      over.abort();
      if (stopping.signal.aborted) break;
      const worked = connectedAtMs !== null && clock.monotonicMs() - connectedAtMs >= WORKED_AFTER_MS;
      if (worked) failures = shortPauses = 0;
      // Whoever answers messages is there, however soon it cuts: what waits moves on.
      if (hasAnswered) failures = 0;
      if (worked || connectedAtMs === null) cutSoon = 0;
      isRefusing = isRefusal;
      const isThrownOut =
        connectedAtMs !== null && cutSoon >= THROWN_OUT_AFTER && reason === CLOSED_WITHOUT_WORDS;
      if (connectedAtMs !== null && !worked && !isRefusal) cutSoon += 1;
      become(final ? 'refused' : 'retrying', isThrownOut ? `${reason}${thrownOutWords(connection)}` : reason);
      if (options.once === true) return;
      const isShort = isRefusal || hasAnswered;
      const drawnMs = isShort
        ? pauseMs(shortPauses, LONGEST_SHORT_PAUSE_MS, random())
        : pauseMs(failures, LONGEST_PAUSE_MS, random());
      const soonMs = hasAnswered && !worked ? Math.max(SHORTEST_ANSWERED_PAUSE_MS, drawnMs) : drawnMs;
      pause = { over: new AbortController(), sinceMs: clock.monotonicMs() };
      await clock.sleep(final ? refusedPauseMs(failures, random()) : soonMs, pause.over.signal);
      pause = null;
      if (isShort) shortPauses += 1;
      else failures += 1;
    }
  }

  /** Whether what it brings can be taken now shows only after a while. */
  async function becomeConnectedLater(made: BrokerSession, over: AbortSignal): Promise<void> {
    await clock.sleep(WORKED_AFTER_MS, over);
    if (session === made && !over.aborted) become('connected', null);
  }

  return {
    ended,
    start() {
      running ??= run()
        .catch((error: unknown) => {
          become('stopped', messageOf(error));
          options.onFailure?.('broker link', error);
        })
        .finally(tellEnded);
    },
    status: () => status,
    session: () => session,
    drop(reason, cause) {
      attempt?.cut(reason, cause);
    },
    tryNow() {
      if (pause !== null && clock.monotonicMs() - pause.sinceMs >= SHORTEST_TRY_MS) pause.over.abort();
    },
    async stop(deadlineMs) {
      stopping.abort();
      pause?.over.abort();
      attempt?.close();
      const inTime = new AbortController();
      await Promise.race([running ?? Promise.resolve(), clock.sleep(deadlineMs, inTime.signal)]);
      inTime.abort();
      attempt?.cut('stopped');
      await running;
      session = null;
      become('stopped', null);
      tellEnded();
    },
  };
}

/** MQTT 3.1.1 brokers throw out the older of two clients with one id without a word (3.1.4). */
function thrownOutWords({ clientId }: BrokerConnection): string {
  return ` soon after it had taken it, time and again: perhaps another client has the id ${clientId}, or it has no room for what it is sent`;
}

/** Exponential with full jitter. */
function pauseMs(failures: number, longestMs: number, random: number): number {
  const longest = Math.min(longestMs, FIRST_PAUSE_MS * 2 ** Math.min(failures, 20));
  return Math.max(SHORTEST_PAUSE_MS, longest * random);
}

function refusedPauseMs(failures: number, random: number): number {
  const longest = Math.min(LONGEST_REFUSED_PAUSE_MS, FIRST_REFUSED_PAUSE_MS * 2 ** Math.min(failures, 20));
  return FIRST_REFUSED_PAUSE_MS + (longest - FIRST_REFUSED_PAUSE_MS) * random;
}
