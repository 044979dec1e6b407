/** Nothing at all came for so long while something is unanswered: the connection is given up. */
export const ANSWER_MS = 30_000;
/** A PINGREQ leaves when nothing else did for this share of the keepalive (MQTT 3.1.1, 3.1.2.10). */
const PING_SHARE = 0.9;

/** Whether a connection lives: when to send PINGREQ, and when to give it up. Times in ms of the ticker. */
export class Heartbeat {
  readonly #pingMs: number;
  #sentMs = 0;
  #heardMs = 0;
  #awaitsPong: boolean = false;

  constructor(keepaliveSeconds: number) {
    this.#pingMs = keepaliveSeconds === 0 ? Number.POSITIVE_INFINITY : keepaliveSeconds * 1000 * PING_SHARE;
  }

  sent(nowMs: number): void {
    this.#sentMs = nowMs;
  }

  /** Also when the first thing is sent that wants an answer, and when it begins to read again. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  answered(): void {
    this.#awaitsPong = false;
  }

  /** A new connection. */
  begin(nowMs: number): void {
    this.#sentMs = nowMs;
    this.#heardMs = nowMs;
    this.#awaitsPong = false;
  }

  /** `isWaiting`: something is unacknowledged. `isDeaf`: it does not read on purpose, so silence says nothing. */
  check(nowMs: number, isWaiting: boolean, isDeaf: boolean): 'ping' | 'dead' | 'fine' {
    if (isDeaf) this.#heardMs = nowMs;
    if ((isWaiting || this.#awaitsPong) && nowMs - this.#heardMs >= ANSWER_MS) return 'dead';
    if (nowMs - this.#sentMs < this.#pingMs) return 'fine';
    if (!this.#awaitsPong) this.#heardMs = nowMs;
    this.#awaitsPong = true;
    this.#sentMs = nowMs;
    return 'ping';
  }

  /** When to look again. */
  nextMs(nowMs: number): number {
    return Math.min(this.#sentMs + this.#pingMs, nowMs + ANSWER_MS / 2);
  }
}
