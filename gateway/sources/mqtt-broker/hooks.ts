import type { AedesOptions, AuthenticateError, Client } from 'aedes';
import { isRefusal, messageOf } from '../../errors.ts';
import { isUnderHello } from '../../peer-hello.ts';
import { printable } from '../../printable.ts';
import type { AedesPacket, Will } from './aedes-client.ts';
import type { BrokerContext } from './broker-context.ts';
import type { Connection } from './connection.ts';
import { generateClientId } from './generated-ids.ts';
import { goesOn, type QoS } from './publication.ts';
import { clientIdProblem, filterProblem, isBridgeState, isForwardable, maySubscribe } from './topics.ts';

type Hooks = Required<
  Pick<
    AedesOptions,
    'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'
  >
>;

const MAX_USERNAME_BYTES = 1024;
const IDENTIFIER_REJECTED = 2;
const SERVER_UNAVAILABLE = 3;
const BAD_USERNAME = 4;
const NOT_AUTHORIZED = 5;

/**
 * What aedes asks while it handles a packet. A throw in any of these would end the process, so each is wrapped: it is
 * reported and the client disconnected.
 */
export function createHooks(context: BrokerContext, connectionOf: (client: Client) => Connection): Hooks {
  const { limits, events, ingest, topics, subscribers, sessions, receipts } = context;

  function failed(hook: string, client: Client | null, error: unknown): void {
    events.emit('hook.failed', { hook, error: messageOf(error) });
    if (client !== null) connectionOf(client).close();
  }

  /** Why the client is not let in, with the return code of CONNACK (MQTT 3.1.1, 3.2.2.3). */
  function refusal(connection: Connection, username: string | undefined): [number, string] | null {
    const { client } = connection;
    if (context.stopping) return [SERVER_UNAVAILABLE, 'the gateway is stopping'];
    if (connection.askedId === '' && !client.clean) {
      return [IDENTIFIER_REJECTED, 'a session to be kept needs a client id'];
    }
    const problem = clientIdProblem(connection.askedId, limits.maxClientIdBytes);
    if (problem !== null) return [IDENTIFIER_REJECTED, problem];
    if (Buffer.byteLength(username ?? '') > MAX_USERNAME_BYTES) return [BAD_USERNAME, 'user name too long'];
    const will = client._will;
    if (will) {
      const known = topics.get(will.topic);
      if (known.problem !== null) return [NOT_AUTHORIZED, `will: ${known.problem}`];
      if (known.reserved && !isBridgeState(will.topic))
        return [NOT_AUTHORIZED, 'will: only the gateway may publish there'];
    }
    return null;
  }

  /** A will is a message like any other; there is only nobody left to acknowledge it to. */
  function takeWill(connection: Connection, will: Will, done: (error?: Error | null) => void): void {
    if (context.stopping) {
      done(new Error('stopping'));
      return;
    }
    if (isBridgeState(will.topic)) {
      done(new Error('not to be forwarded'));
      return;
    }
    const { receipts: sender } = connection;
    const { outcomes, committed } = ingest.ingest({
      source: 'mqtt',
      topic: will.topic,
      payload: will.payload,
      client: connection.client.id,
      username: connection.username,
      device: null,
      transfer: null,
      retain: will.retain,
      address: connection.ip,
      format: null,
      receipts: receipts.wantsEvery(sender),
      relay: null,
    });
    committed
      .then(
        () => {
          receipts.send(sender, will.topic, outcomes);
          done(goesOn(outcomes) ? null : new Error('not to be forwarded'));
        },
        (error: unknown) => {
          events.emit('mqtt.refused', { client: connection.client.id, reason: messageOf(error) });
          done(new Error('refused'));
        },
      )
      // What `done` goes on to (forwarding the will) must not end the process.
      .catch((error: unknown) => failed('will', null, error));
  }

  /** Grants a subscription, or says why not. */
  function subscribe(connection: Connection, filter: string, qos: QoS): string | null {
    const { client, outbox } = connection;
    const problem = filterProblem(filter, limits);
    if (problem !== null) return problem;
    if (isUnderHello(filter)) return connection.outbox.question.ask(filter) ? null : 'it may not read there';
    const isObserver = receipts.isObserver(client.id);
    if (!maySubscribe(client.id, filter, isObserver)) return 'it may not read there';
    if (!outbox.filters.has(filter) && outbox.filters.size >= limits.maxSubscriptionsPerClient) {
      return 'it has too many subscriptions';
    }
    if (isObserver) receipts.observe(outbox);
    if (!subscribers.add(outbox, filter, qos)) return 'there are too many subscriptions';
    if (client.clean || sessions.subscribe(client.id, filter, qos)) return null;
    subscribers.remove(outbox, filter);
    return 'there are too many sessions';
  }

  return {
    preConnect(client, packet, done) {
      try {
        const connection = connectionOf(client);
        const { maxKeepaliveSeconds } = limits;
        const asked = packet.keepalive ?? 0;
        packet.keepalive = asked === 0 ? maxKeepaliveSeconds : Math.min(asked, maxKeepaliveSeconds);
        connection.askedId = packet.clientId;
        if (packet.clientId === '') packet.clientId = generateClientId();
        connection.keepaliveSeconds = packet.keepalive;
        done(null, true);
      } catch (error) {
        failed('preConnect', client, error);
      }
    },

    authenticate(client, username, _password, done) {
      try {
        const connection = connectionOf(client);
        const refused = refusal(connection, username);
        if (refused === null) {
          connection.username = username ?? null;
          done(null, true);
          return;
        }
        const [returnCode, reason] = refused;
        const { address } = connection;
        events.emit('mqtt.client-refused', { client: printable(client.id, 64), address, reason });
        // aedes reads the return code from the error.
        done(Object.assign(new Error(reason), { returnCode }) as AuthenticateError, false);
      } catch (error) {
        failed('authenticate', client, error);
      }
    },

    /** Only wills come here: what clients publish is taken by their connection. */
    authorizePublish(client, packet, done) {
      try {
        if (client === null || !Buffer.isBuffer(packet.payload)) {
          done(new Error('not a will'));
          return;
        }
        const { topic, payload, qos, retain } = packet;
        takeWill(connectionOf(client), { topic, payload, qos, retain }, done);
      } catch (error) {
        if (isRefusal(error))
          events.emit('mqtt.refused', { client: client?.id ?? '', reason: error.message });
        else failed('authorizePublish', null, error);
        done(new Error('refused'));
      }
    },

    authorizeSubscribe(client, subscription, done) {
      try {
        const connection = connectionOf(client);
        const problem = connection.closed
          ? 'it has gone'
          : subscribe(connection, subscription.topic, subscription.qos);
        if (problem !== null) {
          events.emit('mqtt.subscription-refused', {
            client: client.id,
            filter: printable(subscription.topic, 100),
            reason: problem,
          });
        }
        done(null, problem === null ? subscription : null);
      } catch (error) {
        failed('authorizeSubscribe', client, error);
      }
    },

    /** A second fence around receipts and `$SYS`, and the QoS of retained messages. */
    authorizeForward(client, packet) {
      try {
        const connection = connectionOf(client);
        if (connection.closed || !isForwardable(packet.topic)) return null;
        if (packet.retain) {
          const granted = connection.outbox.grantedQos(packet.topic);
          if (granted === null) return null;
          if (granted < packet.qos) packet.qos = granted;
        }
        return packet;
      } catch (error) {
        failed('authorizeForward', client, error);
        return null;
      }
    },
  };
}

/**
 * Looks at SUBSCRIBE and UNSUBSCRIBE before aedes does. aedes would end the connection for some malformed filters and
 * take others; here each gets SUBACK 128, by way of a filter that is never granted.
 */
export function vetPacket(context: BrokerContext, connection: Connection, packet: AedesPacket): void {
  const { limits, subscribers } = context;
  if (packet.cmd === 'unsubscribe') {
    for (const filter of packet.unsubscriptions) {
      subscribers.remove(connection.outbox, filter);
      connection.outbox.question.forget(filter);
    }
    return;
  }
  if (packet.cmd !== 'subscribe') return;
  if (packet.subscriptions.length > limits.maxSubscriptionsPerClient) {
    packet.subscriptions.length = 0;
    connection.end('too many filters in one SUBSCRIBE');
    return;
  }
  packet.subscriptions.forEach((subscription, i) => {
    if (filterProblem(subscription.topic, limits) !== null) subscription.topic = `$SYS/malformed/${i}`;
  });
}
