import { type EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { Aedes, type Client } from 'aedes';
import type { Clock, Ingest, Source } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import { printable } from '../printable.ts';
import { Acknowledgements } from './mqtt-broker/acknowledgements.ts';
import { asAedesClient } from './mqtt-broker/aedes-client.ts';
import type { Aftermath, BrokerContext } from './mqtt-broker/broker-context.ts';
import { Connection } from './mqtt-broker/connection.ts';
import { createHooks, vetPacket } from './mqtt-broker/hooks.ts';
import { DEFAULT_MQTT_LIMITS, type MqttLimits } from './mqtt-broker/limits.ts';
import { type Listening, listenOnAll, type MqttListener } from './mqtt-broker/listening.ts';
import { PartialBudget } from './mqtt-broker/packet-reader.ts';
import { createPersistence } from './mqtt-broker/persistence.ts';
import type { Publication } from './mqtt-broker/publication.ts';
import { ReadingTurns } from './mqtt-broker/reading-turns.ts';
import { ReceiptDesk } from './mqtt-broker/receipt-desk.ts';
import { findIn, RetainedMessages } from './mqtt-broker/retained-messages.ts';
import { Sessions } from './mqtt-broker/sessions.ts';
import { Subscribers } from './mqtt-broker/subscribers.ts';
import { TopicCache } from './mqtt-broker/topic-cache.ts';
import { downlinkDevice, isForwardable, isReserved } from './mqtt-broker/topics.ts';

export interface MqttBrokerOptions {
  readonly listeners: readonly MqttListener[];
  /** Those left out are as in `DEFAULT_MQTT_LIMITS`. */
  readonly limits?: Partial<MqttLimits>;
  /**
   * Client ids that may read the receipts of every client. An id is all that is asked for: whoever can connect under it
   * has the right.
   */
  readonly observers?: readonly string[];
}

export interface MqttBrokerDeps {
  readonly ingest: Ingest;
  readonly events: Events;
  readonly clock: Clock;
  /** Names of gateways that may pass on what they have read. Left out: there are none. */
  readonly peers?: ReadonlySet<string>;
  /** A gateway asks who this one is: what is said to it (`packHello`). Left out: nothing. @param asker as it calls itself */
  readonly sayHello?: (asker: string) => Buffer;
  /** A client publishes to `gateway/serial/{device}/write`. False: it may not. Left out: nobody may. Must not throw. */
  readonly takeDownlink?: (client: string, device: string, payload: Buffer) => boolean;
}

export interface MqttBroker extends Source {
  /** Where it listens, once started. */
  addresses(): readonly MqttListener[];
  /**
   * Tells subscribers something of the gateway's own, under `gateway/` (see `deviceStateTopic`), with QoS 1. With `retain`
   * later ones are told too, until it is published anew, or empty; a restart forgets it.
   */
  publishState(topic: string, payload: Buffer, retain: boolean): void;
  /** Hands a reading that another source has taken to subscribers of its topic, with QoS 0. */
  forward(topic: string, payload: Buffer): void;
  /** Clients that were let in. */
  connectedClients(): number;
  /** What is kept in memory for clients, for the metrics. */
  holdings(): {
    readonly retainedMessages: number;
    readonly retainedBytes: number;
    readonly sessions: number;
    readonly offlineBytes: number;
    readonly uncommittedBytes: number;
  };
}

const NO_PEERS: ReadonlySet<string> = new Set();
const SWEEP_EVERY_MS = 250;
/** At the end, how long clients get to read their last acknowledgements before their sockets are cut. */
const FAREWELL_MS = 300;

/**
 * The embedded MQTT 3.1 and 3.1.1 broker. aedes speaks the protocol to clients and subscribers; every PUBLISH goes a way
 * of our own, because its acknowledgement means "on disk":
 *
 *   socket ▸ PacketReader ▸ Connection ▸ ingest ▸ Acknowledgements (until `committed`) ▸ PUBACK / PUBREC
 *                               │                              └▸ retained, sessions, subscribers, receipts
 *                               └▸ aedes (CONNECT, SUBSCRIBE, PINGREQ, …)
 *
 * - QoS 1 and 2 are acknowledged after their commit, in the order of arrival. If it fails, nothing is acknowledged and
 *   the client is disconnected, so that it sends again. QoS 0 waits only while much is uncommitted.
 * - Subscribers get a message after its commit (QoS 0: at once), but no repeats and no message of which every reading was
 *   rejected; retained ones follow the same rule. Retained messages and sessions are kept in memory, bounded.
 * - `gateway/` and `$SYS/` belong to the gateway; wildcards at the first level do not reach them.
 */
export function createMqttBroker(options: MqttBrokerOptions, deps: MqttBrokerDeps): MqttBroker {
  const limits: MqttLimits = { ...DEFAULT_MQTT_LIMITS, ...options.limits };
  const { ingest, events, clock } = deps;
  const connections = new Map<Client, Connection>();
  /** Also those whose socket has just gone: aedes still asks about them. */
  const known = new WeakMap<Client, Connection>();
  const sweeping = new AbortController();
  let connectionNumber = 0;
  let publicationNumber = 0;
  let lastSubscriber: Connection | null = null;
  let listening: Listening | null = null;

  const retained = new RetainedMessages(limits.maxRetainedMessages, limits.maxRetainedBytes, () =>
    events.emit('mqtt.retained-full'),
  );
  /** Apart from those of clients, who could else leave no room for it. */
  const states = new RetainedMessages(limits.maxStates, limits.maxStateBytes, () =>
    events.emit('mqtt.retained-full'),
  );
  const sessions = new Sessions(limits, (what, client) =>
    events.emit(what === 'sessions' ? 'mqtt.sessions-full' : 'mqtt.offline-full', { client }),
  );
  const subscribers = new Subscribers(limits.maxSubscriptions);
  const receiptDesk = new ReceiptDesk(limits, clock, subscribers, options.observers ?? []);
  const contained = (hook: string, error: unknown): void =>
    events.emit('hook.failed', { hook, error: messageOf(error) });
  const acknowledgements = new Acknowledgements<Aftermath>(({ publication, receipts, topic, outcomes }) => {
    if (publication !== null) context.publish(publication);
    if (receipts !== null) receiptDesk.send(receipts, topic, outcomes);
  }, contained);
  const context: BrokerContext = {
    limits,
    ingest,
    events,
    clock,
    acknowledgements,
    subscribers,
    receipts: receiptDesk,
    sessions,
    topics: new TopicCache(limits),
    // Room for one packet of those that are allowed, at the least.
    partial: new PartialBudget(
      options.limits?.maxPartialBytes ?? Math.max(limits.maxPartialBytes, 2 * limits.maxPacketBytes),
    ),
    stalled: new Set(),
    turns: new ReadingTurns(),
    peers: deps.peers ?? NO_PEERS,
    stopping: false,
    takeDownlink(client, topic, payload) {
      const device = downlinkDevice(topic);
      return device !== null && deps.takeDownlink?.(client, device, payload) === true;
    },
    isSubscribed(topic, topicKnown) {
      const generation = subscribers.generation + sessions.generation;
      if (topicKnown.generation !== generation) {
        topicKnown.generation = generation;
        topicKnown.subscribed = subscribers.has(topic) || sessions.has(topic);
      }
      return topicKnown.subscribed;
    },
    publish(publication) {
      publicationNumber += 1;
      if (publication.retain) (isReserved(publication.topic) ? states : retained).store(publication);
      if (publication.qos > 0) sessions.enqueue(publication, broker.id, publicationNumber);
      subscribers.deliver(publication, publicationNumber);
    },
  };

  function connectionOf(client: Client): Connection {
    const connection = known.get(client);
    if (connection === undefined) throw new Error('aedes asked about a client that it was not given');
    return connection;
  }

  const broker = new Aedes({
    ...createHooks(context, connectionOf),
    connectTimeout: limits.connectTimeoutMs,
    maxTopicLevels: limits.maxTopicLevels,
    // Applies to MQTT 3.1 only, whose own limit is 23; longer ids are common and do no harm.
    maxClientsIdLength: limits.maxClientIdBytes,
    mq: createNoEmitter(),
    persistence: createPersistence({
      sessions,
      findRetained: (filters, wanted) => findIn([retained, states], filters, wanted),
      sessionCleared(client) {
        // A client that was turned away must not touch the session of the one whose id it used.
        if (connectionOf(client).client._authorized) ingest.sessionCleared(client.id);
      },
      retainedReader() {
        const connection = lastSubscriber;
        if (connection === null) return { wanted: () => false, done: () => undefined };
        connection.retainedReads += 1;
        return {
          wanted: () => !connection.closed,
          done() {
            connection.retainedReads -= 1;
            connection.pump();
          },
        };
      },
    }),
  });
  // Its own path from publish to subscribers is asynchronous, and loses or repeats messages where they overtake.
  broker.publish = ((packet: Publication, ...rest: (Client | null | (() => void))[]) => {
    if (!packet.topic.startsWith('$SYS/')) context.publish(packet);
    const done = rest.at(-1);
    if (typeof done === 'function') done();
  }) as typeof broker.publish; // aedes calls it with and without a client.

  // Its types leave out the one event that ends a process nobody listens in.
  (broker as EventEmitter).on('error', (error: unknown) => contained('aedes', error));
  broker.on('clientError', (client, error) => onLost(client, error));
  broker.on('connectionError', (client, error) => onLost(client, error));
  broker.on('client', (client) => {
    if (!client.clean) sessions.clientCame(client.id);
  });
  broker.on('clientDisconnect', (client) => {
    if (!client.clean) sessions.clientLeft(client.id);
  });
  broker.on('subscribe', (subscriptions, client) => {
    // aedes asks for the retained messages next, without saying for whom.
    lastSubscriber = known.get(client) ?? null;
    if (lastSubscriber !== null) answerQuestion(lastSubscriber, subscriptions);
  });

  /** After SUBACK. */
  function answerQuestion(connection: Connection, filters: readonly { readonly topic: string }[]): void {
    const asker = connection.outbox.question.askerIn(filters);
    if (asker === null) return;
    try {
      const hello = deps.sayHello?.(asker);
      if (hello !== undefined) connection.outbox.question.answer(hello);
    } catch (error) {
      contained('hello', error);
    }
  }

  function onLost(client: Client, error: Error): void {
    const connection = known.get(client);
    // A refusal has been told already.
    if (connection === undefined || 'errorCode' in error) return;
    const name = connection.client._authorized ? client.id : '(not connected yet)';
    const { address } = connection;
    events.emit('mqtt.connection-lost', { client: name, address, reason: printable(messageOf(error), 100) });
  }

  function onSocket(socket: Socket): void {
    if (connections.size >= limits.maxConnections || context.stopping) {
      events.emit('mqtt.too-many-connections', { address: socket.remoteAddress ?? 'unknown' });
      socket.destroy();
      return;
    }
    try {
      const client = asAedesClient(broker.handle(socket));
      connectionNumber += 1;
      const connection = new Connection(context, socket, client, connectionNumber);
      connections.set(client, connection);
      known.set(client, connection);
      client._parser.prependListener('packet', (packet) => vetPacket(context, connection, packet));
      socket.once('close', () => {
        connections.delete(client);
        connection.onClosed();
      });
      connection.pump();
    } catch (error) {
      contained('connection', error);
      socket.destroy();
    }
  }

  /** Ends what has waited too long, and lets those read on that wait for room. */
  function sweep(): void {
    const nowMs = clock.monotonicMs();
    for (const connection of connections.values()) connection.endIfOverdue(nowMs);
    if (acknowledgements.uncommittedBytes > limits.maxUncommittedBytes) return;
    for (const waiting of [...context.stalled]) {
      context.stalled.delete(waiting);
      waiting.goOn();
    }
  }

  async function sweepUntilStopped(): Promise<void> {
    while (!sweeping.signal.aborted) {
      await clock.sleep(SWEEP_EVERY_MS, sweeping.signal);
      try {
        sweep();
      } catch (error) {
        contained('sweep', error);
      }
    }
  }

  async function stop(deadlineMs: number): Promise<void> {
    if (context.stopping) return;
    context.stopping = true;
    listening?.close();
    const cut = new AbortController();
    await Promise.race([acknowledgements.idle(), clock.sleep(deadlineMs, cut.signal)]);
    cut.abort();
    const closed = [...connections].map(async ([, { client }]) => {
      // Neither is their loss a reason to send their wills.
      client._disconnected = true;
      if (client.conn.destroyed) return;
      const gone = once(client.conn, 'close');
      client.conn.resume();
      client.conn.end();
      await gone;
    });
    const farewell = new AbortController();
    await Promise.race([Promise.allSettled(closed), clock.sleep(FAREWELL_MS, farewell.signal)]);
    farewell.abort();
    sweeping.abort();
    for (const connection of connections.values()) connection.close();
    await new Promise<void>((resolve) => broker.close(resolve));
  }

  return {
    name: 'mqtt',
    async start() {
      await broker.listen();
      try {
        listening = await listenOnAll(options.listeners, {
          maxConnections: limits.maxConnections,
          onSocket,
          onTurnedAway: (address) => events.emit('mqtt.too-many-connections', { address }),
          onTrouble: (error) => events.emit('mqtt.listener-failed', { error: messageOf(error) }),
        });
      } catch (error) {
        await new Promise<void>((resolve) => broker.close(resolve));
        throw error;
      }
      void sweepUntilStopped();
      for (const { host, port } of listening.addresses) events.emit('mqtt.listening', { host, port });
    },
    stop,
    publishState(topic, payload, retain) {
      const { problem } = context.topics.get(topic);
      if (problem !== null || !isReserved(topic) || !isForwardable(topic)) {
        contained(
          'publishState',
          new Error(`${printable(topic, 100)}: ${problem ?? 'not a topic for this'}`),
        );
        return;
      }
      context.publish({ topic, payload, qos: 1, retain });
    },
    forward(topic, payload) {
      const known = context.topics.get(topic);
      if (known.problem !== null || known.reserved || !context.isSubscribed(topic, known)) return;
      context.publish({ topic, payload, qos: 0, retain: false });
    },
    connections: () => connections.size,
    addresses: () => listening?.addresses ?? [],
    connectedClients: () => broker.connectedClients,
    holdings: () => ({
      retainedMessages: retained.size + states.size,
      retainedBytes: retained.bytes + states.bytes,
      sessions: sessions.size,
      offlineBytes: sessions.queuedBytes,
      uncommittedBytes: acknowledgements.uncommittedBytes,
    }),
  };
}

/**
 * aedes subscribes its clients, and itself to `$SYS` for clusters, at an emitter. Nothing is ever emitted here: who gets
 * what is decided by `Subscribers`.
 */
function createNoEmitter() {
  const finish = (_topic: string, _listener: unknown, done?: () => void): void => done?.();
  return {
    on: finish,
    removeListener: finish,
    emit: (_packet: unknown, done?: () => void): void => done?.(),
    close: (done?: () => void): void => {
      setImmediate(() => done?.());
    },
  };
}
