import type { Formats } from '../contracts.ts';
import type { CobsFraming, FramingOptions } from '../sources/framing/framing-options.ts';
import { hasNumber, isObject, mostCommon, reading } from './guess-lines.ts';
import {
  type Candidate,
  type Cut,
  cut,
  type FormatConfig,
  PASSED_OVER,
  tryReader,
  unreadSamples,
  withoutFirst,
} from './guess-parts.ts';

const DOLLAR = 0x24;
const BANG = 0x21;
const SLIP_END = 0xc0;
/** So few packets in nothing that can be read tell nothing. */
const LEAST_PACKETS = 3;
/** On average. Zeros between small bytes, and lines that are read at a wrong rate, are packets of nothing much. */
const LEAST_PACKET_BYTES = 3;
/** Of packets in nothing that can be read, at most this part of the bytes may be none. */
const MOST_LOST_PART = 0.2;

const COBS: readonly CobsFraming[] = [
  { kind: 'cobs', first: true, checksum: 'crc32' },
  { kind: 'cobs', first: true, checksum: 'crc32', endian: 'big' },
  ...(['crc16-ccitt', 'crc16-xmodem', 'crc16-modbus'] as const).flatMap((checksum): CobsFraming[] => [
    { kind: 'cobs', first: true, checksum },
    { kind: 'cobs', first: true, checksum, endian: 'big' },
  ]),
];

/** Every framing of sentences and packets that finds some. */
export function packetCandidates(bytes: Buffer, formats: Formats): readonly Candidate[] {
  return [
    dustSensor('pms5003', bytes, formats),
    dustSensor('sds011', bytes, formats),
    nmea(bytes, formats),
    ...(bytes.includes(0) ? [cobs(bytes, formats)] : []),
    ...(bytes.includes(SLIP_END) ? [slip(bytes, formats)] : []),
  ].filter((candidate) => candidate !== null);
}

function dustSensor(kind: 'pms5003' | 'sds011', bytes: Buffer, formats: Formats): Candidate {
  const framing: FramingOptions = { kind };
  const trial = tryReader(bytes, cut(bytes, framing), reading(formats, kind, isObject));
  return { kind, strictness: 10, framing, format: kind, ...trial };
}

function nmea(bytes: Buffer, formats: Formats): Candidate | null {
  if (!bytes.includes(DOLLAR) && !bytes.includes(BANG)) return null;
  for (const withoutChecksum of [false, true]) {
    const options = withoutChecksum ? { withoutChecksum } : {};
    const sentences = cut(bytes, { kind: 'nmea', ...options });
    const isPosition = reading(formats, 'nmea', isObject);
    const types = new Set<string>();
    const trial = tryReader(bytes, sentences, (sentence) => {
      const position = isPosition(sentence);
      const type = /^[$!][A-Z0-9]*([A-Z0-9]{3}),/.exec(sentence.toString('latin1'))?.[1];
      if (position !== undefined && type !== undefined) types.add(type);
      // The checksum was right, so it is one, whatever it tells.
      else if (type !== undefined) return PASSED_OVER;
      return position;
    });
    if (trial.frames === 0) {
      if (withoutChecksum || sentences.frames.length < LEAST_PACKETS) continue;
      const explainedBytes = bytes.length - sentences.lostBytes;
      const { length: frames } = sentences.frames;
      const samples = unreadSamples(sentences);
      const framing: FramingOptions = { kind: 'nmea' };
      return {
        ...trial,
        kind: 'nmea',
        strictness: 9,
        framing,
        format: null,
        explainedBytes,
        frames,
        samples,
      };
    }
    const framing: FramingOptions = { kind: 'nmea', sentences: [...types].sort(), ...options };
    return { kind: 'nmea', strictness: 9, framing, format: 'nmea', ...trial };
  }
  return null;
}

function cobs(bytes: Buffer, formats: Formats): Candidate | null {
  for (const framing of COBS) {
    const packets = cut(bytes, framing);
    if (packets.frames.length >= LEAST_PACKETS && isMostly(bytes, packets))
      return packetCandidate('cobs', 9, framing, bytes, packets, formats);
  }
  const framing: CobsFraming = { kind: 'cobs', first: true };
  const packets = cut(bytes, framing);
  return packetCandidate('cobs', 5, framing, bytes, packets, formats);
}

function slip(bytes: Buffer, formats: Formats): Candidate | null {
  const framing: FramingOptions = { kind: 'slip', first: true };
  const packets = cut(bytes, framing);
  const candidate = packetCandidate('slip', 5, framing, bytes, packets, formats);
  if (candidate === null || candidate.format !== null) return candidate;
  return arePackets(bytes, packets) ? candidate : null;
}

/** Any byte parts noise into packets: theirs are of one length, or have a delimiter at both ends. */
function arePackets(bytes: Buffer, { frames }: Cut): boolean {
  const length = mostCommon(frames.map((frame) => frame.length));
  if (frames.filter((frame) => frame.length === length).length * 2 >= frames.length) return true;
  let pairs = 0;
  for (let at = 1; at < bytes.length; at += 1)
    if (bytes[at] === SLIP_END && bytes[at - 1] === SLIP_END) pairs += 1;
  return pairs * 2 >= frames.length;
}

/** By what the packets hold; where that cannot be read, by themselves. */
function packetCandidate(
  kind: 'cobs' | 'slip',
  strictness: number,
  framing: FramingOptions,
  bytes: Buffer,
  packets: Cut,
  formats: Formats,
): Candidate | null {
  const place = { kind, framing: withoutFirst(framing) };
  const inner: readonly FormatConfig[] = ['json', 'cbor', 'key-value'];
  for (const format of inner) {
    const trial = tryReader(
      bytes,
      packets,
      reading(formats, format, format === 'json' ? isObject : hasNumber),
    );
    if (trial.frames > 0 && trial.frames * 2 >= packets.frames.length)
      return { ...place, strictness: strictness + 3, format, ...trial };
  }
  if (packets.frames.length < LEAST_PACKETS || !isMostly(bytes, packets)) return null;
  const size = packets.frames.reduce((sum, { length }) => sum + length, 0);
  if (size < packets.frames.length * LEAST_PACKET_BYTES) return null;
  return {
    ...place,
    strictness,
    format: null,
    bytes: bytes.length,
    explainedBytes: bytes.length - packets.lostBytes,
    frames: packets.frames.length,
    samples: unreadSamples(packets),
  };
}

function isMostly(bytes: Buffer, { lostBytes }: Cut): boolean {
  return lostBytes <= bytes.length * MOST_LOST_PART;
}
