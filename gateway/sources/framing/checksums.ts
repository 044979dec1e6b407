/**
 * Checksums of any stretch of a stream, each in constant time: from a running state at its beginning and one at its end.
 * So a framer that tries every place where a frame may begin still works in linear time.
 */

/**
 * Names as in Williams, "A painless guide to CRC error detection algorithms": `crc16-ccitt` is polynomial 1021 from FFFF,
 * `crc16-xmodem` the same from 0, `crc16-modbus` 8005 reflected from FFFF, `crc32` that of Ethernet and zip.
 * `sum8`, `sum16`: the sum of the bytes; `xor`: all of them exclusively or-ed.
 */
export type ChecksumKind =
  | 'sum8'
  | 'sum16'
  | 'xor'
  | 'crc16-ccitt'
  | 'crc16-xmodem'
  | 'crc16-modbus'
  | 'crc32';

export interface Checksum {
  /** How long it is in a frame. */
  readonly bytes: 1 | 2 | 4;
  /** The running state after one more byte. A stream begins with any state, such as 0. */
  step(state: number, byte: number): number;
  /** The checksum of the `length` bytes between two states of one stream. `length` is at most 131,071. */
  between(start: number, end: number, length: number): number;
}

export function createChecksum(kind: ChecksumKind): Checksum {
  const known = made.get(kind);
  if (known !== undefined) return known;
  const checksum = make(kind);
  made.set(kind, checksum);
  return checksum;
}

/** Of a stretch of bytes as a whole. */
export function checksumOf(checksum: Checksum, bytes: Uint8Array, from: number, to: number): number {
  let state = 0;
  for (let at = from; at < to; at += 1) state = checksum.step(state, bytes[at] ?? 0);
  return checksum.between(0, state, to - from);
}

/** At most seven: their tables are made once. */
const made = new Map<ChecksumKind, Checksum>();

function make(kind: ChecksumKind): Checksum {
  switch (kind) {
    case 'sum8':
      return sum(1, 0xff);
    case 'sum16':
      return sum(2, 0xffff);
    case 'xor':
      return { bytes: 1, step: (state, byte) => state ^ byte, between: (start, end) => start ^ end };
    case 'crc16-ccitt':
      return forwardCrc16(0x1021, 0xffff);
    case 'crc16-xmodem':
      return forwardCrc16(0x1021, 0);
    case 'crc16-modbus':
      return reflectedCrc(2, 0xa001, 0xffff, 0);
    case 'crc32':
      return reflectedCrc(4, 0xedb88320, 0xffffffff, 0xffffffff);
    default:
      return kind satisfies never;
  }
}

function sum(bytes: 1 | 2, mask: number): Checksum {
  return {
    bytes,
    step: (state, byte) => (state + byte) & mask,
    between: (start, end) => (end - start) & mask,
  };
}

/** Most significant bit first. */
function forwardCrc16(polynomial: number, initial: number): Checksum {
  const timesX = (value: number): number =>
    (value & 0x8000 ? (value << 1) ^ polynomial : value << 1) & 0xffff;
  const table = Uint32Array.from({ length: 256 }, (_, byte) => repeat(8, byte << 8, timesX));
  const shift = createShift(1, timesX, (bit) => bit << 1);
  return {
    bytes: 2,
    step: (state, byte) => ((state << 8) & 0xffff) ^ (table[(state >>> 8) ^ byte] ?? 0),
    between: (start, end, length) => end ^ shift(start ^ initial, length),
  };
}

/** Least significant bit first. */
function reflectedCrc(bytes: 2 | 4, polynomial: number, initial: number, final: number): Checksum {
  const timesX = (value: number): number => (value & 1 ? (value >>> 1) ^ polynomial : value >>> 1) >>> 0;
  const table = Uint32Array.from({ length: 256 }, (_, byte) => repeat(8, byte, timesX));
  const shift = createShift(2 ** (bytes * 8 - 1), timesX, (bit) => bit >>> 1);
  return {
    bytes,
    step: (state, byte) => ((state >>> 8) ^ (table[(state ^ byte) & 0xff] ?? 0)) >>> 0,
    between: (start, end, length) => (end ^ shift((start ^ initial) >>> 0, length) ^ final) >>> 0,
  };
}

function repeat(times: number, value: number, change: (value: number) => number): number {
  let result = value;
  for (let i = 0; i < times; i += 1) result = change(result);
  return result;
}

/**
 * What a state becomes by `length` zero bytes: a CRC is the remainder of a polynomial over GF(2), so that is a product
 * with x^(8·length), taken from two tables of powers. `one` is x^0, `nextBit` leads from x^n to x^(n+1) without the remainder.
 */
function createShift(
  one: number,
  timesX: (value: number) => number,
  nextBit: (bit: number) => number,
): (state: number, length: number) => number {
  const product = (left: number, right: number): number => {
    let rest = left;
    let power = right;
    let result = 0;
    for (let bit = one; rest !== 0; bit = nextBit(bit)) {
      if (rest & bit) {
        result ^= power;
        rest = (rest ^ bit) >>> 0;
      }
      power = timesX(power);
    }
    return result >>> 0;
  };
  const powers = (count: number, next: (value: number) => number): Uint32Array => {
    const values = new Uint32Array(count);
    let value = one;
    for (let i = 0; i < count; i += 1) {
      values[i] = value;
      value = next(value);
    }
    return values;
  };
  const timesByte = (value: number): number => repeat(8, value, timesX);
  const low = powers(256, timesByte);
  const page = timesByte(low[255] ?? 0);
  const high = powers(512, (value) => product(value, page));
  return (state, length) => {
    const moved = product(state, low[length & 0xff] ?? 0);
    return length < 256 ? moved : product(moved, high[length >>> 8] ?? 0);
  };
}
