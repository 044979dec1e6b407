import type { Outcome } from '../../contracts.ts';

export type Rejected = Extract<Outcome, { kind: 'rejected' }>;

/** The longest receipt: fits the receive buffer of small firmware. */
export const MAX_RECEIPT_BYTES = 200;

/**
 * What the sender of a bad reading is told, as JSON: `{"id","topic","code","at","seq"}`, and `"suppressed"` where receipts
 * before it were held back. The topic is cut to fit; the whole story is under the id.
 */
export function encodeReceipt(topic: string, rejected: Rejected, suppressed: number): Buffer {
  const { id, code, atMs, seq } = rejected;
  const at = new Date(atMs).toISOString();
  const encode = (shown: string): Buffer =>
    Buffer.from(
      JSON.stringify({ id, topic: shown, code, at, seq, ...(suppressed > 0 ? { suppressed } : {}) }),
    );
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

/** A token bucket for the receipts of one client, which counts what it holds back. */
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
