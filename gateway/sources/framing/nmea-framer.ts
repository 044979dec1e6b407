import { DiscardLog } from './discard-log.ts';
import type { DiscardReason, Framer, FramerOutput } from './framer.ts';
import { DEFAULT_MAX_FRAME_BYTES, type NmeaFraming } from './framing-options.ts';

const LF = 0x0a;
const CR = 0x0d;
const BANG = 0x21;
const DOLLAR = 0x24;
const STAR = 0x2a;
const COMMA = 0x2c;
const NONE = -1;

/** Sentences of NMEA 0183: `$` or `!`, printable ASCII, `*` and two digits. Complete with those, whatever follows. */
export class NmeaFramer implements Framer {
  private readonly output: FramerOutput;
  private readonly log: DiscardLog;
  private readonly withoutChecksum: boolean;
  private readonly types: ReadonlySet<string> | null;
  private readonly sentence: Buffer;
  /** 0: outside of a sentence. */
  private length = 0;
  /** Where the star is in the sentence. */
  private star = NONE;
  private xor = 0;

  constructor(options: NmeaFraming, output: FramerOutput) {
    this.output = output;
    this.log = new DiscardLog(output);
    this.withoutChecksum = options.withoutChecksum ?? false;
    this.types = options.sentences === undefined ? null : new Set(options.sentences);
    this.sentence = Buffer.alloc(options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES);
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const byte = chunk[at] ?? 0;
      if (byte === DOLLAR || byte === BANG) {
        this.refuse('cut-short');
        this.begin(byte);
        at += 1;
      } else if (this.length > 0) {
        this.take(byte);
        at += 1;
      } else if (byte === CR || byte === LF) {
        at += 1;
      } else {
        const from = at;
        while (at < chunk.length && !isEdge(chunk[at])) at += 1;
        this.log.add('noise', chunk, from, at);
      }
    }
  }

  idle(): void {
    this.log.flush();
  }

  end(): void {
    this.refuse('cut-short');
    this.log.flush();
  }

  private begin(byte: number): void {
    this.sentence[0] = byte;
    this.length = 1;
    this.star = NONE;
    this.xor = 0;
  }

  private take(byte: number): void {
    if (byte === CR || byte === LF) {
      if (this.star !== NONE) this.refuse('bad-checksum');
      else if (!this.withoutChecksum) this.refuse('no-checksum');
      else this.give();
      return;
    }
    if (this.length === this.sentence.length) {
      this.refuse('too-long', byte);
      return;
    }
    if (byte < 0x20 || byte > 0x7e) {
      this.refuse('bad-encoding', byte);
      return;
    }
    this.sentence[this.length] = byte;
    this.length += 1;
    if (this.star === NONE) {
      if (byte === STAR) this.star = this.length - 1;
      else this.xor ^= byte;
    } else if (this.length === this.star + 3) {
      if (this.sentChecksum() === this.xor) this.give();
      else this.refuse('bad-checksum');
    }
  }

  /** NaN where the two digits are none. */
  private sentChecksum(): number {
    const digits = this.sentence.toString('latin1', this.star + 1, this.length);
    return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
  }

  private give(): void {
    const sentence = this.sentence.subarray(0, this.length);
    this.length = 0;
    this.log.flush();
    if (this.types === null || this.types.has(typeOf(sentence))) this.output.frame(Buffer.from(sentence));
  }

  /** The sentence so far, and the byte that ended it where it was one of it, are none. */
  private refuse(reason: DiscardReason, byte?: number): void {
    this.log.add(reason, this.sentence, 0, this.length);
    this.length = 0;
    if (byte !== undefined) this.log.add(reason, Buffer.of(byte), 0, 1);
  }
}

/** `RMC` of `$GPRMC,…`. */
function typeOf(sentence: Buffer): string {
  const comma = sentence.indexOf(COMMA);
  const end = comma === -1 ? sentence.length : comma;
  return sentence.toString('latin1', Math.max(1, end - 3), end);
}

function isEdge(byte: number | undefined): boolean {
  return byte === DOLLAR || byte === BANG || byte === CR || byte === LF;
}
