import { createFormats } from '../formats/formats.ts';
import { lineCandidates, lineFramingFor } from './guess-lines.ts';
import { packetCandidates } from './guess-packets.ts';
import { cut, type Guess, unreadSamples, withoutFirst } from './guess-parts.ts';

/** What explains less than this part of the bytes explains nothing. */
const LEAST_PART = 0.25;
/** Within this part of the best, the strictest wins: lines of NMEA are lines of CSV too. */
const ABOUT_AS_MUCH = 0.75;
const TEXT_PART = 0.95;
const LF = 0x0a;
const CR = 0x0d;

/**
 * What a device sends, told from a sample of it that may begin and end anywhere: the framing and format that explain most
 * of its bytes. Depends on the bytes alone. Never throws. Time grows with the bytes; 256 KiB take about a second.
 */
export function guessStream(bytes: Buffer): Guess {
  const formats = createFormats();
  const candidates = [...lineCandidates(bytes, formats), ...packetCandidates(bytes, formats)].filter(
    ({ explainedBytes }) => explainedBytes > 0 && explainedBytes >= bytes.length * LEAST_PART,
  );
  const most = Math.max(0, ...candidates.map(({ explainedBytes }) => explainedBytes));
  const [best] = candidates
    .filter(({ explainedBytes }) => explainedBytes >= most * ABOUT_AS_MUCH)
    .sort((a, b) => b.strictness - a.strictness || b.explainedBytes - a.explainedBytes);
  if (best === undefined) return unexplained(bytes);
  const { strictness: _, ...guess } = best;
  return guess;
}

function unexplained(bytes: Buffer): Guess {
  const nothing = { format: null, bytes: bytes.length, explainedBytes: 0, frames: 0 };
  if (bytes.length === 0) return { ...nothing, kind: 'nothing', framing: null, samples: [] };
  if (!isText(bytes)) return { ...nothing, kind: 'binary', framing: null, samples: [] };
  const framing = lineFramingFor(bytes);
  const lines = cut(bytes, framing);
  return { ...nothing, kind: 'text', framing: withoutFirst(framing), samples: unreadSamples(lines) };
}

function isText(bytes: Buffer): boolean {
  if (!bytes.includes(LF) && !bytes.includes(CR)) return false;
  let textBytes = 0;
  for (const character of bytes.toString('utf8'))
    if (/[\t\n\r\x20-\x7e\u00a0-\ufffc\u{10000}-\u{10ffff}]/u.test(character))
      textBytes += Buffer.byteLength(character);
  return textBytes >= bytes.length * TEXT_PART;
}
