import { bytesOf } from './byte-text.ts';
import { fixedPlace } from './fixed-framing.ts';
import {
  DEFAULT_MAX_FRAME_BYTES,
  type FixedFraming,
  type FramingOptions,
  type LengthFraming,
  MAX_FRAME_BYTES,
} from './framing-options.ts';
import { delimiterOf } from './line-framing.ts';

/** The longest of header, magic, tail and delimiter. */
const MAX_MARK_BYTES = 8;
const MAX_SIZE_OFFSET = 64;

/**
 * In words why options that the JSON Schema takes still make no sense together; null where they do. `framing` was held
 * against `schemas/framing.schema.json`, or is of its type.
 */
export function framingProblem(options: FramingOptions): string | null {
  switch (options.kind) {
    case 'line': {
      if (options.delimiter !== undefined && options.delimiterBytes !== undefined)
        return 'delimiter and delimiterBytes are the same thing: give one of them';
      const length = delimiterOf(options)?.length ?? 0;
      if (length < 1 || length > MAX_MARK_BYTES)
        return `the delimiter must be 1 to ${MAX_MARK_BYTES} bytes, in delimiterBytes written like "0D 0A"`;
      return sizeProblem(options.maxFrameBytes);
    }
    case 'slip':
    case 'cobs':
    case 'nmea':
      return sizeProblem(options.maxFrameBytes);
    case 'length':
      return sizeProblem(options.maxFrameBytes) ?? lengthProblem(options);
    case 'fixed':
      return fixedProblem(options);
    case 'pms5003':
    case 'sds011':
      return null;
    default:
      return options satisfies never;
  }
}

function sizeProblem(maxFrameBytes = DEFAULT_MAX_FRAME_BYTES): string | null {
  return Number.isInteger(maxFrameBytes) && maxFrameBytes >= 1 && maxFrameBytes <= MAX_FRAME_BYTES
    ? null
    : `maxFrameBytes must be a whole number from 1 to ${MAX_FRAME_BYTES}`;
}

function markProblem(name: string, text: string): string | null {
  const length = bytesOf(text)?.length ?? 0;
  return length >= 1 && length <= MAX_MARK_BYTES
    ? null
    : `${name} must be 1 to ${MAX_MARK_BYTES} bytes in hexadecimal, like "AA 55"`;
}

function lengthProblem({ header, sizeOffset }: LengthFraming): string | null {
  const problem = markProblem('header', header);
  if (problem !== null || sizeOffset === undefined) return problem;
  const from = bytesOf(header)?.length ?? 0;
  return Number.isInteger(sizeOffset) && sizeOffset >= from && sizeOffset <= MAX_SIZE_OFFSET
    ? null
    : `sizeOffset must be behind the header, from ${from} to ${MAX_SIZE_OFFSET}`;
}

function fixedProblem(options: FixedFraming): string | null {
  const { magic, length, tail } = options;
  const problem = markProblem('magic', magic) ?? (tail === undefined ? null : markProblem('tail', tail));
  if (problem !== null) return problem;
  if (!Number.isInteger(length) || length < 1 || length > MAX_FRAME_BYTES)
    return `length must be a whole number from 1 to ${MAX_FRAME_BYTES}`;
  const place = fixedPlace(options);
  const magicBytes = bytesOf(magic)?.length ?? 0;
  if (length < magicBytes + place.tail.length + place.bytes)
    return `a frame of ${length} bytes has no room for magic, checksum and tail`;
  if (place.checksum === null) return null;
  const { at, from, to, bytes } = place;
  if (!Number.isInteger(at) || at < 0 || at + bytes > length - place.tail.length)
    return `the checksum at ${at} is not inside of the ${length} bytes, before the tail`;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || from >= to || to > length)
    return `the checksum is over bytes ${from} to ${to}: that is no part of the ${length} bytes`;
  return from < at + bytes && at < to ? 'the checksum is over itself: set checksumFrom and checksumTo' : null;
}
