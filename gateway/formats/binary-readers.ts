/** Numbers as they lie in bytes. */
export const BINARY_TYPES = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u24',
  'i24',
  'u32',
  'i32',
  'u64',
  'i64',
  'f32',
  'f64',
  'text',
] as const;

export type BinaryType = (typeof BINARY_TYPES)[number];

export interface Reader {
  readonly bytes: number;
  /** 64 bits: more than a number holds. */
  readonly isWide: boolean;
  /** `at` must leave room for it. */
  read(payload: Buffer, at: number): number | bigint;
}

export function readerOf(type: Exclude<BinaryType, 'text'>, isBig: boolean): Reader {
  switch (type) {
    case 'u8':
    case 'u16':
    case 'u24':
    case 'u32':
      return unsigned(Number(type.slice(1)) / 8, isBig);
    case 'i8':
    case 'i16':
    case 'i24':
    case 'i32':
      return signed(Number(type.slice(1)) / 8, isBig);
    case 'u64':
      return wide((payload, at) => (isBig ? payload.readBigUInt64BE(at) : payload.readBigUInt64LE(at)));
    case 'i64':
      return wide((payload, at) => (isBig ? payload.readBigInt64BE(at) : payload.readBigInt64LE(at)));
    case 'f32':
      return narrow(4, (payload, at) => shortest(isBig ? payload.readFloatBE(at) : payload.readFloatLE(at)));
    case 'f64':
      return narrow(8, (payload, at) => (isBig ? payload.readDoubleBE(at) : payload.readDoubleLE(at)));
    default:
      return type satisfies never;
  }
}

function unsigned(bytes: number, isBig: boolean): Reader {
  return narrow(bytes, (payload, at) =>
    isBig ? payload.readUIntBE(at, bytes) : payload.readUIntLE(at, bytes),
  );
}

function signed(bytes: number, isBig: boolean): Reader {
  return narrow(bytes, (payload, at) =>
    isBig ? payload.readIntBE(at, bytes) : payload.readIntLE(at, bytes),
  );
}

function narrow(bytes: number, read: Reader['read']): Reader {
  return { bytes, isWide: false, read };
}

function wide(read: Reader['read']): Reader {
  return { bytes: 8, isWide: true, read };
}

/** A float of 32 bits holds 6 to 9 digits: the shortest text that is still this float, 21.5 and not 21.4999996. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}
