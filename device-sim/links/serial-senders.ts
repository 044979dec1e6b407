import type { LinkListener, Outgoing } from '../contracts.ts';
import type { Random } from '../random.ts';
import { type SerialAnswer, seqIn } from './serial-answers.ts';
import { isStructured, LINE_FEED, noiseLine, withBytesDropped } from './serial-lines.ts';

/** Where lines go. */
export interface LineOutput {
  write(bytes: Buffer): void;
}

/** What firmware does with its messages. Time in ms of the ticker. */
export interface SerialSender {
  /** Messages that are neither acknowledged nor given up. */
  readonly size: number;
  readonly resent: number;
  readonly hasRoom: boolean;
  take(message: Outgoing, nowMs: number): void;
  /** Writes what is due now. True: it was cut off in mid-line, the plug is to be pulled. */
  turn(output: LineOutput, nowMs: number): boolean;
  /** When a turn is due; Infinity: when something happens. */
  nextMs(): number;
  answered(answer: SerialAnswer, isNotTaken: boolean, nowMs: number): void;
  /** The system has taken all bytes. */
  left(): void;
  opened(nowMs: number): void;
  /** The port is gone, with all that was in it. */
  lost(): void;
}

const NEVER = Number.POSITIVE_INFINITY;
/** What is not answered so soon is sent again, then after twice as long, and so on. */
const ANSWER_MS = 1000;
const MAX_ANSWER_MS = 8000;
/** And is given up when it was sent so often for so long. */
const MIN_COPIES = 8;
const GIVE_UP_MS = 60_000;
/** A line without its end waits for the next one so long. */
const GLUE_MS = 1000;
/** From so many copies on an answer by number is taken for its own: what was broken is out of the way. */
const SURE_COPIES = 4;

interface Current {
  readonly message: Outgoing;
  /** Its `seq`; null: the gateway counts it. */
  readonly key: string | null;
  copies: number;
  firstMs: number;
  nextMs: number;
  /** Copies that were spoilt on purpose and whose rejection, which goes by number, has not come. */
  spoilt: number;
}

/** Stop and wait, as `ack: true` wants it. */
export class SerialWithAck implements SerialSender {
  readonly #listener: LinkListener;
  readonly #random: Random;
  #current: Current | null = null;
  #resent = 0;
  /** Until then answers may be those of copies of an earlier line that this one cannot be told from. */
  #staleUntilMs = 0;
  #staleKey: string | null = null;

  constructor(listener: LinkListener, random: Random) {
    this.#listener = listener;
    this.#random = random;
  }

  get size(): number {
    return this.#current === null ? 0 : 1;
  }

  get resent(): number {
    return this.#resent;
  }

  get hasRoom(): boolean {
    return this.#current === null;
  }

  take(message: Outgoing, nowMs: number): void {
    if (this.#current !== null) {
      this.#listener.onRefused(message.token, 'another line waits for its acknowledgement');
      return;
    }
    const key = seqIn(message.payload);
    const isAmbiguous = key === null || key === this.#staleKey;
    const nextMs = isAmbiguous ? Math.max(nowMs, this.#staleUntilMs) : nowMs;
    this.#current = { message, key, copies: 0, firstMs: nowMs, nextMs, spoilt: 0 };
  }

  turn(output: LineOutput, nowMs: number): boolean {
    const current = this.#current;
    if (current === null || nowMs < current.nextMs) return false;
    if (current.copies >= MIN_COPIES && nowMs - current.firstMs >= GIVE_UP_MS) {
      this.#finish(current, nowMs);
      this.#listener.onRefused(current.message.token, `no answer to ${current.copies} copies of the line`);
      return false;
    }
    current.copies += 1;
    current.nextMs = nowMs + Math.min(ANSWER_MS * 2 ** (current.copies - 1), MAX_ANSWER_MS);
    if (current.copies === 1) return this.#writeFirst(current, output);
    this.#resent += 1;
    // The second copy of a line that lacks its end: both are glued.
    const isGlued = current.copies === 2 && this.#isGlued(current);
    output.write(wholeLine(current.message.payload, !isGlued));
    return false;
  }

  #isGlued({ message }: Current): boolean {
    return message.fault === 'glued' && isStructured(message.payload);
  }

  #writeFirst(current: Current, output: LineOutput): boolean {
    const { payload, fault } = current.message;
    if (fault === 'unplug') {
      output.write(Buffer.concat([LINE_FEED, payload.subarray(0, payload.length >> 1)]));
      return true;
    }
    if (fault === 'dropped-bytes') {
      const rest = withBytesDropped(payload, this.#random);
      current.spoilt = rest.length === 0 ? 0 : 1;
      output.write(wholeLine(rest, true));
    } else if (this.#isGlued(current)) {
      current.spoilt = 1;
      output.write(Buffer.concat([LINE_FEED, payload]));
    } else {
      // The gateway's answer to noise has a number: a line without `seq` would take it for its own.
      if (fault === 'noise' && current.key !== null) output.write(noiseLine(this.#random));
      output.write(wholeLine(payload, true));
    }
    return false;
  }

  nextMs(): number {
    return this.#current?.nextMs ?? NEVER;
  }

  answered({ n, code }: SerialAnswer, isNotTaken: boolean, nowMs: number): void {
    const current = this.#current;
    if (current === null || current.copies === 0) return;
    const isNumbered = n.startsWith('#');
    if (isNumbered && code !== null && current.spoilt > 0) {
      current.spoilt -= 1;
      current.nextMs = nowMs;
      return;
    }
    const isItsOwn = current.key === null || n === current.key;
    if (!isItsOwn && !(isNumbered && current.copies >= SURE_COPIES)) return;
    if (isNotTaken) return;
    this.#finish(current, nowMs);
    this.#listener.onAcknowledged(current.message.token);
  }

  #finish(current: Current, nowMs: number): void {
    this.#current = null;
    if (current.copies === 1) return;
    this.#staleUntilMs = nowMs + ANSWER_MS;
    this.#staleKey = current.key;
  }

  left(): void {}

  opened(nowMs: number): void {
    if (this.#current !== null) this.#current.nextMs = nowMs;
  }

  lost(): void {}
}

/** Says each line once. */
export class SerialWithoutAck implements SerialSender {
  readonly #listener: LinkListener;
  readonly #random: Random;
  #queue: Outgoing[] = [];
  /** Written, and not taken by the system. */
  #leaving: number[] = [];
  /** Written without its end. */
  #glued: Outgoing | null = null;
  #gluedUntilMs = NEVER;
  readonly resent = 0;
  readonly hasRoom = true;

  constructor(listener: LinkListener, random: Random) {
    this.#listener = listener;
    this.#random = random;
  }

  get size(): number {
    return this.#queue.length + this.#leaving.length + (this.#glued === null ? 0 : 1);
  }

  take(message: Outgoing): void {
    this.#queue.push(message);
  }

  turn(output: LineOutput, nowMs: number): boolean {
    if (nowMs >= this.#gluedUntilMs) this.#endGlued(output);
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (next.fault === 'unplug') {
        this.#endGlued(output);
        output.write(Buffer.concat([LINE_FEED, next.payload.subarray(0, next.payload.length >> 1)]));
        // Half a line can never be a reading: sending it whole afterwards does not double it.
        this.#queue[0] = { ...next, fault: null };
        return true;
      }
      this.#queue.shift();
      this.#write(next, output, nowMs);
    }
    return false;
  }

  #write(message: Outgoing, output: LineOutput, nowMs: number): void {
    const { token, payload, fault } = message;
    const before = this.#glued;
    if (before !== null && isStructured(payload)) {
      this.#glued = null;
      this.#gluedUntilMs = NEVER;
      output.write(wholeLine(payload, false));
      for (const each of [before.token, token])
        this.#listener.onRefused(each, 'glued on the wire, on purpose');
      return;
    }
    this.#endGlued(output);
    if (fault === 'dropped-bytes') {
      output.write(wholeLine(withBytesDropped(payload, this.#random), true));
      this.#listener.onRefused(token, 'bytes of it were dropped, on purpose');
      return;
    }
    if (fault === 'glued' && isStructured(payload)) {
      this.#glued = message;
      this.#gluedUntilMs = nowMs + GLUE_MS;
      output.write(Buffer.concat([LINE_FEED, payload]));
      return;
    }
    if (fault === 'noise') output.write(noiseLine(this.#random));
    output.write(wholeLine(payload, true));
    this.#leaving.push(token);
  }

  /** No other line came in time: it was only late. */
  #endGlued(output: LineOutput): void {
    if (this.#glued === null) return;
    output.write(LINE_FEED);
    this.#leaving.push(this.#glued.token);
    this.#glued = null;
    this.#gluedUntilMs = NEVER;
  }

  nextMs(): number {
    return this.#gluedUntilMs;
  }

  answered(): void {}

  left(): void {
    const tokens = this.#leaving;
    this.#leaving = [];
    for (const token of tokens) this.#listener.onAcknowledged(token);
  }

  opened(): void {}

  lost(): void {
    const tokens = this.#leaving;
    if (this.#glued !== null) tokens.push(this.#glued.token);
    this.#leaving = [];
    this.#glued = null;
    this.#gluedUntilMs = NEVER;
    for (const token of tokens) this.#listener.onRefused(token, 'it was lost with the port');
  }
}

function wholeLine(payload: Buffer, isSeparate: boolean): Buffer {
  return Buffer.concat(isSeparate ? [LINE_FEED, payload, LINE_FEED] : [payload, LINE_FEED]);
}
