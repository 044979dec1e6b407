import type { Delimiting } from './delimited-framer.ts';
import { DEFAULT_MAX_FRAME_BYTES, type SlipFraming } from './framing-options.ts';

const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

/** RFC 1055: packets between END bytes; END and ESC inside are escaped. */
export function slipFraming({
  maxFrameBytes = DEFAULT_MAX_FRAME_BYTES,
  first = false,
}: SlipFraming): Delimiting {
  return {
    delimiter: Buffer.of(END),
    maxRawBytes: maxFrameBytes * 2,
    first,
    decode(raw) {
      const frame = Buffer.allocUnsafe(raw.length);
      let length = 0;
      for (let at = 0; at < raw.length; at += 1) {
        let byte = raw[at] ?? 0;
        if (byte === ESC) {
          at += 1;
          const code = raw[at];
          if (code === ESC_END) byte = END;
          else if (code !== ESC_ESC) return 'bad-encoding';
        }
        frame[length] = byte;
        length += 1;
      }
      return length > maxFrameBytes ? 'too-long' : frame.subarray(0, length);
    },
  };
}
