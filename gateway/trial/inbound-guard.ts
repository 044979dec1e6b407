import { Duplex } from 'node:stream';
import { noBrokerWords } from '../broker-link/reason-words.ts';

export interface InboundGuardOptions {
  /** Larger messages are passed over. */
  readonly maxPacketBytes: number;
  /** What came first is no answer to CONNECT: why no MQTT broker is there, in words. The wire is to be cut. */
  readonly onNoBroker: (words: string) => void;
  /** A message was too large. */
  readonly onTooLarge: () => void;
}

const PUBLISH = 3;
/** One byte for the type, up to four for the length (MQTT 3.1.1, 2.2.3). */
const MAX_LENGTH_BYTES = 4;
const NOTHING = (): void => undefined;

/**
 * Stands between the wire and mqtt.js: lets nothing in from what is no MQTT broker, and of messages that are too large not
 * a byte, because mqtt.js would gather them in memory, of whatever size. It ends with the wire.
 */
export function guardInbound(wire: Duplex, options: InboundGuardOptions): Duplex {
  const sieve = new PacketSieve(options);
  const stream = new Duplex({
    read: () => wire.resume(),
    write: (chunk, encoding, done) => {
      wire.write(chunk, encoding, done);
    },
    final: (done) => {
      wire.end(done);
      wire.resume();
    },
    destroy: (error, done) => {
      wire.destroy();
      done(error);
    },
  });
  // The wire's error is told by who opened it; what is told of it here is that it is gone.
  stream.on('error', NOTHING);
  wire.on('error', NOTHING);
  wire.on('data', (chunk: Buffer) => {
    let mayGoOn: boolean = true;
    for (const part of sieve.take(chunk)) mayGoOn = stream.push(part);
    if (!mayGoOn) wire.pause();
  });
  wire.once('end', () => stream.push(null));
  wire.once('close', () => stream.destroy());
  return stream;
}

/** Follows where packets begin and end, and keeps at most five bytes. */
class PacketSieve {
  readonly #options: InboundGuardOptions;
  /** The beginning of a packet whose length is not known yet. */
  #head: number[] = [];
  /** What is still to come of the present packet. */
  #left = 0;
  #passesOver: boolean = false;
  #isFirst: boolean = true;
  #isClosed: boolean = false;

  constructor(options: InboundGuardOptions) {
    this.#options = options;
  }

  /** What of a chunk may go on, in order. */
  take(chunk: Buffer): readonly Buffer[] {
    const parts: Buffer[] = [];
    let at = 0;
    /** From here on nothing has been decided: it goes on as one part. */
    let from = 0;
    const keepUntil = (end: number): void => {
      if (end > from) parts.push(chunk.subarray(from, end));
    };
    while (at < chunk.length && !this.#isClosed) {
      if (this.#left > 0) {
        const end = Math.min(chunk.length, at + this.#left);
        this.#left -= end - at;
        at = end;
        if (this.#passesOver) from = end;
        continue;
      }
      const isCarried = this.#head.length > 0 && at === 0;
      const start = at;
      const length = this.#readHead(chunk, at);
      at = length.at;
      if (this.#isClosed) return [];
      if (length.bytes === null) {
        // It is kept here until the rest of it comes.
        keepUntil(start);
        return parts;
      }
      const head = this.#head;
      this.#head = [];
      this.#left = length.bytes;
      this.#passesOver =
        (head[0] ?? 0) >> 4 === PUBLISH && head.length + length.bytes > this.#options.maxPacketBytes;
      if (this.#passesOver) {
        keepUntil(start);
        from = at;
        this.#options.onTooLarge();
      } else if (isCarried) {
        parts.push(Buffer.from(head));
        from = at;
      }
    }
    keepUntil(at);
    return parts;
  }

  /** Adds to `#head` until the length is known; a broken one has none, and mqtt.js says so. */
  #readHead(chunk: Buffer, start: number): { readonly at: number; readonly bytes: number | null } {
    let at = start;
    while (at < chunk.length) {
      const byte = chunk[at] ?? 0;
      const wrong = this.#isFirst ? noBrokerWords(chunk.subarray(at)) : null;
      if (wrong !== null) {
        this.#isClosed = true;
        this.#options.onNoBroker(wrong);
        break;
      }
      this.#isFirst = false;
      this.#head.push(byte);
      at += 1;
      const isTheType = this.#head.length === 1;
      if (isTheType || (byte >= 0x80 && this.#head.length <= MAX_LENGTH_BYTES)) continue;
      const bytes = this.#head.slice(1).reduce((sum, each, i) => sum + (each & 0x7f) * 128 ** i, 0);
      return { at, bytes };
    }
    return { at, bytes: null };
  }
}
