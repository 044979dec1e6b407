import { checksumOf, createChecksum } from './checksums.ts';
import type { Delimiting } from './delimited-framer.ts';
import { type CobsFraming, DEFAULT_MAX_FRAME_BYTES } from './framing-options.ts';

/** A code byte stands for this many bytes at most, itself included; the full block has no zero behind it. */
const FULL_BLOCK = 0xff;

/** Packets between zero bytes; each block begins with the distance to the zero that it stands for. */
export function cobsFraming(options: CobsFraming): Delimiting {
  const { maxFrameBytes = DEFAULT_MAX_FRAME_BYTES, first = false, checksum: kind = 'none' } = options;
  const checksum = kind === 'none' ? null : createChecksum(kind);
  const trailerBytes = checksum?.bytes ?? 0;
  const maxDecoded = maxFrameBytes + trailerBytes;
  const isBig = options.endian === 'big';
  return {
    delimiter: Buffer.of(0),
    maxRawBytes: maxDecoded + Math.ceil(maxDecoded / (FULL_BLOCK - 1)) + 1,
    first,
    decode(raw) {
      const packet = unstuffed(raw);
      if (packet === null) return 'bad-encoding';
      const length = packet.length - trailerBytes;
      if (length > maxFrameBytes) return 'too-long';
      if (checksum !== null) {
        if (length < 0) return 'bad-checksum';
        const sent = isBig
          ? packet.readUIntBE(length, trailerBytes)
          : packet.readUIntLE(length, trailerBytes);
        if (sent !== checksumOf(checksum, packet, 0, length)) return 'bad-checksum';
      }
      return length === 0 ? null : packet.subarray(0, length);
    },
  };
}

/** Null where a block reaches beyond the end. */
function unstuffed(raw: Buffer): Buffer | null {
  const packet = Buffer.allocUnsafe(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; ) {
    const code = raw[at] ?? 0;
    const next = at + code;
    if (next > raw.length) return null;
    raw.copy(packet, length, at + 1, next);
    length += code - 1;
    if (code !== FULL_BLOCK && next < raw.length) {
      packet[length] = 0;
      length += 1;
    }
    at = next;
  }
  return packet.subarray(0, length);
}
