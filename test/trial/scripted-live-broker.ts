/** A broker in memory that is listened to, and behaves as badly as it is told. */
import type { Duplex } from 'node:stream';
import { generate, type Packet, parser } from 'mqtt-packet';
import { streamPair } from '../support/stream-pair.ts';

export interface LiveBehaviour {
  /** Instead of CONNACK; null: nothing at all. */
  readonly answers?: string | null;
  /** Over which connections (from 1) the subscription is answered; left out: over all. */
  readonly subscribes?: (connection: number) => boolean;
  /** Takes a connection at all. */
  readonly isThere?: () => boolean;
}

export class ScriptedLiveBroker {
  connections = 0;
  readonly got: string[] = [];
  readonly #behaviour: LiveBehaviour;
  #wire: Duplex | null = null;

  constructor(behaviour: LiveBehaviour = {}) {
    this.#behaviour = behaviour;
  }

  readonly open = async (): Promise<Duplex> => {
    if (this.#behaviour.isThere?.() === false) throw new Error('nobody listens there');
    const [theirs, ours] = streamPair();
    const parse = parser({ protocolVersion: 4 });
    parse.on('packet', (packet: Packet) => this.#take(packet, ours));
    ours.on('data', (chunk: Buffer) => parse.parse(chunk));
    return theirs;
  };

  publish(topic: string, payload: string): void {
    this.write(generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }));
  }

  write(bytes: Buffer): void {
    this.#wire?.write(bytes);
  }

  cut(): void {
    this.#wire?.destroy();
  }

  #take(packet: Packet, wire: Duplex): void {
    this.got.push(packet.cmd);
    const { answers, subscribes } = this.#behaviour;
    if (packet.cmd === 'connect') {
      this.#wire = wire;
      this.connections += 1;
      if (answers === undefined) this.#send({ cmd: 'connack', sessionPresent: false, returnCode: 0 });
      else if (answers !== null) this.write(Buffer.from(answers, 'latin1'));
    } else if (packet.cmd === 'subscribe') {
      const granted = packet.subscriptions.map(() => 0);
      if (subscribes?.(this.connections) !== false)
        this.#send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted });
    } else if (packet.cmd === 'unsubscribe')
      this.#send({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] });
    else if (packet.cmd === 'pingreq') this.#send({ cmd: 'pingresp' });
    else if (packet.cmd === 'disconnect') wire.destroy();
  }

  #send(packet: Packet): void {
    this.write(generate(packet));
  }
}
