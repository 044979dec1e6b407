import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../errors.ts';
import { printable } from '../printable.ts';

const SHOWN_CHARACTERS = 24;

export function undecodable(message: string): GatewayError {
  return new GatewayError('undecodable', message);
}

/**
 * The payload as text, without a byte order mark.
 * @throws GatewayError `undecodable` where it is empty (then with `remedy`), or not UTF-8, with the place.
 */
export function textOf(payload: Buffer, remedy: string): string {
  if (payload.length === 0) throw undecodable(`the payload is empty; ${remedy}`);
  if (!isUtf8(payload))
    throw undecodable(`not UTF-8 at byte ${firstBadByte(payload)}; text must be encoded as UTF-8`);
  const hasMark = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf;
  return payload.toString('utf8', hasMark ? 3 : 0);
}

/** `byte 12` of the payload's text, from a place in it. */
export function byteAt(text: string, offset: number): string {
  return `byte ${Buffer.byteLength(text.slice(0, offset))}`;
}

/** What stands there, for people. */
export function found(text: string, offset: number): string {
  return offset < text.length ? `"${printable(text.slice(offset), SHOWN_CHARACTERS)}"` : 'the end';
}

/** By halving: `isUtf8` is fast, and a cut sequence at the end of a good part is passed over. */
function firstBadByte(payload: Buffer): number {
  let good = 0;
  let bad = payload.length;
  while (good < bad) {
    const middle = (good + bad + 1) >>> 1;
    const ok = [0, 1, 2, 3].some((cut) => cut <= middle && isUtf8(payload.subarray(0, middle - cut)));
    if (ok) good = middle;
    else bad = middle - 1;
  }
  // Up to three bytes of a sequence that was begun but not finished still counted as good.
  while (good > 0 && !isUtf8(payload.subarray(0, good))) good -= 1;
  return good;
}
