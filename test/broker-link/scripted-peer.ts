import type { Duplex } from 'node:stream';
import { generate, type Packet, parser } from 'mqtt-packet';
import { digestsOf, type PeerHello, packHello } from '../../gateway/peer-hello.ts';
import { streamPair } from '../support/stream-pair.ts';

/** Says that all is well there, but for what is given. */
export function helloBut(parts: Partial<PeerHello>): PeerHello {
  const schemas = digestsOf(new Map());
  return { name: 'cellar', others: [], maxPacketBytes: 2 ** 30, schemas, full: null, ...parts };
}

/** What is behind the url of a peer, in memory: it says of itself what it is told to, and takes what it is sent. */
export class ScriptedPeer {
  connections = 0;
  /** Payloads of all messages that came, over all connections. */
  readonly published: string[] = [];
  /** Filters that were subscribed to over the present connection, with their QoS, and those left again. */
  subscribed: string[] = [];
  unsubscribed: string[] = [];
  /** Of CONNACK. */
  returnCode = 0;
  /** Said to each subscriber; null: nothing. */
  hello: Buffer | null;
  takesSubscriptions: boolean = true;
  #wire: Duplex | null = null;

  constructor(hello: PeerHello | Buffer | null) {
    this.hello = hello === null || Buffer.isBuffer(hello) ? hello : packHello(hello);
  }

  readonly open = async (): Promise<Duplex> => {
    const [theirs, ours] = streamPair();
    const parse = parser({ protocolVersion: 4 });
    parse.on('packet', (packet: Packet) => this.#take(packet, ours));
    ours.on('data', (chunk: Buffer) => parse.parse(chunk));
    return theirs;
  };

  /** Where the last question was asked. */
  get question(): string {
    return this.subscribed.at(-1)?.split(' ')[0] ?? '';
  }

  /** Says it now, over the present connection. */
  say(payload: PeerHello | string, topic = this.question, retain = false): void {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : packHello(payload);
    this.#send({ cmd: 'publish', topic, payload: bytes, qos: 0, dup: false, retain });
  }

  cut(): void {
    this.#wire?.destroy();
  }

  #take(packet: Packet, wire: Duplex): void {
    if (packet.cmd === 'connect') {
      this.#wire = wire;
      this.connections += 1;
      this.subscribed = [];
      this.unsubscribed = [];
      this.#send({ cmd: 'connack', sessionPresent: false, returnCode: this.returnCode });
    } else if (packet.cmd === 'subscribe') {
      this.subscribed.push(...packet.subscriptions.map(({ topic, qos }) => `${topic} ${qos}`));
      const granted = [this.takesSubscriptions ? 0 : 0x80];
      this.#send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted });
      if (this.hello !== null && this.takesSubscriptions) this.say(this.hello.toString());
    } else if (packet.cmd === 'unsubscribe') {
      this.unsubscribed.push(...packet.unsubscriptions);
      this.#send({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] });
    } else if (packet.cmd === 'publish') {
      this.published.push(packet.payload.toString());
      this.#send({ cmd: 'puback', messageId: packet.messageId ?? 0 });
    } else if (packet.cmd === 'disconnect') wire.destroy();
  }

  #send(packet: Packet): void {
    if (this.#wire?.destroyed === false) this.#wire.write(generate(packet));
  }
}
