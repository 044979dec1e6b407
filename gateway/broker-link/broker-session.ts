import type { Duplex } from 'node:stream';
import type { IClientOptions, MqttClient } from 'mqtt';
import { messageOf } from '../errors.ts';
import { printable } from '../printable.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { UnreadableFile } from './broker-stream.ts';
import { currentPassword } from './current-password.ts';
import { type MessageProperties, relayOfPacket } from './message-properties.ts';
import {
  connackWords,
  isFinalConnack,
  noBrokerWords,
  reasonWords,
  serverReferenceWords,
} from './reason-words.ts';
import { streamErrorWords, unansweredWords } from './stream-error-words.ts';

/** What the broker said of itself in CONNACK (MQTT 5, 3.2.2.3). */
export interface BrokerLimits {
  /** QoS 1 and 2 messages that may await their acknowledgement. */
  readonly receiveMaximum: number;
  /** Of one packet; null: any. */
  readonly maxPacketBytes: number | null;
  readonly maxQos: 0 | 1 | 2;
  readonly retain: boolean;
  /** How long it keeps the session, where it is not as long as it was asked to. */
  readonly sessionExpirySeconds?: number;
}

export interface LinkMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  /** The broker repeats what it keeps. */
  readonly retain: boolean;
  readonly relay: MessageProperties;
}

export type PublishResult =
  | { readonly ok: true }
  /** `reasonCode`: the broker's own (MQTT 5), at least 128; null where the connection ended before its answer. */
  | { readonly ok: false; readonly reasonCode: number | null; readonly words: string };

export interface SubscribeResult {
  readonly filter: string;
  /** Null where it was refused. */
  readonly grantedQos: 0 | 1 | 2 | null;
  /** The refusal in words; null where there is none. */
  readonly words: string | null;
}

/** One connection that the broker has taken. Nothing of it outlives the connection. */
export interface BrokerSession {
  /** Of this link, from 1. */
  readonly number: number;
  readonly sessionPresent: boolean;
  readonly limits: BrokerLimits;
  readonly closed: boolean;
  /** Never rejects; null where the connection ended first. New retained messages only (`rh` 0, MQTT 5, 3.8.3.1). */
  subscribe(
    filters: readonly { readonly filter: string; readonly qos: 0 | 1 | 2 }[],
  ): Promise<readonly SubscribeResult[] | null>;
  /** Resolves in any case. */
  unsubscribe(filters: readonly string[]): Promise<void>;
  /** `done` is called once: at QoS 0 when it is written, at QoS 1 when it is acknowledged, or when the connection ends. */
  publish(
    topic: string,
    payload: Buffer,
    options: { readonly qos: 0 | 1; readonly retain: boolean },
    done: (result: PublishResult) => void,
  ): void;
}

export const CLOSED_WITHOUT_WORDS = 'the broker closed the connection';

/** How a connection ended. */
export interface Ended {
  readonly reason: string;
  /** It is the same the next time, unless somebody acts. */
  readonly final: boolean;
  /** The broker is well: what it sent could not be taken here. */
  readonly isRefusal: boolean;
  /** The broker has answered a message of QoS 1 over it, whether it took it or not. */
  readonly hasAnswered: boolean;
}

/** Why a connection is cut: something is wrong with it, or what came over it cannot be taken now. */
export type CutCause = 'broken' | 'refused';

export interface SessionHooks {
  readonly open: (connection: BrokerConnection) => Promise<Duplex>;
  /** Stands between the wire and mqtt.js. */
  readonly wrap: ((stream: Duplex) => Duplex) | null;
  readonly receiveMaximum: number | null;
  readonly maxPacketBytes: number | null;
  /** Must not throw, nor must the next. */
  readonly onConnected: (session: BrokerSession) => void;
  readonly onMessage: ((message: LinkMessage) => void) | null;
}

export interface Attempt {
  /** Never rejects. */
  readonly ended: Promise<Ended>;
  /** Cuts the connection. The first reason counts. */
  cut(reason: string, cause?: CutCause): void;
  /** Says DISCONNECT once what is outstanding is answered, and closes. */
  close(): void;
}

const CONNECT_TIMEOUT_MS = 20_000;
const MAX_RECEIVE_MAXIMUM = 65_535;
const MAX_WORDS = 200;
const MAX_REASON = 500;
const NOTHING = (): void => undefined;

/**
 * One connection, on an mqtt.js client of its own: what that class does over several connections (connect again,
 * subscribe again, send again what it keeps in memory) is off, because each of them loses or doubles something.
 */
export function attemptConnection(
  connection: BrokerConnection,
  number: number,
  hooks: SessionHooks,
): Attempt {
  const pending = new Set<(result: PublishResult) => void>();
  let reason: string | null = null;
  let final = false;
  let isRefusal = false;
  let client: MqttClient | null = null;
  let raw: Duplex | null = null;
  let wasTaken: boolean = false;
  let closed: boolean = false;
  let closing: boolean = false;
  let hasAnswered: boolean = false;

  function because(words: string, isFinal = false, cause: CutCause = 'broken'): void {
    if (reason !== null) return;
    reason = printable(words, MAX_REASON);
    final = isFinal;
    isRefusal = cause === 'refused';
  }

  function cut(words: string, cause?: CutCause): void {
    because(words, false, cause);
    end();
  }

  function end(): void {
    raw?.destroy();
    client?.end(true);
  }

  async function run(): Promise<void> {
    // Loaded where it is used: most gateways read from no other broker.
    const { MqttClient } = await import('mqtt');
    const password = await currentPassword(connection);
    const stream = await hooks.open(connection);
    raw = stream;
    lookAtFirst(stream, (chunk) => {
      const words = noBrokerWords(chunk);
      if (words !== null) cut(words);
    });
    stream.on('error', (error) => {
      const { words, final } = streamErrorWords(connection, error, wasTaken);
      because(words, final);
    });
    await new Promise<void>((resolve) => {
      if (reason !== null) {
        stream.once('close', resolve);
        stream.destroy();
        return;
      }
      const made = new MqttClient(
        () => hooks.wrap?.(stream) ?? stream,
        clientOptions(connection, password, hooks),
      );
      client = made;
      let server = '';
      made.once('packetreceive', (packet) => {
        // The error that mqtt.js makes of a refusal leaves it out.
        if (packet.cmd === 'connack') server = serverReferenceWords(packet.properties?.serverReference);
      });
      made.on('error', (error) => {
        // What the stream told is told better there; mqtt.js emits first.
        if (stream.destroyed && stream.errored !== null) return;
        because(...clientErrorWords(error, connection.protocolVersion, server));
        // After some of these (an answer to what was not asked, bytes that are no packet) mqtt.js would go on.
        end();
      });
      made.on('disconnect', (packet) =>
        because(
          `the broker disconnected: ${reasonWords(packet.reasonCode ?? 0)}${serverReferenceWords(packet.properties?.serverReference)}`,
        ),
      );
      made.on('close', () => resolve());
      made.on('connect', (connack) => {
        if (closing || closed) return;
        wasTaken = true;
        const { properties } = connack;
        hooks.onConnected(
          session(made, connack.sessionPresent, {
            receiveMaximum: properties?.receiveMaximum ?? MAX_RECEIVE_MAXIMUM,
            maxPacketBytes: properties?.maximumPacketSize ?? null,
            maxQos: qosOf(properties?.maximumQoS ?? 2),
            retain: properties?.retainAvailable !== false,
            ...(properties?.sessionExpiryInterval === undefined
              ? {}
              : { sessionExpirySeconds: properties.sessionExpiryInterval }),
          }),
        );
      });
      if (hooks.onMessage !== null) {
        const { onMessage } = hooks;
        made.on('message', (topic, payload, { qos, retain, properties }) =>
          onMessage({ topic, payload, qos, retain, relay: relayOfPacket(properties ?? {}) }),
        );
      }
    });
  }

  function session(made: MqttClient, sessionPresent: boolean, limits: BrokerLimits): BrokerSession {
    return {
      number,
      sessionPresent,
      limits,
      get closed() {
        return closed || !made.connected;
      },
      async subscribe(filters) {
        if (closed) return null;
        const found = new Map<string, SubscribeResult>();
        // Not as a map: mqtt.js takes a filter of the name `resubscribe` for an option there.
        for (const qos of [0, 1, 2] as const) {
          const names = filters.filter((each) => each.qos === qos).map(({ filter }) => filter);
          const results = names.length === 0 ? [] : await ask(made, names, qos);
          if (results === null) return null;
          for (const result of results) found.set(result.filter, result);
        }
        return filters.map(({ filter }) => found.get(filter) ?? refused(filter, 'not answered'));
      },
      unsubscribe: (filters) =>
        new Promise((resolve) => {
          if (closed || filters.length === 0) resolve();
          else made.unsubscribe([...filters], () => resolve());
        }),
      publish(topic, payload, { qos, retain }, done) {
        if (closed || closing || !made.connected) {
          done({ ok: false, reasonCode: null, words: 'not connected' });
          return;
        }
        const answered = (result: PublishResult): void => {
          if (!pending.delete(answered)) return;
          hasAnswered ||= qos === 1 && (result.ok || result.reasonCode !== null);
          done(result);
        };
        pending.add(answered);
        made.publish(topic, payload, { qos, retain }, (error) => {
          if (error == null) answered({ ok: true });
          else answered(publishFailure(error));
        });
      },
    };
  }

  function ask(
    made: MqttClient,
    filters: string[],
    qos: 0 | 1 | 2,
  ): Promise<readonly SubscribeResult[] | null> {
    return new Promise((resolve) => {
      made.subscribe(filters, { qos, nl: false, rap: false, rh: 0 }, (error, _subscriptions, packet) => {
        const granted = packet?.granted;
        if (granted !== undefined)
          resolve(filters.map((filter, i) => resultOf(filter, Number(granted[i] ?? 128), connection)));
        // For mqtt.js one of them is no filter at all: it has asked nobody.
        else if (error?.message.startsWith('Invalid topic') === true)
          resolve(filters.map((filter) => refused(filter, error.message)));
        else resolve(null);
      });
    });
  }

  const ended = run()
    .catch((error: unknown) => because(messageOf(error), error instanceof UnreadableFile))
    .then((): Ended => {
      closed = true;
      client?.removeAllListeners();
      // Something may still be told late.
      client?.on('error', NOTHING);
      client?.end(true);
      raw?.destroy();
      for (const answered of [...pending])
        answered({ ok: false, reasonCode: null, words: 'the connection ended' });
      const unanswered = wasTaken || client === null ? '' : unansweredWords(connection);
      return { reason: reason ?? `${CLOSED_WITHOUT_WORDS}${unanswered}`, final, isRefusal, hasAnswered };
    });

  return {
    ended,
    cut,
    close() {
      if (closing) return;
      closing = true;
      because('stopped');
      if (client === null || !client.connected) cut('stopped');
      else client.end(false);
    },
  };
}

/** Hands over what comes first, on its way: a listener would take it away from who reads it. */
function lookAtFirst(stream: Duplex, look: (chunk: Buffer) => void): void {
  const push = stream.push;
  stream.push = (chunk: unknown, encoding) => {
    if (Buffer.isBuffer(chunk) && chunk.length > 0) {
      stream.push = push;
      look(chunk);
    }
    return push.call(stream, chunk, encoding);
  };
}

function clientOptions(
  connection: BrokerConnection,
  password: string | null,
  hooks: SessionHooks,
): IClientOptions {
  const { protocolVersion, clientId, username, will } = connection;
  const isFive = protocolVersion === 5;
  return {
    protocolVersion,
    protocolId: 'MQTT',
    clientId,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    clean: connection.cleanStart,
    keepalive: connection.keepaliveSeconds,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // It would log what it sends, the password included, to whoever sets DEBUG.
    log: NOTHING,
    ...(will === null ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
    ...(isFive
      ? {
          properties: {
            sessionExpiryInterval: connection.sessionExpirySeconds,
            topicAliasMaximum: 0,
            ...(hooks.receiveMaximum === null ? {} : { receiveMaximum: hooks.receiveMaximum }),
            ...(hooks.maxPacketBytes === null ? {} : { maximumPacketSize: hooks.maxPacketBytes }),
          },
        }
      : {}),
  };
}

function qosOf(value: number): 0 | 1 | 2 {
  return value === 0 || value === 1 ? value : 2;
}

function refused(filter: string, words: string): SubscribeResult {
  return { filter, grantedQos: null, words: printable(words, MAX_WORDS) };
}

function resultOf(filter: string, code: number, { protocolVersion }: BrokerConnection): SubscribeResult {
  if (code < 128) return { filter, grantedQos: qosOf(code), words: null };
  // MQTT 3.1.1 has no other.
  return refused(filter, protocolVersion === 5 ? reasonWords(code) : 'refused (its access rules, probably)');
}

function publishFailure(error: Error): PublishResult {
  const code = 'code' in error && typeof error.code === 'number' ? error.code : null;
  return {
    ok: false,
    reasonCode: code,
    words: code === null ? printable(error.message, MAX_WORDS) : reasonWords(code),
  };
}

function clientErrorWords(
  error: Error,
  protocolVersion: 4 | 5,
  server: string,
): [words: string, final: boolean] {
  const code = 'code' in error && typeof error.code === 'number' ? error.code : null;
  if (code === null) {
    const known: Readonly<Record<string, string>> = {
      'connack timeout': 'the broker did not answer CONNECT',
      'Keepalive timeout': 'the broker did not answer within the keepalive',
    };
    const older = protocolVersion === 5 && error.message.startsWith('Cannot parse');
    const hint = older ? ' (if it does not speak MQTT 5, set protocol: 3.1.1)' : '';
    return [known[error.message] ?? `${error.message}${hint}`, false];
  }
  if (!error.message.startsWith('Connection refused')) return [reasonWords(code), false];
  return [`the broker refused: ${connackWords(code, protocolVersion)}${server}`, isFinalConnack(code)];
}
