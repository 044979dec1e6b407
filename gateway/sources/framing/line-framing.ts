import { bytesOf } from './byte-text.ts';
import type { Delimiting } from './delimited-framer.ts';
import { DEFAULT_MAX_FRAME_BYTES, type LineFraming } from './framing-options.ts';

const LF = 0x0a;
const CR = 0x0d;
/** CR and LF that are trimmed do not count, but their number is bounded too. */
const TRIMMED_BYTES = 8;

/** The delimiter; null where it is given twice, or is none. */
export function delimiterOf({ delimiter, delimiterBytes }: LineFraming): Buffer | null {
  if (delimiter !== undefined && delimiterBytes !== undefined) return null;
  return delimiterBytes === undefined ? Buffer.from(delimiter ?? '\n') : bytesOf(delimiterBytes);
}

export function lineFraming(options: LineFraming): Delimiting {
  const maxFrameBytes = options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES;
  return {
    delimiter: delimiterOf(options) ?? Buffer.of(LF),
    maxRawBytes: maxFrameBytes + TRIMMED_BYTES,
    first: options.first ?? false,
    decode(raw) {
      let from = 0;
      let to = raw.length;
      while (from < to && isLineEnd(raw[from])) from += 1;
      while (to > from && isLineEnd(raw[to - 1])) to -= 1;
      if (from === to) return null;
      return to - from > maxFrameBytes ? 'too-long' : Buffer.from(raw.subarray(from, to));
    },
  };
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === LF || byte === CR;
}
