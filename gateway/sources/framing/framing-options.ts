import type { ChecksumKind } from './checksums.ts';

/**
 * How frames are told apart. Described for users, with the same defaults, by `schemas/framing.schema.json`. Bytes are
 * written in hexadecimal, with or without spaces: `"42 4D"`.
 */
export type FramingOptions =
  | LineFraming
  | SlipFraming
  | CobsFraming
  | LengthFraming
  | FixedFraming
  | NmeaFraming
  | { readonly kind: 'pms5003' | 'sds011' };

export type FramingKind = FramingOptions['kind'];

interface Bounded {
  /** The longest frame that is given out. Default 8192, at most 65536. */
  readonly maxFrameBytes?: number;
}

interface Delimited extends Bounded {
  /** What comes before the first delimiter after opening is a frame too. Default false: it may be half of one. */
  readonly first?: boolean;
}

/** Text lines: CR and LF at both ends are no part of them, empty ones are nothing. */
export interface LineFraming extends Delimited {
  readonly kind: 'line';
  /** 1 to 8 bytes as text. Default "\n". */
  readonly delimiter?: string;
  /** The same in hexadecimal, instead of `delimiter`. */
  readonly delimiterBytes?: string;
}

/** RFC 1055. */
export interface SlipFraming extends Delimited {
  readonly kind: 'slip';
}

/** Consistent overhead byte stuffing (Cheshire and Baker 1999), packets parted by 0x00. */
export interface CobsFraming extends Delimited {
  readonly kind: 'cobs';
  /** The last bytes of each packet, over all before them; no part of the frame. Default none. */
  readonly checksum?: Extract<ChecksumKind, `crc${string}`> | 'none';
  /** Of the checksum. Default little. */
  readonly endian?: Endian;
}

/** Header, perhaps other bytes, size field, payload, perhaps a checksum. */
export interface LengthFraming extends Bounded {
  readonly kind: 'length';
  /** What every frame begins with, 1 to 8 bytes. */
  readonly header: string;
  /** Where the size field is, from the first byte of the header. Default: right behind the header. */
  readonly sizeOffset?: number;
  /** Default 1. */
  readonly sizeBytes?: 1 | 2 | 4;
  /** Of the size field, and of the checksum. Default little. */
  readonly endian?: Endian;
  /**
   * What the size counts: the bytes between size field and checksum (`payload`), all behind the size field (`rest`), or
   * the whole frame from its header on (`frame`). Default payload.
   */
  readonly counts?: 'payload' | 'rest' | 'frame';
  /** Added to the size as it was sent, where it counts differently. Default 0. */
  readonly adjust?: number;
  /** The last bytes of each frame. Default none. */
  readonly checksum?: ChecksumKind | 'none';
  /** Over all before it from the header on (`frame`), all behind the header, or the payload alone. Default frame. */
  readonly checksumOver?: 'frame' | 'behind-header' | 'payload';
  /** What is given out: the payload, or the whole frame. Default payload. */
  readonly gives?: 'payload' | 'frame';
}

/** Frames of one length. They are given out whole. */
export interface FixedFraming {
  readonly kind: 'fixed';
  /** What every frame begins with, 1 to 8 bytes. */
  readonly magic: string;
  /** Of the whole frame, at most 65536. */
  readonly length: number;
  /** What every frame ends with, at most 8 bytes. Default none. */
  readonly tail?: string;
  /** Default none. */
  readonly checksum?: ChecksumKind | 'none';
  /** Where the checksum is. Default: the last bytes before the tail. */
  readonly checksumAt?: number;
  /** The bytes that it is over: the first, and the one behind the last. Default: 0, `checksumAt`. */
  readonly checksumFrom?: number;
  readonly checksumTo?: number;
  /** Of the checksum. Default big. */
  readonly endian?: Endian;
}

/** NMEA 0183 sentences `$…*hh` and `!…*hh`, given out without the end of the line. */
export interface NmeaFraming extends Bounded {
  readonly kind: 'nmea';
  /** Sentences without `*hh` are frames too. Default false. */
  readonly withoutChecksum?: boolean;
  /** Only sentences of these types (`RMC`, from whatever talker); the others are passed over. Default: all. */
  readonly sentences?: readonly string[];
}

export type Endian = 'little' | 'big';

export const DEFAULT_MAX_FRAME_BYTES = 8192;
export const MAX_FRAME_BYTES = 65_536;
