/**
 * A 64-bit hash of topic and payload, as two unsigned 32-bit halves. It tells a resend from a new message that reuses
 * a packet id; it is no defence against somebody who wants a collision, and needs none: it is only ever compared
 * within one client, who could at most make its own readings look alike.
 *
 * Two lanes of the mixing of MurmurHash3 (Austin Appleby, public domain), four payload bytes at a time.
 */
export interface TransferHash {
  high: number;
  low: number;
}

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;
const C3 = 0x85ebca6b;
const C4 = 0xc2b2ae35;

/** Writes the hash into `into`: the hot path keeps one and reuses it. */
export function hashTransfer(topic: string, payload: Uint8Array, into: TransferHash): void {
  let a = 0x9747b28c;
  let b = 0x2545f491;
  for (let i = 0; i < topic.length; i += 1) {
    const word = topic.charCodeAt(i);
    a = Math.imul(a ^ word, C1);
    b = Math.imul(b ^ word, C3);
    b ^= b >>> 15;
  }
  const length = payload.length;
  const whole = length - (length % 4);
  for (let i = 0; i < whole; i += 4) {
    const word =
      byte(payload, i) |
      (byte(payload, i + 1) << 8) |
      (byte(payload, i + 2) << 16) |
      (byte(payload, i + 3) << 24);
    a = mix(a, word, C1, C2);
    b = mix(b, word, C3, C4);
  }
  for (let i = whole; i < length; i += 1) {
    a = mix(a, byte(payload, i), C1, C2);
    b = mix(b, byte(payload, i), C3, C4);
  }
  // Lengths go in last, so that a byte cannot move between topic and payload unseen.
  a = finish(a ^ length);
  b = finish(b ^ topic.length ^ a);
  into.high = a >>> 0;
  into.low = b >>> 0;
}

function byte(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

function mix(hash: number, word: number, multiplier: number, second: number): number {
  let k = Math.imul(word, multiplier);
  k = (k << 15) | (k >>> 17);
  let h = hash ^ Math.imul(k, second);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, C3);
  h ^= h >>> 13;
  h = Math.imul(h, C4);
  return h ^ (h >>> 16);
}
