import type { Socket } from 'node:net';
import type { Outcome } from '../../contracts.ts';
import type { AedesClient } from './aedes-client.ts';
import type { BrokerContext } from './broker-context.ts';
import { encodePublish, type Publication, type QoS } from './publication.ts';
import { encodeReceipt, MAX_RECEIPT_BYTES, ReceiptAllowance } from './receipts.ts';
import type { Session } from './sessions.ts';
import type { Subscriber } from './subscribers.ts';
import { matches, receiptTopic } from './topics.ts';

const MAX_PACKET_ID = 0xffff;

/** What one connected client is sent besides acknowledgements: messages it subscribed to, and its own receipts. */
export class Outbox implements Subscriber {
  readonly filters = new Map<string, QoS>();
  readonly #context: BrokerContext;
  readonly #socket: Socket;
  readonly #client: AedesClient;
  #allowance: ReceiptAllowance | null = null;
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

  /** Whether its sender has asked to be told of a rejection among these. */
  wantsReceipts(outcomes: readonly Outcome[]): boolean {
    if (this.filters.size === 0) return false;
    return outcomes.some(isRejected) && this.grantedQos(receiptTopic(this.#client.id)) !== null;
  }

  sendReceipts(topic: string, outcomes: readonly Outcome[]): void {
    const { limits, clock } = this.#context;
    const own = receiptTopic(this.#client.id);
    if (!this.#isOpen() || this.grantedQos(own) === null) return;
    const nowMs = clock.monotonicMs();
    this.#allowance ??= new ReceiptAllowance(limits.receiptBurst, nowMs);
    for (const outcome of outcomes) {
      if (outcome.kind !== 'rejected') continue;
      const suppressed = this.#allowance.take(limits.receiptBurst, limits.receiptsPerSecond, nowMs);
      if (suppressed === null) continue;
      const receipt = encodeReceipt(topic, outcome, suppressed);
      if (receipt.length <= MAX_RECEIPT_BYTES) this.deliver0(encodePublish(own, receipt, 0, 0));
    }
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

function isRejected({ kind }: Outcome): boolean {
  return kind === 'rejected';
}
