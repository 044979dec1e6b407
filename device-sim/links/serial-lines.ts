import type { Random } from '../random.ts';

/** The gateway discards longer lines unless its port says otherwise (`maxFrameBytes`). */
const MAX_LINE_BYTES = 8192;
const LF = 0x0a;
const CR = 0x0d;
const NOISE_BYTES = [8, 48] as const;
export const LINE_FEED = Buffer.of(LF);

/** Why this payload cannot be a line; null where it can. */
export function lineProblem(payload: Buffer): string | null {
  if (payload.includes(LF)) return 'a payload with a line feed is more than one line';
  if (payload.length === 0 || payload.every((byte) => byte === CR)) return 'an empty line is no reading';
  if (payload.length > MAX_LINE_BYTES) return `more than ${MAX_LINE_BYTES} bytes are no line`;
  return null;
}

/**
 * Parts and doubles of such a line never make a good one: it is a JSON object or list. Of other lines (`21.5`, CSV) the
 * beginning may be a reading as well, with another value.
 */
export function isStructured(payload: Buffer): boolean {
  const first = payload[0];
  const last = payload[payload.length - 1];
  return (first === 0x7b && last === 0x7d) || (first === 0x5b && last === 0x5d);
}

/** The line without some bytes, never a good one any more: its beginning or its end is gone, of other lines all of it. */
export function withBytesDropped(payload: Buffer, random: Random): Buffer {
  if (!isStructured(payload)) return Buffer.alloc(0);
  const dropped = 1 + random.below(payload.length - 1);
  return random.next() < 0.5 ? payload.subarray(dropped) : payload.subarray(0, payload.length - dropped);
}

/** A line of its own that is no reading in any text format: it begins with a byte that UTF-8 does not have. */
export function noiseLine(random: Random): Buffer {
  const [least, most] = NOISE_BYTES;
  const noise = Buffer.alloc(least + random.below(most - least + 1));
  for (let i = 0; i < noise.length; i += 1) {
    const byte = random.below(256);
    noise[i] = byte === LF || byte === CR ? 0 : byte;
  }
  noise[0] = 0xff;
  noise[noise.length - 1] = LF;
  return noise;
}
