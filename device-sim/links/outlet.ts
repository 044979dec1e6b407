import type { Wire } from './wire.ts';

/**
 * Gathers the packets of one turn of the event loop, so that they leave in one write. With QoS 0 it knows the messages by
 * their tokens until the system has taken them.
 */
export class Outlet {
  #packets: Buffer[] | null = null;
  #tokens: number[] | null = null;
  /** What was written and has not left, by writes. Null while idle: 15,000 of them are. */
  #leaving: number[][] | null = null;
  #leavingCount = 0;

  /** QoS 0 messages that have not left. */
  get size(): number {
    return this.#leavingCount + (this.#tokens?.length ?? 0);
  }

  /** `token`: of a QoS 0 message. True: it is the first of this turn, a flush must follow. */
  add(packet: Buffer, token: number | null): boolean {
    if (token !== null) {
      this.#tokens ??= [];
      this.#tokens.push(token);
    }
    if (this.#packets !== null) {
      this.#packets.push(packet);
      return false;
    }
    this.#packets = [packet];
    return true;
  }

  /** Never calls `left` at once. False: there was nothing. */
  flush(wire: Wire, left: (token: number, hasLeft: boolean) => void, done: () => void): boolean {
    const packets = this.#packets;
    const tokens = this.#tokens;
    this.#packets = null;
    this.#tokens = null;
    if (packets === null) return false;
    const [first] = packets;
    const bytes = packets.length === 1 && first !== undefined ? first : Buffer.concat(packets);
    if (tokens === null) {
      wire.write(bytes, null);
      return true;
    }
    this.#leaving ??= [];
    this.#leaving.push(tokens);
    this.#leavingCount += tokens.length;
    wire.write(bytes, (hasLeft) => {
      if (!this.#forget(tokens)) return;
      for (const token of tokens) left(token, hasLeft);
      done();
    });
    return true;
  }

  /** Drops everything; the tokens of QoS 0 messages that are lost with it, in order. Nothing is told of them any more. */
  drop(): readonly number[] {
    const tokens = [...(this.#leaving ?? []).flat(), ...(this.#tokens ?? [])];
    this.#packets = null;
    this.#tokens = null;
    this.#leaving = null;
    this.#leavingCount = 0;
    return tokens;
  }

  /** False: they were told of already. */
  #forget(tokens: number[]): boolean {
    const at = this.#leaving?.indexOf(tokens) ?? -1;
    if (at === -1) return false;
    this.#leaving?.splice(at, 1);
    this.#leavingCount -= tokens.length;
    if (this.#leaving?.length === 0) this.#leaving = null;
    return true;
  }
}
