import type { Duplex } from 'node:stream';
import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import type { BrokerSession, CutCause } from '../broker-link/broker-session.ts';
import { brokerAddress, shownUrl } from '../broker-link/broker-stream.ts';
import { connectBroker, type LinkStatus } from '../broker-link/connect-broker.ts';
import { keepsSession } from '../broker-link/kept-session.ts';
import type { Clock, Ingest, Ingested, Message, Outcome, Source } from '../contracts.ts';
import { isRefusal, messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { BrokerStatus } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import { Acknowledgements, answer, NOBODY, PUBACK, PUBCOMP, PUBREC } from './mqtt-broker/acknowledgements.ts';
import { DEFAULT_MQTT_LIMITS } from './mqtt-broker/limits.ts';
import { PartialBudget } from './mqtt-broker/packet-reader.ts';
import { TopicCache } from './mqtt-broker/topic-cache.ts';
import { Intake, type IntakeOwner } from './mqtt-client/intake.ts';
import type { InboundPublish } from './mqtt-client/publish-packet.ts';
import { type Remembered, Subscriptions } from './mqtt-client/subscriptions.ts';
import { UpstreamReceipts } from './mqtt-client/upstream-receipts.ts';

/** As `brokers:` has it. */
export interface MqttClientOptions {
  readonly name: string;
  readonly connection: BrokerConnection;
  readonly subscribe: readonly {
    readonly filter: string;
    readonly qos: 0 | 1 | 2;
    readonly share: string | null;
  }[];
  readonly maxInFlight: number;
  readonly receipts: string | null;
  readonly retained: 'changed' | 'none' | 'all';
}

export interface MqttClientDeps {
  readonly ingest: Ingest;
  readonly events: Events;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** What was subscribed to, kept beside the data. */
  readonly remembered: Remembered;
  /** The device that a topic leads to, for its receipts; null where only the payload tells. Must not throw. */
  readonly deviceOf: (message: Message) => string | null;
  /** For tests: where streams come from. */
  readonly open?: (connection: BrokerConnection) => Promise<Duplex>;
}

export interface MqttClientSource extends Source {
  /** A peer has read this message from the same broker and passed it on to us: what is rejected of it is told of there. */
  tookFromPeer(message: Message, ingested: Ingested): void;
  status(): BrokerStatus;
}

/** What a message leaves to be done once it is on disk. */
interface Rejections {
  readonly device: string;
  readonly topic: string;
  readonly outcomes: readonly Outcome[];
}

const MIB = 1024 * 1024;
/**
 * A larger message than a payload may be is rejected, and acknowledged: refusing it would have the broker send it for
 * ever. Beyond this it is not read (MQTT 5 brokers are told so, and drop it), because memory is bounded.
 */
const MAX_PACKET_BYTES = 32 * MIB;
const MAX_UNCOMMITTED_BYTES = 64 * MIB;
const MESSAGE_OVERHEAD_BYTES = 64;
/** A filter that was refused is tried again. */
const REFUSED_FILTER_MS = 300_000;
/** So is all of it, where it failed before the broker could answer. */
const UNANSWERED_MS = 5_000;
const MAX_REASON = 500;
const AT_ONCE = Promise.resolve();

/**
 * Reads from another broker. It is acknowledged what is on disk, in the order of arrival, many in flight at once:
 *
 *   wire ▸ Intake ▸ ingest ▸ Acknowledgements (until `committed`) ▸ PUBACK / PUBREC / PUBCOMP
 *            └▸ mqtt.js (CONNECT, SUBSCRIBE, PINGREQ, …)
 *
 * What cannot be taken (store or outbox full, stopping) is not acknowledged: the connection is dropped and made again after
 * a pause of a few seconds at most, and the broker sends it again. Nothing is skipped but what is not ours to take: `gateway/…`, our own receipts, and
 * topics beyond the limits of the embedded broker; these are counted.
 */
export function createMqttClientSource(options: MqttClientOptions, deps: MqttClientDeps): MqttClientSource {
  const { name, connection, maxInFlight } = options;
  const { ingest, events, clock } = deps;
  const address = brokerAddress(connection.url)?.text ?? connection.url;
  // No client of the embedded broker can be called so: its packet ids would be taken for those of this broker.
  const client = `broker/${name}`;
  // Over which filter a message came, MQTT 3.1.1 does not say.
  const isShared = options.subscribe.some(({ share }) => share !== null);
  const topics = new TopicCache(DEFAULT_MQTT_LIMITS);
  const receipts = options.receipts === null ? null : new UpstreamReceipts(options.receipts, name, clock);
  const contained = (hook: string, error: unknown): void =>
    events.emit('hook.failed', { hook, error: messageOf(error) });
  const acknowledgements = new Acknowledgements<Rejections>(
    ({ device, topic, outcomes }) => receipts?.send(link.session(), device, topic, outcomes),
    contained,
  );
  const subscriptions = new Subscriptions({
    wanted: options.subscribe.map(({ filter, qos, share }) => ({
      filter: share === null ? filter : `$share/${share}/${filter}`,
      qos,
    })),
    owner: `${address} ${connection.clientId}`,
    remembered: deps.remembered,
    refused: (filter, reason) =>
      events.emit('broker.subscription-refused', { broker: name, filter: printable(filter, 200), reason }),
    lowered: (filter, reason) =>
      events.emit('broker.subscription-lowered', { broker: name, filter: printable(filter, 200), reason }),
    failed: (error) => contained('broker subscriptions', error),
  });
  const stopping = new AbortController();
  let intake: Intake | null = null;
  let connections = 0;
  let messages = 0;
  let dropped = 0;
  let sessionsLost = 0;
  /** What belonged to a session that the broker has lost is not known to be forgotten on disk. */
  let isForgetting = false;
  let forgotten: Promise<void> = AT_ONCE;
  let told: LinkStatus['state'] = 'connecting';
  let toldReason = '';
  /** What was refused last, in words. */
  let refusal: string | null = null;
  /** The number of the last connection over which everything was subscribed to. */
  let subscribedOver = 0;
  /** Ends what the last connection still waits for, so that no two wait. */
  let waiting = new AbortController();

  const owner: IntakeOwner = {
    protocolVersion: connection.protocolVersion,
    maxInFlight,
    maxPacketBytes: MAX_PACKET_BYTES,
    partial: new PartialBudget(2 * MAX_PACKET_BYTES),
    isFull: () => acknowledgements.uncommittedBytes > MAX_UNCOMMITTED_BYTES,
    onConnack(from, sessionPresent) {
      if (!sessionPresent) {
        isForgetting = true;
        subscriptions.lost();
        tellSessionLost();
      }
      if (isForgetting) forgotten = forget(from);
    },
    onPublish: take,
    onPubrel: release,
    onBroken: (from, reason) => drop(from, reason, 'broken'),
    onRefused: (from, reason) => drop(from, reason, 'refused'),
    onFlushed: () => intake?.pump(),
  };

  const link = connectBroker(connection, {
    clock,
    random: deps.random,
    receiveMaximum: maxInFlight,
    maxPacketBytes: MAX_PACKET_BYTES,
    ...(deps.open === undefined ? {} : { open: deps.open }),
    wrap(wire) {
      connections += 1;
      intake = new Intake(wire, connections, owner);
      // It may be made again while the last commits are waited for.
      if (stopping.signal.aborted) intake.takeNoMore();
      return intake.stream;
    },
    onConnected: (session) => void keepSubscribed(session),
    onState: tell,
    onFailure: contained,
  });

  function take(from: Intake, publish: InboundPublish): void {
    const { topic, payload, qos, packetId } = publish;
    messages += 1;
    const bytes = payload.length + MESSAGE_OVERHEAD_BYTES;
    const reply = qos === 0 ? 0 : answer(qos === 1 ? PUBACK : PUBREC, packetId);
    const problem = problemOf(publish);
    if (problem !== null) {
      dropped += 1;
      if (problem !== '')
        events.emit('broker.not-taken', { broker: name, topic: printable(topic, 100), reason: problem });
      hold(from, AT_ONCE, reply, null, bytes);
      return;
    }
    const message: Message = {
      source: name,
      topic,
      payload,
      client,
      username: null,
      device: null,
      transfer: qos === 0 ? null : { packetId, qos, dup: publish.dup, connection: from.number },
      retain: publish.retain && options.retained !== 'all',
      address,
      format: null,
      receipts: false,
      relay: isShared ? { ...publish.relay, isShared } : publish.relay,
    };
    const taken = contain(from, () => ingest.ingest(message));
    if (taken === null) return;
    hold(from, taken.committed, reply, rejectionsOf(message, taken), bytes);
  }

  /** Why a message is none for us; empty where that is no news; null where it is one. */
  function problemOf({ topic, payload, retain }: InboundPublish): string | null {
    const known = topics.get(topic);
    if (known.problem !== null) return known.problem;
    if (retain && options.retained === 'none') return '';
    if (receipts?.isOwn(topic, payload) === true) return '';
    // `$SYS` comes only to who asks for it by name.
    return known.reserved && !topic.startsWith('$')
      ? 'topics under gateway/ belong to a gateway itself'
      : null;
  }

  function rejectionsOf(message: Message, { outcomes }: Ingested): Rejections | null {
    if (receipts === null || !outcomes.some(({ kind }) => kind === 'rejected')) return null;
    return { device: deps.deviceOf(message) ?? name, topic: message.topic, outcomes };
  }

  function release(from: Intake, packetId: number): void {
    const released = contain(from, () => ingest.released(client, packetId));
    if (released !== null) hold(from, released, answer(PUBCOMP, packetId), null, MESSAGE_OVERHEAD_BYTES);
  }

  function hold(
    from: Intake,
    committed: Promise<void>,
    reply: number,
    after: Rejections | null,
    bytes: number,
  ): void {
    from.hold();
    acknowledgements.hold(committed, from, reply, after, bytes);
  }

  /** Null where it was not taken: then the connection has been dropped. */
  function contain<T>(from: Intake, call: () => T): T | null {
    try {
      return call();
    } catch (error) {
      const cause = isRefusal(error) ? 'refused' : 'broken';
      if (cause === 'broken') contained('broker ingest', error);
      from.close();
      drop(from, messageOf(error), cause);
      return null;
    }
  }

  function drop(from: Intake, reason: string, cause: CutCause): void {
    if (from !== intake) return;
    const words = printable(reason, MAX_REASON);
    if (cause === 'refused') refusal = words;
    events.emit('broker.refused', { broker: name, reason: words });
    link.drop(words, cause);
  }

  /** Before anything is subscribed to: the new session gives the packet ids of the lost one again. */
  async function forget(from: Intake): Promise<void> {
    const committed = contain(from, () => ingest.sessionLost(client));
    try {
      await committed;
      if (committed !== null) isForgetting = false;
    } catch (error) {
      from.close();
      drop(from, messageOf(error), 'refused');
    }
  }

  /** One that was to be kept, and that we have subscribed with. */
  function tellSessionLost(): void {
    if (!keepsSession(connection) || !subscriptions.wereMade) return;
    sessionsLost += 1;
    events.emit('broker.session-lost', { broker: name, client: connection.clientId });
  }

  async function keepSubscribed(session: BrokerSession): Promise<void> {
    waiting.abort();
    if (stopping.signal.aborted) return;
    waiting = new AbortController();
    const { signal } = waiting;
    const { sessionExpirySeconds } = session.limits;
    if (sessionExpirySeconds !== undefined && sessionExpirySeconds < connection.sessionExpirySeconds)
      events.emit('broker.session-shortened', {
        broker: name,
        asked: connection.sessionExpirySeconds,
        granted: sessionExpirySeconds,
      });
    await forgotten;
    if (isForgetting) return;
    while (!session.closed) {
      const isNew = subscribedOver !== session.number;
      if (await subscriptions.bring(session, isNew)) subscribedOver = session.number;
      const isSubscribed = subscribedOver === session.number;
      if (session.closed || (isSubscribed && !subscriptions.isRefused)) return;
      await clock.sleep(isSubscribed ? REFUSED_FILTER_MS : UNANSWERED_MS, signal);
      if (signal.aborted) return;
    }
  }

  /** One line for each change, and for each new reason. */
  function tell({ state, reason }: LinkStatus): void {
    if (state === told && (reason ?? '') === toldReason) return;
    const wasConnected = told === 'connected';
    told = state;
    toldReason = reason ?? '';
    if (state === 'connected') events.emit('broker.connected', { broker: name, address });
    else if (state === 'refused') events.emit('broker.turned-away', { broker: name, address, reason });
    // We hung up, and have said why.
    else if (state === 'retrying' && reason !== refusal)
      events.emit(wasConnected ? 'broker.lost' : 'broker.cannot-connect', { broker: name, address, reason });
  }

  function shownReason(state: LinkStatus['state'], reason: string | null): string | null {
    return state === 'retrying' && reason === refusal ? `it is not read for the moment: ${reason}` : reason;
  }

  return {
    name,
    /** Does not wait for the broker: it may be away for days. */
    async start() {
      link.start();
    },
    async stop(deadlineMs) {
      if (stopping.signal.aborted) return;
      stopping.abort();
      waiting.abort();
      intake?.takeNoMore();
      const untilMs = clock.monotonicMs() + deadlineMs;
      const inTime = new AbortController();
      await Promise.race([acknowledgements.idle(), clock.sleep(deadlineMs, inTime.signal)]);
      inTime.abort();
      await link.stop(Math.max(0, untilMs - clock.monotonicMs()));
      intake?.close();
    },
    tookFromPeer(message, ingested) {
      const rejections = rejectionsOf(message, ingested);
      if (rejections !== null) acknowledgements.hold(ingested.committed, NOBODY, 0, rejections, 0);
    },
    connections: () => (link.session() === null ? 0 : 1),
    status() {
      const { state, reason, sinceMs, reconnected, sessionPresent } = link.status();
      const isSubscribing = state === 'connected' && link.session()?.number !== subscribedOver;
      return {
        name,
        url: shownUrl(connection),
        // Not before it is subscribed to: what is published there until then may not come.
        state: isSubscribing ? 'connecting' : state,
        reason: isSubscribing ? 'it has not answered the subscriptions yet' : shownReason(state, reason),
        sinceMs,
        messages,
        dropped,
        inFlight: intake?.held ?? 0,
        reconnected,
        sessionPresent,
        sessionsLost,
        refusedFilters: subscriptions.troubled,
      };
    },
  };
}
