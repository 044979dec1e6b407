import type { Socket } from 'node:net';
import type { Ingested, Message, Relay } from '../../contracts.ts';
import { isRefusal, messageOf } from '../../errors.ts';
import {
  type Answer,
  answer,
  encodeAnswers,
  NOBODY,
  PUBACK,
  PUBCOMP,
  PUBREC,
  type Sender,
} from './acknowledgements.ts';
import type { AedesClient } from './aedes-client.ts';
import type { Aftermath, BrokerContext, Stalled } from './broker-context.ts';
import { isMqtt5Connect, relayOfConnect, VERSION_REFUSED } from './connect-packet.ts';
import { endGently } from './end-gently.ts';
import { OpenTransfers } from './open-transfers.ts';
import { Outbox } from './outbox.ts';
import { type PacketHandler, PacketReader } from './packet-reader.ts';
import * as packet from './packet-types.ts';
import { goesOn, qosOf } from './publication.ts';
import type { ReceiptSender } from './receipt-desk.ts';
import { remoteIp } from './remote-ip.ts';
import { reservedPublish } from './reserved-publish.ts';

/** What a message costs beside its payload until it is on disk, about. */
const MESSAGE_OVERHEAD_BYTES = 64;
const MIN_WAIT_MS = 2000;
const AT_ONCE = Promise.resolve();
/** Retained messages for so many SUBSCRIBEs of one client may be under way; what it sends next waits. */
const MAX_RETAINED_READS = 4;

/**
 * One socket. It cuts what arrives into packets, takes every PUBLISH and PUBREL itself, from the bytes to the
 * acknowledgement, and hands all other packets to aedes. Until all packets of one read are done with, nothing more is
 * read: that is the back-pressure.
 */
export class Connection implements Sender, PacketHandler, Stalled {
  readonly outbox: Outbox;
  /** Null where the socket has gone already. */
  readonly ip: string | null;
  readonly address: string;
  username: string | null = null;
  /** The client id as the client gave it; empty where it leaves the choice to the broker. */
  askedId = '';
  keepaliveSeconds = 0;
  /** SUBSCRIBEs whose retained messages are on their way. */
  retainedReads = 0;
  readonly #context: BrokerContext;
  readonly #socket: Socket;
  readonly #client: AedesClient;
  /** Tells this connection from others of the same client. */
  readonly #number: number;
  readonly #reader: PacketReader;
  #sawConnect: boolean = false;
  /** Where the client is another broker. */
  #relay: Relay | null = null;
  #pumping: boolean = false;
  #awaitsDrain: boolean = false;
  #held = 0;
  #settled = 0;
  #answers: Answer[] = [];
  readonly #open: OpenTransfers;
  /** Why it ends as soon as everything taken is answered; null while it goes on. */
  #lastWords: string | null = null;
  #receipts: ReceiptSender | null = null;
  /** Since when the client waits for us, by the monotonic clock; 0 while it does not. */
  #waitingSinceMs = 0;

  constructor(context: BrokerContext, socket: Socket, client: AedesClient, number: number) {
    this.#context = context;
    this.#socket = socket;
    this.#client = client;
    this.#number = number;
    this.outbox = new Outbox(context, socket, client);
    this.ip = remoteIp(socket);
    this.address = this.ip ?? 'unknown';
    this.#reader = new PacketReader(this, context.partial);
    this.#open = new OpenTransfers(context, client);
    client._parsingBatch = 0;
    client._nextBatch = (error) => {
      if (error) {
        client.emit('error', error);
        return;
      }
      client._parsingBatch -= 1;
      this.pump();
    };
    // aedes would read on while CONNECT is still being worked on.
    client.resume = () => {
      client._paused = false;
    };
    socket.removeAllListeners('readable');
    socket.on('readable', () => context.turns.take(this));
  }

  get client(): AedesClient {
    return this.#client;
  }

  get closed(): boolean {
    return this.#client.closed;
  }

  /** Its receipts. To be asked for only once the client is let in and has its id. */
  get receipts(): ReceiptSender {
    this.#receipts ??= this.#context.receipts.sender(this.#client.id, this.outbox);
    return this.#receipts;
  }

  // ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads on, as far as it may. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#mayRead()) {
        this.#client._keepaliveTimer?.refresh();
        if (this.#reader.waits) {
          this.#reader.resume();
          continue;
        }
        const chunk: Buffer | null = this.#socket.read();
        if (chunk === null) break;
        this.#reader.push(chunk);
      }
    } catch (error) {
      this.#onThrown('read', error);
    } finally {
      this.#pumping = false;
    }
  }

  #mayRead(): boolean {
    const { limits, acknowledgements, stalled, stopping, clock } = this.#context;
    if (this.#client._parsingBatch > 0 || this.#client.closed || stopping || this.#lastWords !== null)
      return false;
    if (this.retainedReads >= MAX_RETAINED_READS) return false;
    if (this.#socket.writableNeedDrain) {
      // A client that reads no acknowledgements is given no more of them.
      this.#pumpAfterDrain();
      return false;
    }
    if (acknowledgements.uncommittedBytes <= limits.maxUncommittedBytes) return true;
    stalled.add(this);
    if (this.#waitingSinceMs === 0) this.#waitingSinceMs = clock.monotonicMs();
    return false;
  }

  #pumpAfterDrain(): void {
    if (this.#awaitsDrain) return;
    this.#awaitsDrain = true;
    this.#socket.once('drain', () => {
      this.#awaitsDrain = false;
      this.pump();
    });
  }

  goOn(): void {
    if (this.#held === 0) this.#waitingSinceMs = 0;
    this.pump();
  }

  limitOf(first: number): number {
    const type = first >> 4;
    const { maxPacketBytes, maxControlPacketBytes } = this.#context.limits;
    if ((!this.#sawConnect && type !== packet.CONNECT) || packet.OUT_OF_PLACE.has(type)) return -1;
    return type === packet.PUBLISH ? maxPacketBytes : maxControlPacketBytes;
  }

  onPacket(first: number, buffer: Buffer, head: number, start: number, end: number): boolean {
    const type = first >> 4;
    if (type === packet.PUBLISH) this.#onPublish(first, buffer, start, end);
    else if (type === packet.PUBREL) this.#onPubrel(first, buffer, start, end);
    else if (packet.ANSWERS.has(type) && end - start !== 2) this.end('malformed acknowledgement');
    else if (!this.#sawConnect && isMqtt5Connect(buffer, start, end)) this.#refuseVersion();
    else {
      if (!this.#sawConnect) this.#relay = relayOfConnect(buffer, start, end);
      this.#sawConnect = true;
      this.#client._parser.parse(buffer.subarray(head, end));
      // These change what comes after them: they are done with first.
      if (type === packet.CONNECT || type === packet.SUBSCRIBE || type === packet.UNSUBSCRIBE) return false;
    }
    return !this.#client.closed;
  }

  onBad(reason: string): void {
    this.end(reason);
  }

  #refuseVersion(): void {
    this.#context.events.emit('mqtt.version-unsupported', { address: this.address });
    this.#reader.end();
    this.#socket.end(VERSION_REFUSED, () => this.close());
  }

  // ── Ending ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends the connection for something the client did. */
  end(reason: string): void {
    if (this.#client.closed) return;
    // The id is null until CONNECT was taken, whatever its type says.
    const client = this.#client._authorized ? this.#client.id : '(not connected yet)';
    this.#context.events.emit('mqtt.disconnected', { client, address: this.address, reason });
    this.close();
  }

  /** Once the client has the answers to all that was taken: else it would come back with the same again. */
  #endIfAnswered(): void {
    if (this.#lastWords === null || this.#held > 0) return;
    const fields = { client: this.#client.id, address: this.address, reason: this.#lastWords };
    this.#context.events.emit('mqtt.disconnected', fields);
    endGently(this.#socket, this.#context.clock, () => this.close());
  }

  close(): void {
    this.#reader.end();
    this.#client.close();
  }

  /** The socket is gone, whatever the reason. */
  onClosed(): void {
    this.#reader.end();
    this.#context.stalled.delete(this);
    this.#context.subscribers.removeAll(this.outbox);
    this.#context.receipts.leave(this.outbox);
  }

  /** Disconnects a client that has waited too long for us: at most half its keepalive, since it may not ping either. */
  endIfOverdue(nowMs: number): void {
    if (this.#waitingSinceMs === 0 || this.#client.closed) return;
    const { acknowledgeWithinMs } = this.#context.limits;
    const halfMs = Math.max(this.keepaliveSeconds * 500, MIN_WAIT_MS);
    if (nowMs - this.#waitingSinceMs < Math.min(acknowledgeWithinMs, halfMs)) return;
    this.#context.events.emit('mqtt.refused', {
      client: this.#client.id,
      reason: 'nothing was committed in time',
    });
    this.close();
  }

  #onThrown(where: string, error: unknown): void {
    const { events } = this.#context;
    if (isRefusal(error)) events.emit('mqtt.refused', { client: this.#client.id, reason: error.message });
    else events.emit('hook.failed', { hook: where, error: messageOf(error) });
    this.close();
  }

  // ── What it publishes ───────────────────────────────────────────────────────────────────────────────────

  #onPublish(first: number, buffer: Buffer, start: number, end: number): void {
    const qos = qosOf(first);
    if (qos === null || end - start < 2) {
      this.end('malformed PUBLISH');
      return;
    }
    const topicStart = start + 2;
    const topicEnd = topicStart + buffer.readUInt16BE(start);
    const payloadStart = qos === 0 ? topicEnd : topicEnd + 2;
    if (payloadStart > end) {
      this.end('malformed PUBLISH');
      return;
    }
    const packetId = qos === 0 ? 0 : buffer.readUInt16BE(topicEnd);
    if (qos > 0 && packetId === 0) {
      this.end('packet id 0');
      return;
    }
    const topic = buffer.toString('utf8', topicStart, topicEnd);
    const known = this.#context.topics.get(topic);
    if (known.problem !== null) {
      this.end(known.problem);
      return;
    }
    const opensAgain = qos === 2 && this.#open.opensAgain(packetId);
    if (opensAgain === null) {
      this.#lastWords = 'too many QoS 2 messages await their PUBREL';
      this.#reader.end();
      this.#endIfAnswered();
      return;
    }

    const payload = buffer.subarray(payloadStart, end);
    const reply = qos === 0 ? 0 : answer(qos === 1 ? PUBACK : PUBREC, packetId);
    const transfer = qos === 0 ? null : { packetId, qos, dup: (first & 8) !== 0, connection: this.#number };
    if (known.reserved) {
      const carrier = { client: this.#client.id, username: this.username, address: this.ip, transfer };
      const found = reservedPublish(this.#context, { topic, payload, opensAgain, carrier });
      if (typeof found === 'string') this.end(found);
      else this.#take(found, reply);
      return;
    }
    const retain = (first & 1) === 1;
    const taken = this.#ingest({
      source: 'mqtt',
      topic,
      payload,
      client: this.#client.id,
      username: this.username,
      device: null,
      transfer,
      // A bridge passes the flag on from the sender: it does not tell a repetition from news.
      retain: retain && (this.#relay === null || payload.length === 0),
      address: this.ip,
      format: null,
      receipts: this.#context.receipts.wantsEvery(this.receipts),
      relay: this.#relay,
    });
    if (taken === null) return;
    const { outcomes, committed } = taken;
    const wanted = (retain || this.#context.isSubscribed(topic, known)) && !opensAgain && goesOn(outcomes);
    const publication = wanted ? { topic, payload, qos, retain } : null;
    const receipts = this.#context.receipts.wants(this.receipts, outcomes) ? this.receipts : null;
    const bytes = payload.length + MESSAGE_OVERHEAD_BYTES;
    const { acknowledgements, limits } = this.#context;
    const isFree = acknowledgements.uncommittedBytes < limits.freeQos0Bytes;
    if (qos === 0 && isFree && this.#held === 0) {
      if (receipts === null) acknowledgements.note(committed, bytes);
      else
        acknowledgements.hold(committed, NOBODY, 0, { publication: null, receipts, topic, outcomes }, bytes);
      if (publication !== null) this.#context.publish(publication);
      return;
    }
    const after =
      publication === null && receipts === null ? null : { publication, receipts, topic, outcomes };
    this.#hold(committed, reply, after, bytes);
  }

  #onPubrel(first: number, buffer: Buffer, start: number, end: number): void {
    if (first !== packet.PUBREL_FIRST_BYTE || end - start !== 2) {
      this.end('malformed PUBREL');
      return;
    }
    const packetId = buffer.readUInt16BE(start);
    this.#open.close(packetId);
    try {
      const released = this.#context.ingest.released(this.#client.id, packetId);
      this.#hold(released, answer(PUBCOMP, packetId), null, MESSAGE_OVERHEAD_BYTES);
    } catch (error) {
      this.#onThrown('released', error);
    }
  }

  /** Null: it is done with. */
  #take(message: Message | null, reply: Answer): void {
    const committed = message === null ? AT_ONCE : this.#ingest(message)?.committed;
    const bytes = message === null ? 0 : message.payload.length + MESSAGE_OVERHEAD_BYTES;
    if (committed !== undefined) this.#hold(committed, reply, null, bytes);
  }

  #ingest(message: Message): Ingested | null {
    try {
      return this.#context.ingest.ingest(message);
    } catch (error) {
      if (message.transfer?.qos === 2) this.#open.close(message.transfer.packetId);
      this.#onThrown('ingest', error);
      return null;
    }
  }

  // ── What it is answered ─────────────────────────────────────────────────────────────────────────────────

  #hold(committed: Promise<void>, reply: Answer, after: Aftermath | null, bytes: number): void {
    if (this.#held === 0) this.#waitingSinceMs = this.#context.clock.monotonicMs();
    this.#held += 1;
    this.#client._parsingBatch += 1;
    this.#context.acknowledgements.hold(committed, this, reply, after, bytes);
  }

  settle(reply: Answer): boolean {
    this.#settled += 1;
    if (reply !== 0) this.#answers.push(reply);
    return this.#settled === 1;
  }

  flush(): void {
    const answers = this.#answers;
    this.#held -= this.#settled;
    this.#client._parsingBatch -= this.#settled;
    this.#settled = 0;
    this.#answers = [];
    if (this.#client.closed) return;
    if (answers.length > 0) this.#socket.write(encodeAnswers(answers));
    this.#waitingSinceMs = this.#held > 0 ? this.#context.clock.monotonicMs() : 0;
    this.#client._keepaliveTimer?.refresh();
    this.#endIfAnswered();
    this.pump();
  }

  refuse(reason: string, reply: Answer): void {
    if (reply >> 16 === PUBREC) this.#open.close(reply & 0xffff);
    this.#held -= 1;
    this.#client._parsingBatch -= 1;
    if (this.#client.closed) return;
    this.#context.events.emit('mqtt.refused', { client: this.#client.id, reason });
    this.close();
  }
}
