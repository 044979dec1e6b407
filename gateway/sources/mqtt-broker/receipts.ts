import type { Outcome, OutcomeKind } from '../../contracts.ts';

export type Rejected = Extract<Outcome, { kind: 'rejected' }>;

/** What became of one or more readings of a message that were not rejected. */
export interface Taken {
  readonly kind: Exclude<OutcomeKind, 'rejected' | 'refused'>;
  /** ms since the epoch. */
  readonly atMs: number;
  /** Of the first of them. */
  readonly seq: number | null;
  /** How many they are. */
  readonly n: number;
}

/** The longest receipt: fits the receive buffer of small firmware. */
export const MAX_RECEIPT_BYTES = 200;
/** In the order of `encodeReceipt`. */
const RECEIPT_NAMES = ['id', 'topic', 'code', 'at', 'seq'];
const OPENING_BRACE = 0x7b;

/**
 * What the sender of a bad reading is told, as JSON: `{"id","topic","code","at","seq"}`, and `"suppressed"` where receipts
 * before it were held back. The topic is cut to fit; the whole story is under the id.
 */
export function encodeReceipt(topic: string, rejected: Rejected, suppressed: number): Buffer {
  const { id, code, atMs, seq } = rejected;
  const at = new Date(atMs).toISOString();
  return fitting(topic, (shown) => ({ id, topic: shown, code, at, seq, ...heldBack(suppressed) }));
}

/** Whether `encodeReceipt` can have made it, here or at another gateway. */
export function isReceipt(payload: Buffer): boolean {
  if (payload.length > MAX_RECEIPT_BYTES || payload[0] !== OPENING_BRACE) return false;
  let receipt: unknown;
  try {
    receipt = JSON.parse(payload.toString('utf8'));
  } catch {
    return false;
  }
  if (typeof receipt !== 'object' || receipt === null) return false;
  const names = Object.keys(receipt);
  return RECEIPT_NAMES.every((name, i) => names[i] === name);
}

/**
 * What the sender of a good one is told: `{"topic","code","at","seq"}`, its code being `stored`, `duplicate` or
 * `forwarded`. One receipt stands for all readings of a list that ended alike: it has their number as `"n"` where they
 * are several, and the `seq` of the first.
 */
export function encodeTaken(topic: string, { kind, atMs, seq, n }: Taken, suppressed: number): Buffer {
  const at = new Date(atMs).toISOString();
  const several = n > 1 ? { n } : {};
  return fitting(topic, (shown) => ({
    topic: shown,
    code: kind,
    at,
    seq,
    ...several,
    ...heldBack(suppressed),
  }));
}

function heldBack(suppressed: number): { suppressed?: number } {
  return suppressed > 0 ? { suppressed } : {};
}

function fitting(topic: string, receipt: (shown: string) => Readonly<Record<string, unknown>>): Buffer {
  const encode = (shown: string): Buffer => Buffer.from(JSON.stringify(receipt(shown)));
  const whole = encode(topic);
  if (whole.length <= MAX_RECEIPT_BYTES) return whole;
  const characters = Array.from(topic.slice(0, MAX_RECEIPT_BYTES));
  for (let keep = characters.length; keep > 0; ) {
    const cut = encode(`${characters.slice(0, keep).join('')}…`);
    const over = cut.length - MAX_RECEIPT_BYTES;
    if (over <= 0) return cut;
    // A character takes up to six bytes.
    keep -= Math.max(1, Math.trunc(over / 6));
  }
  return encode('');
}

/** A token bucket for one kind of receipts of one client, which counts what it holds back. */
export class ReceiptAllowance {
  #tokens: number;
  #atMs: number;
  #suppressed = 0;

  constructor(burst: number, nowMs: number) {
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** How many receipts were held back before this one; null when this one is held back too. */
  take(burst: number, perSecond: number, nowMs: number): number | null {
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) {
      this.#suppressed += 1;
      return null;
    }
    this.#tokens -= 1;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
