import { bytesOf } from './byte-text.ts';
import { createChecksum } from './checksums.ts';
import { DEFAULT_MAX_FRAME_BYTES, type LengthFraming } from './framing-options.ts';
import type { FrameShape } from './scanning-framer.ts';

export function lengthFraming(options: LengthFraming): FrameShape {
  const {
    sizeBytes = 1,
    endian = 'little',
    counts = 'payload',
    adjust = 0,
    checksum: kind = 'none',
  } = options;
  const { checksumOver = 'frame', gives = 'payload', maxFrameBytes = DEFAULT_MAX_FRAME_BYTES } = options;
  const header = bytesOf(options.header) ?? Buffer.alloc(0);
  const sizeOffset = options.sizeOffset ?? header.length;
  const headBytes = sizeOffset + sizeBytes;
  const checksum = kind === 'none' ? null : createChecksum(kind);
  const checksumBytes = checksum?.bytes ?? 0;
  const isBigEndian = endian === 'big';
  const notCounted = { payload: headBytes + checksumBytes, rest: headBytes, frame: 0 }[counts];
  const from = { frame: 0, 'behind-header': header.length, payload: headBytes }[checksumOver];
  const maxBytes =
    gives === 'frame'
      ? Math.max(maxFrameBytes, headBytes + checksumBytes)
      : headBytes + maxFrameBytes + checksumBytes;
  return {
    header,
    headBytes,
    maxBytes,
    sizeAt(window, at) {
      const sent = isBigEndian
        ? window.readUIntBE(at + sizeOffset, sizeBytes)
        : window.readUIntLE(at + sizeOffset, sizeBytes);
      const size = sent + adjust + notCounted;
      if (size < headBytes + checksumBytes) return 'bad-encoding';
      return size > maxBytes ? 'too-long' : size;
    },
    checksum,
    checksumPlace: (size) => ({ at: size - checksumBytes, from, to: size - checksumBytes }),
    isBigEndian,
    tail: Buffer.alloc(0),
    givenFrom: gives === 'frame' ? 0 : headBytes,
    notGiven: gives === 'frame' ? 0 : checksumBytes,
  };
}
