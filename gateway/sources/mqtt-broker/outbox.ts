import type { Socket } from 'node:net';
import type { AedesClient } from './aedes-client.ts';
import type { BrokerContext } from './broker-context.ts';
import { PeerQuestion } from './peer-question.ts';
import { encodePublish, type Publication, type QoS } from './publication.ts';
import type { ReceiptReader } from './receipt-desk.ts';
import type { Session } from './sessions.ts';
import type { Subscriber } from './subscribers.ts';
import { matches } from './topics.ts';

const MAX_PACKET_ID = 0xffff;

/** What one connected client is sent besides acknowledgements: messages it subscribed to, and receipts. */
export class Outbox implements Subscriber, ReceiptReader {
  readonly filters = new Map<string, QoS>();
  readonly question = new PeerQuestion(this);
  readonly #context: BrokerContext;
  readonly #socket: Socket;
  readonly #client: AedesClient;
  /** It reads too slowly: what is for it is dropped until its socket has drained. */
  #behind: boolean = false;

  constructor(context: BrokerContext, socket: Socket, client: AedesClient) {
    this.#context = context;
    this.#socket = socket;
    this.#client = client;
  }

  deliver0(packet: Buffer): void {
    if (this.#isOpen() && !this.#mustDrop()) this.#socket.write(packet);
  }

  deliver({ topic, payload }: Publication, qos: QoS, counter: number): void {
    if (!this.#isOpen()) return;
    if (this.#client.clean) {
      if (!this.#mustDrop()) this.#socket.write(encodePublish(topic, payload, qos, this.#nextId(null)));
      return;
    }
    const session = this.#context.sessions.get(this.#client.id);
    // Where there was no room in its session, this was counted there.
    if (session?.queue.has(counter) !== true) return;
    const messageId = this.#nextId(session);
    this.#context.sessions.underWay(session, counter, messageId);
    this.#socket.write(encodePublish(topic, payload, qos, messageId));
  }

  /** aedes numbers what it sends itself from the same counter. */
  #nextId(session: Session | null): number {
    for (;;) {
      const id = this.#client._nextId;
      this.#client._nextId = id >= MAX_PACKET_ID ? 1 : id + 1;
      if (session?.byMessageId.has(id) !== true) return id;
    }
  }

  /** The highest QoS granted for a topic; null where no filter takes it in. */
  grantedQos(topic: string): QoS | null {
    let highest: QoS | null = null;
    for (const [filter, qos] of this.filters) {
      if ((highest === null || qos > highest) && matches(filter, topic)) highest = qos;
    }
    return highest;
  }

  reads(topic: string): boolean {
    return this.grantedQos(topic) !== null;
  }

  /** Before CONNACK, what is for the client waits in its session, and is read from there behind CONNACK. */
  #isOpen(): boolean {
    return this.#client.connackSent && !this.#client.closed;
  }

  #mustDrop(): boolean {
    const waiting = this.#socket.writableLength;
    if (waiting === 0) this.#behind = false;
    else if (waiting > this.#context.limits.maxSubscriberBacklogBytes) this.#behind = true;
    if (this.#behind) this.#context.events.emit('mqtt.subscriber-behind', { client: this.#client.id });
    return this.#behind;
  }
}
