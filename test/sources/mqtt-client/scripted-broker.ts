/** A broker in memory that keeps a session, for the source that reads from it. */
import type { Duplex } from 'node:stream';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';
import { streamPair } from '../../support/stream-pair.ts';

export interface Scripted {
  readonly id: number;
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  state: 'waiting' | 'sent' | 'received' | 'done';
}

export interface ScriptedBrokerOptions {
  readonly protocolVersion: 4 | 5;
  readonly messages: readonly Scripted[];
  /** Sent and not done with, at most. */
  readonly window: number;
  /** How many bytes a chunk gets; asked for each. */
  readonly chunkBytes: () => number;
  /** Cuts the connection now? Asked for each acknowledgement that comes. */
  readonly cuts: () => boolean;
  /** Each acknowledgement as it comes. */
  readonly onAnswer: (kind: 'puback' | 'pubrec' | 'pubcomp', message: Scripted) => void;
  readonly connackCode?: number;
  /** Does it still know the session? Asked at each connection but the first; left out: yes. */
  readonly knows?: () => boolean;
  /** MQTT 5: how long it keeps the session. Left out: as it was asked to. */
  readonly sessionExpiryInterval?: number;
}

/** Sends its messages in order; after a reconnect first what is not done with, with DUP, as MQTT 3.1.1, 4.4 asks. */
export class ScriptedBroker {
  connections = 0;
  /** As it was opened last. */
  connect: IConnectPacket | null = null;
  /** Every packet that came, by its type. */
  readonly got: string[] = [];
  /** What was published to it: topic and payload. */
  readonly published: string[] = [];
  /** Of what was published to it last, above QoS 0. */
  publishedId = 0;
  /** The order in which messages were sent over the present connection. */
  readonly sentNow: Scripted[] = [];
  readonly #options: ScriptedBrokerOptions;
  #wire: Duplex | null = null;

  constructor(options: ScriptedBrokerOptions) {
    this.#options = options;
  }

  get done(): boolean {
    return this.#options.messages.every(({ state }) => state === 'done');
  }

  open = async (): Promise<Duplex> => {
    const [theirs, ours] = streamPair();
    const { protocolVersion } = this.#options;
    const parse = parser({ protocolVersion });
    parse.on('packet', (packet: Packet) => this.#take(packet, ours));
    ours.on('data', (chunk: Buffer) => parse.parse(chunk));
    return theirs;
  };

  cut(): void {
    this.#wire?.destroy();
  }

  /** Also what is no packet. */
  write(bytes: Buffer): void {
    this.#wire?.write(bytes);
  }

  #take(packet: Packet, wire: Duplex): void {
    this.got.push(packet.cmd);
    if (packet.cmd === 'connect') this.connect = packet;
    if (packet.cmd === 'connect') this.#welcome(wire);
    else if (wire !== this.#wire) return;
    else if (packet.cmd === 'subscribe')
      this.#send({
        cmd: 'suback',
        messageId: packet.messageId ?? 0,
        granted: packet.subscriptions.map(({ qos }) => qos),
      });
    else if (packet.cmd === 'unsubscribe')
      this.#send({
        cmd: 'unsuback',
        messageId: packet.messageId ?? 0,
        granted: packet.unsubscriptions.map(() => 0),
      });
    else if (packet.cmd === 'publish') {
      this.publishedId = packet.messageId ?? 0;
      this.published.push(`${packet.topic} ${String(packet.payload)}`);
    } else if (packet.cmd === 'disconnect') wire.destroy();
    else if (packet.cmd === 'pingreq') this.#send({ cmd: 'pingresp' });
    else if (packet.cmd === 'puback' || packet.cmd === 'pubrec' || packet.cmd === 'pubcomp') {
      const message = this.#options.messages.find(({ id }) => id === packet.messageId);
      if (message === undefined) throw new Error(`acknowledged what was never sent: ${packet.messageId}`);
      this.#options.onAnswer(packet.cmd, message);
      message.state = packet.cmd === 'pubrec' ? 'received' : 'done';
      if (this.#options.cuts()) {
        wire.destroy();
        return;
      }
      if (packet.cmd === 'pubrec') this.#send({ cmd: 'pubrel', messageId: message.id });
      this.#fill();
    }
  }

  #welcome(wire: Duplex): void {
    const { connackCode = 0, messages, protocolVersion } = this.#options;
    this.#wire = wire;
    this.connections += 1;
    this.sentNow.length = 0;
    const code = protocolVersion === 5 ? { reasonCode: connackCode } : { returnCode: connackCode };
    const { knows, sessionExpiryInterval } = this.#options;
    const sessionPresent = connackCode === 0 && this.connections > 1 && knows?.() !== false;
    const properties = sessionExpiryInterval === undefined ? {} : { properties: { sessionExpiryInterval } };
    this.#send({ cmd: 'connack', sessionPresent, ...code, ...properties });
    if (connackCode !== 0) return;
    for (const message of messages) {
      // Whatever was on its way at QoS 0 is lost.
      if (message.state === 'sent') this.#publish(message, true);
      else if (message.state === 'received') this.#send({ cmd: 'pubrel', messageId: message.id });
    }
    this.#fill();
  }

  #fill(): void {
    const { messages, window } = this.#options;
    for (const message of messages) {
      const open = messages.filter(({ state }) => state === 'sent' || state === 'received').length;
      if (open >= window) return;
      if (message.state === 'waiting') this.#publish(message, false);
    }
  }

  #publish(message: Scripted, dup: boolean): void {
    const { id, topic, payload, qos } = message;
    message.state = qos === 0 ? 'done' : 'sent';
    this.sentNow.push(message);
    this.#send({ cmd: 'publish', topic, payload, qos, dup, retain: false, messageId: id });
  }

  #send(packet: Packet): void {
    const bytes = generate(packet, { protocolVersion: this.#options.protocolVersion });
    for (let at = 0; at < bytes.length; ) {
      const length = Math.max(1, this.#options.chunkBytes());
      if (this.#wire?.destroyed === false) this.#wire.write(bytes.subarray(at, at + length));
      at += length;
    }
  }
}
