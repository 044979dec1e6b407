import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import type { BrokerSession, PublishResult } from '../broker-link/broker-session.ts';
import { shownUrl } from '../broker-link/broker-stream.ts';
import type { BrokerLink, BrokerLinkOptions, LinkStatus } from '../broker-link/connect-broker.ts';
import type { Clock } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { ForwardStatus } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { Outbox, OutboxMessage, OutboxPlace, OutboxSlice } from '../store-contract.ts';
import { DeadlyMessage } from './deadly-message.ts';
import { type Flight, InFlight } from './in-flight.ts';
import { type KeptNumber, LargestTaken, sizeOf } from './largest-taken.ts';
import { tryConnection } from './probe-trial.ts';
import { decide, type Hold, messageProblem } from './refusals.ts';
import { type Held, RefusedTopics } from './refused-topics.ts';

/** What a forwarder needs to know of a forward; `ForwardConfig` has it. */
export interface ForwardOptions {
  readonly name: string;
  readonly connection: BrokerConnection;
  readonly topics: readonly string[];
  readonly prefix: string;
  readonly retain: boolean;
  readonly maxInFlight: number;
  /** A message at which the other side ends the connection each time is dropped; false: somebody has to mend that side. */
  readonly givesUp: boolean;
}

export interface ForwarderDeps {
  readonly outbox: Outbox;
  readonly connect: (connection: BrokerConnection, options: BrokerLinkOptions) => BrokerLink;
  readonly events: Events;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** The size of the largest message that was ever acknowledged; without it, it is unknown after a restart. */
  readonly largestTaken?: KeptNumber;
}

export interface Forwarder {
  start(): void;
  /** Sends nothing new, waits for what is under way within `deadlineMs`, notes how far it is. */
  stop(deadlineMs: number): Promise<void>;
  status(): ForwardStatus;
}

/** One slice is in memory at a time. */
const SLICE = { maxMessages: 256, maxBytes: 256 * 1024 };
/** How far it is goes to disk at most so often: each time is a sync. */
const SETTLE_EVERY_MS = 250;
const SETTLE_AGAIN_MS = 1_000;
const FIRST_HOLD_MS = 1_000;
const LONGEST_HOLD_MS = 60_000;
/** A broker that answers nothing for so long has forgotten what it was sent: only a new connection gets it to take it. */
const UNANSWERED_MS = 120_000;
const LOOK_EVERY_MS = 15_000;
const MAX_TOPIC_SHOWN = 200;
const DISCONNECTED = 'the broker disconnected: ';
const NO_QOS_1 = 'the broker takes no QoS 1, and forwards have no other: allow it there (its maximum QoS)';
/** Messages that one turn of the event loop looks at. */
const MOST_A_TURN = 1_024;

/**
 * Sends what lies in an outbox to another broker, at QoS 1, in order, with at most `maxInFlight` unacknowledged. Only what
 * was acknowledged is done with; after each lost connection everything else is read from the outbox again, so that nothing
 * of it is kept anywhere but on disk. At least once: what was acknowledged in the moment before an end is sent again.
 *
 * Never throws, and sends again for ever, but for messages that the other side can never take (`refusals.ts`,
 * `deadly-message.ts`): those are counted as dropped, and told.
 */
export function createForwarder(options: ForwardOptions, deps: ForwarderDeps): Forwarder {
  const { name, connection, retain, maxInFlight, givesUp } = options;
  const { outbox, events, clock, random } = deps;
  const stopping = new AbortController();
  const flights = new InFlight();
  const largest = new LargestTaken(deps.largestTaken ?? null, outbox.ledger().sent === 0);
  const deadly = new DeadlyMessage(clock, connection.clientId, largest);
  const refusedTopics = new RefusedTopics(options, clock);
  let connectionOver = new AbortController();
  /** The last connection was made, and then ended. */
  let wasCut = false;
  let session: BrokerSession | null = null;
  let slice: OutboxSlice | null = null;
  let next = 0;
  /** Where reading goes on; null: at the outbox's own cursor. */
  let readFrom: OutboxPlace | null = null;
  /** Everything before it is done with, and up to `settled` that is on disk. */
  let done: OutboxPlace | null = null;
  let settled: OutboxPlace | null = null;
  let refused = 0;
  let settling: Promise<void> | null = null;
  let hold: Held | null = null;
  let holds = 0;
  /** Given to the connection and not answered. */
  let onWire = 0;
  let isScheduled = false;
  let lastSentMs: number | null = null;
  let lastAnswerMs = 0;
  let whenIdle: () => void = () => undefined;

  const link = deps.connect(connection, {
    clock,
    random,
    onConnected(made) {
      session = made;
      onWire = 0;
      connectionOver = new AbortController();
      again();
      if (made.limits.maxQos === 0) holdBack({ kind: 'hold', words: NO_QOS_1, needsSomebody: true });
      else if (deadly.connected()) void tryConnection(made, trial, connectionOver.signal);
      pump();
    },
    onState: sayState,
    onFailure: (hook, error) => events.emit('hook.failed', { hook, error: messageOf(error) }),
  });

  const trial = {
    ...{ outbox, clock, deadly, retain, goOn: pump, drop: link.drop },
    taken: (message: Pick<Flight, 'topic' | 'bytes'>) => largest.note(sizeOf(message)),
    isRefused: (topic: string) => refusedTopics.isRefused(topic),
    holdAt(topic: string, decision: Hold): void {
      refusedTopics.refused(topic, decision);
      holdAt(topic, decision);
    },
  };

  function sayState({ state, reason }: LinkStatus): void {
    const url = shownUrl(connection);
    if (state === 'connected') {
      events.emit('forward.connected', { forward: name, url });
      return;
    }
    wasCut = session !== null;
    refusedTopics.ended(wasCut);
    lost();
    const words = wasCut ? lostWords(reason) : reason;
    if (state === 'retrying')
      events.emit(wasCut ? 'forward.lost' : 'forward.retrying', { forward: name, url, reason: words });
    else if (state === 'refused') events.emit('forward.refused', { forward: name, reason });
  }

  function lostWords(reason: string | null): string | null {
    const { cause } = refusedTopics;
    if (cause !== null) return `it has refused a message, and ended the connection: ${cause.reason}`;
    const { trouble } = deadly;
    return trouble === null ? reason : withFarewell(trouble.words, reason);
  }

  /** Whatever is not answered by now is read from the outbox again. */
  function lost(): void {
    if (session === null) return;
    session = null;
    connectionOver.abort();
    whenIdle();
    const { head } = flights;
    if (!givesUp || stopping.signal.aborted) return;
    const words = deadly.lost(head);
    if (words === null || head === null) return;
    giveUp(head, words);
    answered();
  }

  function again(): void {
    flights.clear();
    slice = null;
    readFrom = done;
  }

  /** Not within the commit that tells of new messages: that one is waited for. */
  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      pump();
    });
  }

  function pump(): void {
    const to = session;
    if (to === null || to.closed || hold !== null || stopping.signal.aborted) return;
    if (deadly.isSilent) return;
    const most = deadly.isSentAlone ? 1 : Math.max(1, Math.min(maxInFlight, to.limits.receiveMaximum));
    for (let i = 0; flights.size < most; i += 1) {
      const found = takeNext();
      if (found === null) return;
      send(to, found.message, found.place);
      if (i >= MOST_A_TURN) {
        schedule();
        return;
      }
    }
  }

  function takeNext(): { readonly message: OutboxMessage; readonly place: OutboxPlace } | null {
    if (slice === null || next >= slice.messages.length) {
      slice = read();
      next = 0;
    }
    const message = slice?.messages[next];
    const place = slice?.through[next];
    if (message === undefined || place === undefined) return null;
    next += 1;
    readFrom = place;
    return { message, place };
  }

  function read(): OutboxSlice | null {
    try {
      return outbox.read(readFrom, SLICE);
    } catch (error) {
      const words = `what waits for it cannot be read: ${messageOf(error)}`;
      holdBack({ kind: 'hold', words, needsSomebody: true });
      return null;
    }
  }

  function send(to: BrokerSession, message: OutboxMessage, place: OutboxPlace): void {
    const { topic, payload } = message;
    const sentAtMs = clock.monotonicMs();
    const flight: Flight = { topic, bytes: payload.length, place, sentAtMs, outcome: 'waiting' };
    flights.add(flight);
    const problem = messageProblem(message, to.limits) ?? refusedTopics.letGoWords(topic);
    if (problem !== null) {
      giveUp(flight, problem);
      answered();
      return;
    }
    onWire += 1;
    to.publish(topic, payload, { qos: 1, retain: retain && to.limits.retain }, (result) => {
      // Of a connection that is gone: it is sent again.
      if (to !== session) return;
      onWire -= 1;
      lastAnswerMs = clock.monotonicMs();
      settleFlight(flight, result);
      pump();
    });
  }

  function settleFlight(flight: Flight, result: PublishResult): void {
    if (result.ok) {
      flight.outcome = 'taken';
      lastSentMs = clock.nowMs();
      deadly.answered();
      largest.note(sizeOf(flight));
      refusedTopics.taken(flight.topic);
      holds = 0;
      answered();
      return;
    }
    // It has ended; the link says so in a moment.
    if (result.reasonCode === null && session?.closed === true) return;
    deadly.answered();
    const decision = decide(result);
    const words = decision.kind === 'drop' ? decision.words : refusedTopics.refused(flight.topic, decision);
    if (words !== null) {
      giveUp(flight, words);
      answered();
    } else if (decision.kind === 'hold') holdAt(flight.topic, decision);
  }

  function giveUp(flight: Flight, words: string): void {
    flight.outcome = { refused: words };
  }

  function holdAt(topic: string, decision: Hold): void {
    holdBack({ ...decision, words: refusedTopics.wordsAt(topic, decision) });
  }

  /** Sends nothing for a while, then everything again from the first that is not done with. */
  function holdBack({ words, needsSomebody }: Hold): void {
    if (hold !== null) return;
    const state = needsSomebody ? 'refused' : 'retrying';
    hold = { reason: words, state, sinceMs: clock.nowMs() };
    if (needsSomebody) events.emit('forward.refused', { forward: name, reason: words });
    else events.emit('forward.held', { forward: name, url: shownUrl(connection), reason: words });
    const longest = Math.min(LONGEST_HOLD_MS, FIRST_HOLD_MS * 2 ** Math.min(holds, 20));
    holds += 1;
    const waitMs = needsSomebody ? Math.max(longest, LONGEST_HOLD_MS / 2) : longest;
    void clock.sleep(waitMs * (0.5 + random() / 2), stopping.signal).then(() => {
      hold = null;
      if (stopping.signal.aborted || session === null) return;
      // What has no answer yet would be under way twice.
      if (onWire > 0 || session.limits.maxQos === 0) link.drop('what was refused is sent again');
      else {
        again();
        pump();
      }
    });
  }

  /** Those at the front that have their answer are done with. */
  function answered(): void {
    const run = flights.takeDone();
    if (run !== null) {
      done = run.place;
      refused += run.refused.length;
      // Not before: behind one that waits it is sent again, and refused again.
      for (const { topic, words } of run.refused)
        events.emit('forward.refused-message', {
          ...{ forward: name, topic: printable(topic, MAX_TOPIC_SHOWN), words: printable(words) },
        });
      void note();
    }
    if (flights.size === 0) whenIdle();
  }

  /** Writes down how far it is, one write at a time. Never rejects. */
  function note(): Promise<void> {
    settling ??= settle().finally(() => {
      settling = null;
    });
    return settling;
  }

  async function settle(): Promise<void> {
    while (done !== null && done !== settled) {
      const place = done;
      const without = refused;
      let pauseMs = SETTLE_EVERY_MS;
      try {
        await outbox.sent(place, without);
        settled = place;
        refused -= without;
        await largest.keep();
      } catch (error) {
        events.emit('forward.unsettled', { forward: name, error: messageOf(error) });
        if (stopping.signal.aborted) return;
        pauseMs = SETTLE_AGAIN_MS;
      }
      await clock.sleep(pauseMs, stopping.signal);
    }
  }

  /** MQTT has no other way to have a message sent again (MQTT 3.1.1, 4.4). */
  async function watchAnswers(): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, stopping.signal);
      const { head } = flights;
      if (session === null || onWire === 0 || head === null) continue;
      const sinceMs = Math.max(head.sentAtMs, lastAnswerMs);
      if (clock.monotonicMs() - sinceMs > UNANSWERED_MS)
        link.drop(`it has acknowledged nothing for ${UNANSWERED_MS / 1000} s`);
    }
  }

  outbox.onMessages(schedule);

  return {
    start() {
      link.start();
      void watchAnswers();
    },

    async stop(deadlineMs) {
      const untilMs = clock.monotonicMs() + deadlineMs;
      stopping.abort();
      if (flights.size > 0 && hold === null && session !== null && !session.closed) {
        const inTime = new AbortController();
        await Promise.race([
          new Promise<void>((resolve) => {
            whenIdle = resolve;
          }),
          clock.sleep(deadlineMs, inTime.signal),
        ]);
        inTime.abort();
      }
      await note();
      await link.stop(Math.max(0, untilMs - clock.monotonicMs()));
      // Answers that came until it was closed.
      await note();
    },

    status() {
      const { state, reason, sinceMs } = describe(link.status());
      return { ...outbox.ledger(), url: shownUrl(connection), state, reason, sinceMs, lastSentMs };
    },
  };

  function describe(status: LinkStatus): Pick<ForwardStatus, 'state' | 'reason' | 'sinceMs'> {
    const isConnected = status.state === 'connected';
    if (isConnected && hold !== null) return hold;
    const { cause } = refusedTopics;
    if (status.state === 'retrying' && cause !== null) return cause;
    const { trouble } = deadly;
    if (trouble === null || !(isConnected || (status.state === 'retrying' && wasCut))) return status;
    return {
      state: 'retrying',
      reason: withFarewell(trouble.words, status.reason),
      sinceMs: trouble.sinceMs,
    };
  }
}

/** MQTT 5 brokers may say why they end a connection. */
function withFarewell(words: string, reason: string | null): string {
  return reason?.startsWith(DISCONNECTED) === true ? `${words}; ${reason}` : words;
}
