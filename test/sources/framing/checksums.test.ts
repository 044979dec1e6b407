import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChecksumKind, checksumOf, createChecksum } from '../../../gateway/sources/framing/checksums.ts';

/** Of "123456789", as catalogues of CRCs give them. */
const CHECK: Readonly<Record<ChecksumKind, number>> = {
  sum8: 0xdd,
  sum16: 0x01dd,
  xor: 0x31,
  'crc16-ccitt': 0x29b1,
  'crc16-xmodem': 0x31c3,
  'crc16-modbus': 0x4b37,
  crc32: 0xcbf43926,
};

/** By the definition: one bit after the other. */
function crcByBits(polynomial: number, width: number, initial: number, bytes: Uint8Array): number {
  let state = initial;
  for (const byte of bytes) {
    state = (state ^ byte) >>> 0;
    for (let bit = 0; bit < 8; bit += 1) state = (state & 1 ? (state >>> 1) ^ polynomial : state >>> 1) >>> 0;
  }
  return width === 32 ? ~state >>> 0 : state;
}

const kinds = Object.entries(CHECK) as [ChecksumKind, number][];

describe('checksums', () => {
  it.each(kinds)('%s of "123456789" is as published', (kind, expected) => {
    expect(checksumOf(createChecksum(kind), Buffer.from('123456789'), 0, 9)).toBe(expected);
  });

  it.each(kinds)('%s of a stretch is the same wherever in a stream it lies', (kind) => {
    const checksum = createChecksum(kind);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.uint8Array({ maxLength: 1200 }), (before, bytes) => {
        let start = 0;
        for (const byte of before) start = checksum.step(start, byte);
        let end = start;
        for (const byte of bytes) end = checksum.step(end, byte);
        expect(checksum.between(start, end, bytes.length)).toBe(checksumOf(checksum, bytes, 0, bytes.length));
      }),
    );
  });

  it('agree with the definition, also for long stretches', () => {
    for (const length of [0, 1, 255, 256, 257, 65_535, 65_536, 65_600]) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
      expect(checksumOf(createChecksum('crc32'), bytes, 0, length)).toBe(
        crcByBits(0xedb88320, 32, 0xffffffff, bytes),
      );
      expect(checksumOf(createChecksum('crc16-modbus'), bytes, 0, length)).toBe(
        crcByBits(0xa001, 16, 0xffff, bytes),
      );
    }
  });
});
