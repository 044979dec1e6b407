import type { Wire } from './wire.ts';

/**
 * Gathers the packets of one turn of the event loop, so that they leave in one write. With QoS 0 it knows the messages by
 * their tokens until the system has taken them.
 */
export class Outlet {
  #packets: Buffer[] | null = null;
  #tokens: number[] | null = null;
  #leaving = 0;

  /** QoS 0 messages that have not left. */
  get size(): number {
    return this.#leaving + (this.#tokens?.length ?? 0);
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
    this.#leaving += tokens.length;
    wire.write(bytes, (hasLeft) => {
      this.#leaving -= tokens.length;
      for (const token of tokens) left(token, hasLeft);
      done();
    });
    return true;
  }

  /** Drops what was gathered; the tokens of QoS 0 messages that are lost with it. */
  drop(): readonly number[] {
    const tokens = this.#tokens ?? [];
    this.#packets = null;
    this.#tokens = null;
    return tokens;
  }
}
