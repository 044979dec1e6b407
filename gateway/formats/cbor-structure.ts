import { isUtf8 } from 'node:buffer';
import type { GatewayError } from '../errors.ts';
import type { JsonBounds } from './json-bounds.ts';
import { undecodable } from './payload-text.ts';

/** Major types (RFC 8949, section 3.1). */
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;
const OTHER = 7;

const INDEFINITE = 31;
const BREAK = 0xff;
/** Tags that make a number of a list of two; any other leaves a list what it is. */
const DECIMAL_FRACTION = 4;
const BIGFLOAT = 5;
const REMEDY = 'send one CBOR data item (RFC 8949)';

interface Open {
  readonly major: number;
  /** Items still to come; Infinity until a break. */
  left: number;
  /** Items so far. */
  count: number;
}

export interface CborStructure {
  /** Where the elements of the outermost array begin and end; null where it is none, or a tag makes a number of it. */
  readonly elements: readonly (readonly [from: number, to: number])[] | null;
}

/**
 * Checks that the bytes are one well-formed data item within the bounds, before anything is built from it. One pass, no
 * recursion.
 * @throws GatewayError `undecodable` with a byte.
 */
export function cborStructure(payload: Buffer, bounds: JsonBounds): CborStructure {
  const open: Open[] = [];
  const elements: (readonly [number, number])[] = [];
  let isList = false;
  let isFraction = false;
  let tags = 0;
  let items = 0;
  let elementFrom = 0;
  for (let at = 0; ; ) {
    const parent = open.at(-1);
    if (open.length === 1 && tags === 0) elementFrom = at;
    const isKey = parent?.major === MAP && parent.count % 2 === 0;
    const head = headAt(payload, at);
    const { major, value, next } = head;
    if (open.length + tags >= bounds.maxDepth && (major === ARRAY || major === MAP || major === TAG))
      throw undecodable(`nested deeper than ${bounds.maxDepth} levels at byte ${at}; send flatter readings`);
    if (isKey && (tags > 0 || (major !== TEXT && major > 1)) && payload[at] !== BREAK)
      throw undecodable(
        `a key that is no text or whole number at byte ${at}; name values by texts or numbers`,
      );

    let complete = true;
    if (major === TAG) {
      if (open.length === 0 && (value === DECIMAL_FRACTION || value === BIGFLOAT)) isFraction = true;
      tags += 1;
      at = next;
      continue;
    }
    if (payload[at] === BREAK) {
      if (parent === undefined || parent.left !== Infinity || tags > 0 || (parent.major === MAP && !isKey))
        throw malformed('a break that ends nothing', at);
      open.pop();
      at = next;
    } else if (major === ARRAY || major === MAP) {
      if (value !== Infinity && value > payload.length - next)
        throw malformed(`more elements than bytes (${value})`, at);
      if (open.length === 0 && major === ARRAY) isList = true;
      open.push({ major, left: major === MAP ? value * 2 : value, count: 0 });
      complete = value === 0;
      if (complete) open.pop();
      at = next;
    } else {
      at = major === BYTES || major === TEXT ? endOfString(payload, at, head) : next;
    }
    tags = 0;

    while (complete) {
      const around = open.at(-1);
      if (around === undefined) {
        if (at !== payload.length)
          throw malformed(`${payload.length - at} bytes behind the end of the data item`, at);
        return { elements: isList && !isFraction ? elements : null };
      }
      if (open.length === 1) elements.push([elementFrom, at]);
      around.left -= 1;
      around.count += 1;
      items += 1;
      if (around.major === MAP && around.count > bounds.maxKeys * 2)
        throw undecodable(
          `an object with more than ${bounds.maxKeys} members at byte ${at}; send fewer with each reading`,
        );
      if (items > bounds.maxElements * 2)
        throw undecodable(
          `more than ${bounds.maxElements * 2} values at byte ${at}; send fewer readings with each message`,
        );
      complete = around.left === 0;
      if (complete) open.pop();
    }
  }
}

interface Head {
  readonly major: number;
  /** Of a length, count, tag or number; Infinity: until a break. A number beyond 2^53 is not exact. */
  readonly value: number;
  readonly next: number;
}

function headAt(payload: Buffer, at: number): Head {
  const initial = payload[at];
  if (initial === undefined) throw malformed('the end, where a value is expected', at);
  const major = initial >>> 5;
  const info = initial & 31;
  if (info < 24) {
    if (major === OTHER && info < 20) throw malformed(`simple value ${info}, which means nothing`, at);
    return { major, value: info, next: at + 1 };
  }
  if (info === INDEFINITE) {
    if (major < BYTES || major === TAG) throw malformed('an indefinite length where none can be', at);
    return { major, value: Infinity, next: at + 1 };
  }
  if (info > 27) throw malformed(`reserved code ${info}`, at);
  if (major === OTHER && info === 24) throw malformed('a simple value, which means nothing', at);
  const size = 1 << (info - 24);
  const next = at + 1 + size;
  if (next > payload.length) throw malformed(`the end within a value of ${size} bytes`, at);
  const value = size === 8 ? Number(payload.readBigUInt64BE(at + 1)) : payload.readUIntBE(at + 1, size);
  return { major, value, next };
}

function endOfString(payload: Buffer, at: number, head: Head): number {
  if (head.value !== Infinity) return endOfChunk(payload, at, head);
  for (let chunkAt = head.next; ; ) {
    if (payload[chunkAt] === BREAK) return chunkAt + 1;
    const chunk = headAt(payload, chunkAt);
    if (chunk.major !== head.major || chunk.value === Infinity)
      throw malformed('something else than a part of the string that is open', chunkAt);
    chunkAt = endOfChunk(payload, chunkAt, chunk);
  }
}

function endOfChunk(payload: Buffer, at: number, { major, value, next }: Head): number {
  const end = next + value;
  if (end > payload.length) throw malformed(`a string of ${value} bytes that reaches beyond the end`, at);
  if (major === TEXT && !isUtf8(payload.subarray(next, end)))
    throw undecodable(`a text that is not UTF-8 at byte ${at}; text must be encoded as UTF-8`);
  return end;
}

function malformed(what: string, at: number): GatewayError {
  return undecodable(`not CBOR: ${what}, at byte ${at}; ${REMEDY}`);
}
