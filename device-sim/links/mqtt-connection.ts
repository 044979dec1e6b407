import { type AnswerHandler, type AnswerKind, AnswerReader } from './answer-reader.ts';
import { ANSWER_MS, Heartbeat } from './heartbeat.ts';
import { refusalOf } from './link-trouble.ts';
import { DISCONNECT, PINGREQ, shortPacket } from './mqtt-packets.ts';
import { openWire } from './open-wire.ts';
import { Outlet } from './outlet.ts';
import type { Flushable, Ticker } from './ticker.ts';
import type { Wire, WireHandler } from './wire.ts';

export const LOST_WITH_IT = 'it was lost with the connection';

/** Whose connection it is. None of them may throw. */
export interface ConnectionOwner {
  /** CONNACK 0. */
  up(sessionPresent: boolean): void;
  /** PUBACK, PUBREC or PUBCOMP. False: it has cut the connection. */
  acknowledged(kind: 'puback' | 'pubrec' | 'pubcomp', packetId: number): boolean;
  /** A message has come to it. */
  published(): void;
  /** A QoS 0 message was taken by the system, or is lost with the connection. Once for each, in their order. */
  left(token: number, hasLeft: boolean): void;
  /** What came was read, or what waited has left: there may be room now. */
  afterwards(): void;
  /** Refused, broken, closed or dead. Once; of this connection nothing comes after it but `left`. */
  gone(words: string): void;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly tls: { readonly caFile: string | null; readonly insecure: boolean };
  readonly connect: Buffer;
  readonly keepaliveSeconds: number;
  readonly ticker: Ticker;
}

/** One connection from CONNECT to its end: bytes, packets and keepalive; it knows nothing of messages. */
export class MqttConnection implements WireHandler, AnswerHandler, Flushable {
  readonly #owner: ConnectionOwner;
  readonly #ticker: Ticker;
  /** Null once it was sent. */
  #connect: Buffer | null;
  readonly #reader: AnswerReader;
  readonly #heart: Heartbeat;
  readonly #outlet = new Outlet();
  readonly #wire: Wire;
  #isOver: boolean = false;
  #isDeaf: boolean = false;

  /** @throws Error in words: an url that is none, a CA file that cannot be read. */
  constructor({ url, tls, connect, keepaliveSeconds, ticker }: ConnectionOptions, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#ticker = ticker;
    this.#connect = connect;
    this.#reader = new AnswerReader(this);
    this.#heart = new Heartbeat(keepaliveSeconds);
    this.#heart.heard(ticker.monotonicMs());
    this.#wire = openWire(url, tls, this);
  }

  /** QoS 0 messages that have not left. */
  get leaving(): number {
    return this.#outlet.size;
  }

  get backlogBytes(): number {
    return this.#wire.backlogBytes;
  }

  /** It leaves with everything else of this turn. `token`: of a QoS 0 message. */
  write(packet: Buffer, token: number | null = null): void {
    if (this.#outlet.add(packet, token)) this.#ticker.soon(this);
  }

  flush(): void {
    if (this.#isOver) return;
    const sent = this.#outlet.flush(this.#wire, this.#left, this.#done);
    if (sent) this.#heart.sent(this.#ticker.monotonicMs());
  }

  readonly #left = (token: number, hasLeft: boolean): void => this.#owner.left(token, hasLeft);
  readonly #done = (): void => this.#owner.afterwards();

  // ── How it ends ───────────────────────────────────────────────────────────────────────────────────────────

  /** At once, and without a word; what has not left is lost. */
  destroy(): void {
    this.#isOver = true;
    this.#wire.destroy();
    for (const token of this.#outlet.drop()) this.#owner.left(token, false);
  }

  /** What was written leaves, and these bytes; then it is cut. Where nobody takes them it stays until it is destroyed. */
  cutAfter(bytes: Buffer): void {
    this.flush();
    this.#isOver = true;
    this.#wire.cutAfter(bytes);
  }

  /** What was written leaves; then it stays open, unread and unwritten, until it is destroyed. */
  abandon(): void {
    this.flush();
    this.#isOver = true;
    this.#wire.abandon();
  }

  /** DISCONNECT; `gone` comes when the other side has closed. */
  end(): void {
    this.hear();
    this.write(DISCONNECT);
    this.flush();
    this.#wire.end();
  }

  #lose(words: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // First: whoever hears that a message is lost may hand over the next one, and that must not come here.
    this.#owner.gone(words);
    this.destroy();
  }

  // ── Life signs ────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads no more, and goes on writing. */
  deafen(): void {
    this.flush();
    this.#isDeaf = true;
    this.#wire.pause();
  }

  hear(): void {
    if (!this.#isDeaf) return;
    this.#isDeaf = false;
    this.#wire.resume();
  }

  /** From now on something is unanswered. */
  awaitsAnswer(): void {
    this.#heart.heard(this.#ticker.monotonicMs());
  }

  watch(nowMs: number, isWaiting: boolean): void {
    const pulse = this.#heart.check(nowMs, isWaiting, this.#isDeaf);
    if (pulse === 'ping') this.write(PINGREQ);
    if (pulse === 'dead') this.#lose(`nothing came for ${ANSWER_MS / 1000} s`);
  }

  nextWatchMs(nowMs: number): number {
    return this.#heart.nextMs(nowMs);
  }

  // ── From the wire ─────────────────────────────────────────────────────────────────────────────────────────

  opened(): void {
    if (this.#connect !== null) this.#wire.write(this.#connect, null);
    this.#connect = null;
  }

  bytes(chunk: Buffer): void {
    this.#heart.heard(this.#ticker.monotonicMs());
    if (!this.#reader.push(chunk)) this.#lose('it answered with no MQTT');
    if (!this.#isOver) this.#owner.afterwards();
  }

  drained(): void {
    this.#owner.afterwards();
  }

  gone(words: string): void {
    this.#lose(words);
  }

  // ── From the reader ───────────────────────────────────────────────────────────────────────────────────────

  connack(code: number, sessionPresent: boolean): boolean {
    if (code !== 0) {
      this.#lose(refusalOf(code));
      return false;
    }
    this.#heart.begin(this.#ticker.monotonicMs());
    this.#owner.up(sessionPresent);
    return !this.#isOver;
  }

  answered(kind: AnswerKind, packetId: number): boolean {
    if (kind === 'pubrel') {
      this.write(shortPacket('pubcomp', packetId));
      return true;
    }
    return this.#owner.acknowledged(kind, packetId) && !this.#isOver;
  }

  published(qos: number, packetId: number): boolean {
    if (qos !== 0) this.write(shortPacket(qos === 1 ? 'puback' : 'pubrec', packetId));
    this.#owner.published();
    return !this.#isOver;
  }

  pingresp(): void {
    this.#heart.answered();
  }
}
