/**
 * Reads MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) as InfluxDB answers with it: the one of its
 * answers that tells an integer from a float, a text from nothing, and keeps all digits of 64 bits.
 */

/** Integers are bigints, floats are numbers. Keys of maps are made texts. */
export type Packed =
  | null
  | boolean
  | bigint
  | number
  | string
  | Buffer
  | readonly Packed[]
  | ReadonlyMap<string, Packed>;

/** The bytes end before the value does. */
export class IncompleteError extends Error {}

const MAX_DEPTH = 32;

/**
 * The value that begins at `at`, and where it ends.
 * @throws IncompleteError where more bytes are needed; Error where it is no MessagePack, or nested beyond 32.
 */
export function unpack(bytes: Buffer, at: number): { readonly value: Packed; readonly end: number } {
  const reader = new Reader(bytes, at);
  const value = reader.value(0);
  return { value, end: reader.at };
}

class Reader {
  at: number;
  private readonly bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  value(depth: number): Packed {
    if (depth > MAX_DEPTH) throw new Error('an answer nested too deeply');
    const head = this.bytes.readUInt8(this.take(1));
    if (head < 0x80) return BigInt(head);
    if (head < 0x90) return this.map(head & 0x0f, depth);
    if (head < 0xa0) return this.list(head & 0x0f, depth);
    if (head < 0xc0) return this.text(head & 0x1f);
    if (head >= 0xe0) return BigInt(head - 0x100);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.bytes.readFloatBE(this.take(4));
      case 0xcb:
        return this.bytes.readDoubleBE(this.take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return BigInt(this.size(head - 0xcc));
      case 0xcf:
        return this.bytes.readBigUInt64BE(this.take(8));
      case 0xd0:
        return BigInt(this.bytes.readInt8(this.take(1)));
      case 0xd1:
        return BigInt(this.bytes.readInt16BE(this.take(2)));
      case 0xd2:
        return BigInt(this.bytes.readInt32BE(this.take(4)));
      case 0xd3:
        return this.bytes.readBigInt64BE(this.take(8));
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.blob(this.size(head - 0xc4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.size(head - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.list(this.size(head - 0xdb), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.size(head - 0xdd), depth);
      default:
        throw new Error('an answer that is no MessagePack');
    }
  }

  /** An unsigned number of 1, 2 or 4 bytes: 0, 1, 2. */
  private size(power: number): number {
    if (power === 0) return this.bytes.readUInt8(this.take(1));
    return power === 1 ? this.bytes.readUInt16BE(this.take(2)) : this.bytes.readUInt32BE(this.take(4));
  }

  private text(length: number): string {
    const at = this.take(length);
    return this.bytes.toString('utf8', at, at + length);
  }

  private blob(length: number): Buffer {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  private list(length: number, depth: number): readonly Packed[] {
    const list: Packed[] = [];
    for (let i = 0; i < length; i += 1) list.push(this.value(depth + 1));
    return list;
  }

  private map(length: number, depth: number): ReadonlyMap<string, Packed> {
    const map = new Map<string, Packed>();
    for (let i = 0; i < length; i += 1) map.set(String(this.value(depth + 1)), this.value(depth + 1));
    return map;
  }

  private take(length: number): number {
    const { at } = this;
    if (at + length > this.bytes.length) throw new IncompleteError('the answer ends in the middle');
    this.at = at + length;
    return at;
  }
}
