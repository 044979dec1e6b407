import type { Packed } from '../../../device-sim/audit/messagepack.ts';

/** MessagePack, each value in its shortest form. */
export function pack(value: Packed): Buffer {
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === 'bigint') return packInteger(value);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 0xcb);
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([head(text.length, 0xa0, 31, [0xd9, 0xda, 0xdb]), text]);
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(value.length, 0, -1, [0xc4, 0xc5, 0xc6]), value]);
  if (value instanceof Map) {
    const parts = [...value].flatMap(([key, each]) => [pack(key), pack(each)]);
    return Buffer.concat([head(value.size, 0x80, 15, [null, 0xde, 0xdf]), ...parts]);
  }
  if (!Array.isArray(value)) throw new Error('not to be packed');
  return Buffer.concat([head(value.length, 0x90, 15, [null, 0xdc, 0xdd]), ...value.map(pack)]);
}

function head(size: number, short: number, mostShort: number, marks: readonly (number | null)[]): Buffer {
  if (size <= mostShort) return Buffer.from([short + size]);
  const [one, two = 0, four = 0] = marks;
  if (typeof one === 'number' && size < 0x100) return Buffer.from([one, size]);
  if (size < 0x1_0000) return Buffer.from([two ?? 0, size >> 8, size & 0xff]);
  const bytes = Buffer.alloc(5, four ?? 0);
  bytes.writeUInt32BE(size, 1);
  return bytes;
}

function packInteger(value: bigint): Buffer {
  if (value >= 0n && value < 128n) return Buffer.from([Number(value)]);
  if (value < 0n && value >= -32n) return Buffer.from([Number(value + 256n)]);
  const bytes = Buffer.alloc(9);
  for (const [mark, bits] of [
    [0xcc, 8],
    [0xcd, 16],
    [0xce, 32],
    [0xcf, 64],
  ] as const) {
    const signed = value < 0n;
    const fits = signed ? BigInt.asIntN(bits, value) === value : BigInt.asUintN(bits, value) === value;
    if (!fits) continue;
    bytes[0] = signed ? mark + 4 : mark;
    bytes.writeBigUInt64BE(BigInt.asUintN(bits, value) << BigInt(64 - bits), 1);
    return bytes.subarray(0, 1 + bits / 8);
  }
  throw new Error('beyond 64 bits');
}
