import { bytesOf } from './byte-text.ts';
import { createChecksum } from './checksums.ts';
import type { FixedFraming } from './framing-options.ts';
import type { FrameShape } from './scanning-framer.ts';

/** Plantower dust sensors (PMS5003 data manual, appendix I). The frame's own length, 28, is taken for a part of the magic. */
export const PMS5003: FixedFraming = {
  kind: 'fixed',
  magic: '42 4D 00 1C',
  length: 32,
  checksum: 'sum16',
  endian: 'big',
};

/** Nova Fitness dust sensors (SDS011 data sheet, "Universal TTL/UART protocol"): the sum is over the six data bytes. */
export const SDS011: FixedFraming = {
  kind: 'fixed',
  magic: 'AA C0',
  length: 10,
  tail: 'AB',
  checksum: 'sum8',
  checksumFrom: 2,
};

export function fixedFraming(options: FixedFraming): FrameShape {
  const header = bytesOf(options.magic) ?? Buffer.alloc(0);
  const place = fixedPlace(options);
  return {
    header,
    headBytes: options.length,
    maxBytes: options.length,
    sizeAt: () => options.length,
    checksum: place.checksum,
    checksumPlace: () => place,
    isBigEndian: (options.endian ?? 'big') === 'big',
    tail: place.tail,
    givenFrom: 0,
    notGiven: 0,
  };
}

/** Where the checksum of a frame is, and what it is over. */
export function fixedPlace(options: FixedFraming) {
  const { checksum: kind = 'none' } = options;
  const tail = options.tail === undefined ? Buffer.alloc(0) : (bytesOf(options.tail) ?? Buffer.alloc(0));
  const checksum = kind === 'none' ? null : createChecksum(kind);
  const bytes = checksum?.bytes ?? 0;
  const at = options.checksumAt ?? options.length - tail.length - bytes;
  return { checksum, tail, bytes, at, from: options.checksumFrom ?? 0, to: options.checksumTo ?? at };
}
