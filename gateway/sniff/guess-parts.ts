import { createFramer } from '../sources/framing/create-framer.ts';
import type { FramingOptions } from '../sources/framing/framing-options.ts';

/** What a stream of bytes looks like. `text`: lines in no format that is known. `binary`: it makes no sense. */
export type StreamKind =
  | 'json'
  | 'csv-header'
  | 'csv'
  | 'plotter'
  | 'key-value'
  | 'nmea'
  | 'pms5003'
  | 'sds011'
  | 'cobs'
  | 'slip'
  | 'text'
  | 'binary'
  | 'nothing';

/** As the configuration has it. */
export type FormatConfig = string | Readonly<Record<string, unknown>>;

export interface Sample {
  readonly frame: Buffer;
  /** What the format makes of it; null where there is no format to tell. */
  readonly reading: unknown;
}

export interface Guess {
  readonly kind: StreamKind;
  /** Null: not known. */
  readonly framing: FramingOptions | null;
  /** Null: not known, or yet to be written (the fields of a binary format). */
  readonly format: FormatConfig | null;
  readonly bytes: number;
  /** Of those, the bytes of frames that could be read, with what parts them. */
  readonly explainedBytes: number;
  /** How many could be read. */
  readonly frames: number;
  /** The last few. */
  readonly samples: readonly Sample[];
}

/** Something that a stream might be, tried on its bytes. */
export interface Candidate extends Guess {
  /** Of two that explain about as much, the one that asks for more is meant. */
  readonly strictness: number;
}

/** What a frame says; `PASSED_OVER` where it belongs there and is no reading; undefined where it cannot be read. */
export type Reader = (frame: Buffer) => unknown;

/** Of a header line, or of a sentence without a position. */
export const PASSED_OVER = Symbol('passed over');

export interface Cut {
  readonly frames: readonly Buffer[];
  /** Bytes that are part of no frame. */
  readonly lostBytes: number;
}

const MAX_SAMPLES = 5;
/** A format that has read none of so many frames reads none. */
const PATIENCE_FRAMES = 200;

/** All frames of a sample. */
export function cut(bytes: Buffer, framing: FramingOptions): Cut {
  const frames: Buffer[] = [];
  let lostBytes = 0;
  const framer = createFramer(framing, {
    frame: (frame) => frames.push(frame),
    discarded: (run) => {
      lostBytes += run.bytes;
    },
  });
  framer.push(bytes);
  framer.end();
  return { frames, lostBytes };
}

/** Of frames that were cut, how many a reader understands, and how many bytes that explains. */
export function tryReader(
  bytes: Buffer,
  { frames, lostBytes }: Cut,
  read: Reader,
): Pick<Guess, 'bytes' | 'explainedBytes' | 'frames' | 'samples'> {
  let lost = lostBytes;
  let understood = 0;
  const samples: Sample[] = [];
  for (const [i, frame] of frames.entries()) {
    if (i === PATIENCE_FRAMES && understood === 0) break;
    const reading = read(frame);
    if (reading === undefined) {
      lost += frame.length + 1;
      continue;
    }
    if (reading === PASSED_OVER) continue;
    understood += 1;
    samples.push({ frame, reading });
    if (samples.length > MAX_SAMPLES) samples.shift();
  }
  const explainedBytes = understood === 0 ? 0 : Math.max(0, bytes.length - lost);
  return { bytes: bytes.length, explainedBytes, frames: understood, samples };
}

/** The last few, for which there is no format. */
export function unreadSamples({ frames }: Cut): readonly Sample[] {
  return frames.slice(-MAX_SAMPLES).map((frame) => ({ frame, reading: null }));
}

/** As it is to be configured: what comes first there may be the rest of a frame. In a sample it may be the only one. */
export function withoutFirst(framing: FramingOptions): FramingOptions {
  if (!('first' in framing)) return framing;
  const { first: _, ...rest } = framing;
  return rest;
}
