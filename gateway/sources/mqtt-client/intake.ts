import { Duplex } from 'node:stream';
import { type Answer, encodeAnswers, type Sender } from '../mqtt-broker/acknowledgements.ts';
import { type PacketHandler, PacketReader, type PartialBudget } from '../mqtt-broker/packet-reader.ts';
import { PUBLISH, PUBREL, PUBREL_FIRST_BYTE } from '../mqtt-broker/packet-types.ts';
import { decodePublish, type InboundPublish } from './publish-packet.ts';

/** Whose messages an intake takes. None of these may throw. */
export interface IntakeOwner {
  readonly protocolVersion: 4 | 5;
  readonly maxInFlight: number;
  readonly maxPacketBytes: number;
  readonly partial: PartialBudget;
  /** There is no room for more at the moment. */
  isFull(): boolean;
  /** The broker took us, as CONNACK says; before any message. */
  onConnack(intake: Intake, sessionPresent: boolean): void;
  onPublish(intake: Intake, publish: InboundPublish): void;
  onPubrel(intake: Intake, packetId: number): void;
  /** The connection cannot go on. */
  onBroken(intake: Intake, reason: string): void;
  /** What was taken over it could not be committed: it cannot go on either. */
  onRefused(intake: Intake, reason: string): void;
  /** Some of what was held is done with. */
  onFlushed(): void;
}

const CONNACK = 2;
const MAX_CONTROL_PACKET_BYTES = 64 * 1024;
const NOTHING = (): void => undefined;

/**
 * One connection to another broker, between the wire and mqtt.js. PUBLISH and PUBREL are taken out on their way to
 * mqtt.js, which would answer them before anything is on disk, one after another; their answers go into the stream that
 * mqtt.js writes to, as whole packets. Everything else passes.
 *
 * With as much in flight as there may be, nothing more is read from the wire: that is the back-pressure.
 */
export class Intake implements Sender, PacketHandler {
  /** For mqtt.js. */
  readonly stream: Duplex;
  /** Tells this connection from others of the same source; never 0. */
  readonly number: number;
  readonly #wire: Duplex;
  readonly #owner: IntakeOwner;
  readonly #reader: PacketReader;
  #held = 0;
  #settled = 0;
  #answers: Answer[] = [];
  #closed: boolean = false;
  #takesNoMore: boolean = false;
  #pumping: boolean = false;
  #awaitsDrain: boolean = false;

  constructor(wire: Duplex, number: number, owner: IntakeOwner) {
    this.#wire = wire;
    this.#owner = owner;
    this.number = number;
    this.#reader = new PacketReader(this, owner.partial);
    const stream = new Duplex({
      read: NOTHING,
      write: (chunk, encoding, done) => {
        wire.write(chunk, encoding, done);
      },
      writev: (chunks, done) => {
        wire.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
      },
      final: (done) => {
        // What is still unread is sent again; left there, it would keep the wire open.
        this.close();
        wire.removeAllListeners('readable');
        wire.end(done);
        wire.resume();
      },
      destroy: (error, done) => {
        this.close();
        wire.destroy();
        done(error);
      },
    });
    this.stream = stream;
    // The wire's error is told by who opened it; what is told of it here is that it is gone.
    stream.on('error', NOTHING);
    wire.on('error', NOTHING);
    wire.on('readable', () => this.pump());
    wire.once('end', () => stream.push(null));
    wire.once('close', () => stream.destroy());
  }

  /** Taken, and not yet answered. */
  get held(): number {
    return this.#held;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Nothing more is read, and nothing answered. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.end();
  }

  /** Nothing more is taken (the broker sends it again another time); what was taken is still answered. */
  takeNoMore(): void {
    this.#takesNoMore = true;
  }

  // ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads on, as far as it may. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#mayRead()) {
        if (this.#reader.waits) {
          this.#reader.resume();
          continue;
        }
        const chunk: Buffer | null = this.#wire.read();
        if (chunk === null) break;
        this.#reader.push(chunk);
      }
    } finally {
      this.#pumping = false;
    }
  }

  #mayRead(): boolean {
    if (this.#closed || this.#held >= this.#owner.maxInFlight || this.#owner.isFull()) return false;
    if (!this.stream.writableNeedDrain) return true;
    // A broker that reads no acknowledgements is given no more of them.
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true;
      this.stream.once('drain', () => {
        this.#awaitsDrain = false;
        this.pump();
      });
    }
    return false;
  }

  limitOf(first: number): number {
    return first >> 4 === PUBLISH ? this.#owner.maxPacketBytes : MAX_CONTROL_PACKET_BYTES;
  }

  onPacket(first: number, buffer: Buffer, head: number, start: number, end: number): boolean {
    const type = first >> 4;
    if (this.#takesNoMore && (type === PUBLISH || type === PUBREL)) return true;
    if (type === PUBLISH) {
      const publish = decodePublish(first, buffer, start, end, this.#owner.protocolVersion);
      if (typeof publish === 'string') this.onBad(publish);
      else this.#owner.onPublish(this, publish);
    } else if (type === PUBREL) this.#onPubrel(first, buffer, start, end);
    else {
      if (type === CONNACK && end - start >= 2 && buffer[start + 1] === 0)
        this.#owner.onConnack(this, ((buffer[start] ?? 0) & 1) === 1);
      this.stream.push(buffer.subarray(head, end));
    }
    return this.#mayRead();
  }

  #onPubrel(first: number, buffer: Buffer, start: number, end: number): void {
    // MQTT 5 may add a reason code and properties.
    if (first !== PUBREL_FIRST_BYTE || end - start < 2) this.onBad('malformed PUBREL');
    else this.#owner.onPubrel(this, buffer.readUInt16BE(start));
  }

  onBad(reason: string): void {
    this.close();
    const remedy = reason === 'packet too large' ? ' (let the broker limit what it takes)' : '';
    this.#owner.onBroken(this, `it sent what cannot be read: ${reason}${remedy}`);
  }

  // ── Answering ───────────────────────────────────────────────────────────────────────────────────────────

  /** One more is taken: it is to be settled or refused. */
  hold(): void {
    this.#held += 1;
  }

  settle(reply: Answer): boolean {
    this.#settled += 1;
    if (reply !== 0) this.#answers.push(reply);
    return this.#settled === 1;
  }

  flush(): void {
    const answers = this.#answers;
    this.#held -= this.#settled;
    this.#settled = 0;
    this.#answers = [];
    if (answers.length > 0 && !this.#closed && !this.stream.destroyed)
      this.stream.write(encodeAnswers(answers));
    this.#owner.onFlushed();
  }

  refuse(reason: string): void {
    this.#held -= 1;
    if (this.#closed) {
      // The connection that came after it may have waited for the room that this took.
      this.#owner.onFlushed();
      return;
    }
    this.close();
    this.#owner.onRefused(this, reason);
  }
}
