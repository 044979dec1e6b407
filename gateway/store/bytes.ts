import { GatewayError } from '../errors.ts';

const FIRST_BYTES = 64 * 1024;
/** A writer that grew beyond this for one large group does not stay that large. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/** Writes numbers (little-endian) and text into one buffer that is used again for the next record. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Where the next byte goes. */
  at = 0;

  /** Begins a new record. The last one's bytes are overwritten. */
  reset(): void {
    this.at = 0;
    if (this.#buffer.length > MAX_KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  /** What was written so far; valid until the next `reset`. */
  written(): Buffer {
    return this.#buffer.subarray(0, this.at);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.at = this.#buffer.writeUInt8(value, this.at);
  }

  u16(value: number): void {
    this.#reserve(2);
    this.at = this.#buffer.writeUInt16LE(value, this.at);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.at = this.#buffer.writeUInt32LE(value, this.at);
  }

  /** Those from `from` up to `to`; there may be very many. */
  u32s(values: readonly number[], from: number, to: number): void {
    this.#reserve(4 * (to - from));
    const buffer = this.#buffer;
    let { at } = this;
    for (let i = from; i < to; i += 1) {
      const value = values[i] ?? 0;
      buffer[at] = value;
      buffer[at + 1] = value >>> 8;
      buffer[at + 2] = value >>> 16;
      buffer[at + 3] = value >>> 24;
      at += 4;
    }
    this.at = at;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.at = this.#buffer.writeDoubleLE(value, this.at);
  }

  bytes(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.at += bytes.copy(this.#buffer, this.at);
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    this.#reserve(length);
    this.at += this.#buffer.write(text, this.at, length, 'utf8');
  }

  /** Text of at most 65,535 bytes, after its length. */
  shortText(text: string): void {
    const length = Buffer.byteLength(text);
    if (length > 0xffff) throw new RangeError('a name of more than 65,535 bytes');
    this.u16(length);
    this.text(text);
  }

  #reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.at);
    this.#buffer = larger;
  }
}

/** Reads what `ByteWriter` wrote; whatever does not fit is a GatewayError `store-damaged` that says where. */
export class ByteReader {
  readonly #buffer: Buffer;
  readonly #what: string;
  at = 0;

  constructor(buffer: Buffer, what: string) {
    this.#buffer = buffer;
    this.#what = what;
  }

  get left(): number {
    return this.#buffer.length - this.at;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#step(1));
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#step(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#step(4));
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#step(8));
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const from = this.#step(length);
    return this.#buffer.subarray(from, from + length);
  }

  text(length: number): string {
    const from = this.#step(length);
    return this.#buffer.toString('utf8', from, from + length);
  }

  shortText(): string {
    return this.text(this.u16());
  }

  #step(bytes: number): number {
    const from = this.at;
    if (bytes > this.#buffer.length - from) throw damaged(this.#what, `it ends within byte ${from}`);
    this.at = from + bytes;
    return from;
  }
}

export function damaged(what: string, why: string): GatewayError {
  return new GatewayError(
    'store-damaged',
    `${what} of the store is damaged: ${why}. Keep a copy of the data folder, then use another one.`,
  );
}
