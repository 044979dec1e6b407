import { decode } from 'cbor2/decoder';
import { Tag } from 'cbor2/tag';
import type { Format } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import { cborStructure } from './cbor-structure.ts';
import type { JsonBounds } from './json-bounds.ts';
import { undecodable } from './payload-text.ts';
import { setMember } from './text-values.ts';

/** Numbers of tags (RFC 8949, section 3.4; IANA for the UUID). */
const POSITIVE_BIGNUM = 2;
const NEGATIVE_BIGNUM = 3;
const DECIMAL_FRACTION = 4;
const BIGFLOAT = 5;
const UUID = 37;
const BASE64 = 22;
const BASE16 = 23;

/** Of a bignum: 154 digits. */
const MAX_BIGNUM_BYTES = 64;

/**
 * CBOR (RFC 8949) as the plain values that JSON knows. Byte strings become base64url (as section 6.1 advises), whole
 * numbers beyond 2^53 their decimal digits, NaN, infinities and `undefined` null, whole numbers as keys their digits. Of
 * a tag only what it stands for is kept: times stay the text or the number of seconds that was sent.
 */
export function createCborFormat(bounds: JsonBounds): Format {
  return {
    name: 'cbor',
    decode(payload) {
      cborStructure(payload, bounds);
      let value: unknown;
      try {
        value = decode(payload, DECODE_OPTIONS);
      } catch (error) {
        throw undecodable(`not CBOR as of byte 0: ${messageOf(error)}; send one CBOR data item (RFC 8949)`);
      }
      return plain(value);
    },
    elements(payload) {
      return cborStructure(payload, bounds).elements?.map(([from, to]) => payload.subarray(from, to)) ?? null;
    },
  };
}

/** Nothing of the sender's choice is built: no dates, regular expressions or classes, and no objects with its keys. */
const DECODE_OPTIONS = { ignoreGlobalTags: true, preferMap: true } as const;

/** As deep as the structure that was checked before. */
function plain(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : null;
    case 'bigint':
      return ofBigInt(value);
    case 'string':
    case 'boolean':
      return value;
    case 'object':
      break;
    default:
      return null;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) {
    const object: Record<string, unknown> = {};
    for (const [key, member] of value) setMember(object, String(key), plain(member));
    return object;
  }
  if (value instanceof Uint8Array) return textOfBytes(value, 'base64url');
  return value instanceof Tag ? untagged(value) : null;
}

function untagged({ tag, contents }: Tag): unknown {
  if (contents instanceof Uint8Array) {
    switch (tag) {
      case POSITIVE_BIGNUM:
        return ofBigInt(bignum(contents));
      case NEGATIVE_BIGNUM:
        return ofBigInt(-1n - bignum(contents));
      case BASE64:
        return textOfBytes(contents, 'base64');
      case BASE16:
        return textOfBytes(contents, 'hex');
      case UUID:
        return textOfBytes(contents, 'hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
      default:
    }
  }
  if (tag === DECIMAL_FRACTION || tag === BIGFLOAT) return ofParts(contents, tag === BIGFLOAT ? 2 : 10);
  return plain(contents);
}

function ofBigInt(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

function bignum(bytes: Uint8Array): bigint {
  if (bytes.length > MAX_BIGNUM_BYTES)
    throw undecodable(
      `a whole number of ${bytes.length} bytes, as of byte 0; send at most ${MAX_BIGNUM_BYTES} bytes`,
    );
  return bytes.length === 0 ? 0n : BigInt(`0x${textOfBytes(bytes, 'hex')}`);
}

/** `[exponent, mantissa]` of a decimal fraction or a bigfloat; null where it is out of a number's range. */
function ofParts(contents: unknown, base: 2 | 10): number | null {
  const [exponent, mantissa] = Array.isArray(contents) ? contents.map(plain) : [];
  if (typeof exponent !== 'number' || (typeof mantissa !== 'number' && typeof mantissa !== 'string'))
    throw undecodable('a fraction that is not [exponent, mantissa], as of byte 0; send a plain number');
  const value = base === 10 ? Number(`${mantissa}e${exponent}`) : Number(mantissa) * 2 ** exponent;
  return Number.isFinite(value) ? value : null;
}

function textOfBytes(bytes: Uint8Array, encoding: 'base64url' | 'base64' | 'hex'): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding);
}
