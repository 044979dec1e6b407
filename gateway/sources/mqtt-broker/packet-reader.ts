/** What a reader of packets reports to. */
export interface PacketHandler {
  /** The most bytes that a packet with this first byte may have behind its fixed header; -1 refuses it. */
  limitOf(first: number): number;
  /**
   * One whole packet: its body is `buffer[start, end)`, its fixed header begins at `head`. Answers whether to go on with
   * the next one; if not, the rest waits for `resume`.
   */
  onPacket(first: number, buffer: Buffer, head: number, start: number, end: number): boolean;
  /** The bytes are no MQTT, or too many: nothing more will come. */
  onBad(reason: string): void;
}

/**
 * Memory for packets that arrived in part, over all readers. Where it is not enough, the one whose packet began first has to
 * go: a packet that is really under way is soon whole, and those that are never finished must not keep others from
 * sending theirs.
 */
export class PartialBudget {
  readonly maxBytes: number;
  #bytes = 0;
  /** Those who hold some; the one whose packet began first stands first. */
  readonly #holders = new Set<PartialHolder>();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Lets `holder`, which has `before`, have `wanted`. False: it was itself the one that had to go. */
  grow(holder: PartialHolder, before: number, wanted: number): boolean {
    this.#holders.add(holder);
    while (this.#bytes - before + wanted > this.maxBytes) {
      const [oldest = holder] = this.#holders;
      const first = wanted > this.maxBytes ? holder : oldest;
      first.yieldRoom();
      if (first === holder) return false;
    }
    this.#bytes += wanted - before;
    return true;
  }

  release(holder: PartialHolder, bytes: number): void {
    this.#holders.delete(holder);
    this.#bytes -= bytes;
  }
}

/** Who has a part of a packet. */
interface PartialHolder {
  /** Releases what it holds, and reads nothing more. */
  yieldRoom(): void;
}

const FIRST_CAPACITY = 2048;
/** A first byte and up to four of remaining length (MQTT 3.1.1, 2.2.3). */
const MAX_HEADER = 5;
const NOTHING = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into MQTT packets without copying, except a packet that spans two chunks. It reads only fixed
 * headers, so a packet that is too large is known as soon as its length is, and memory grows with what has really
 * arrived, not with what was announced.
 */
export class PacketReader implements PartialHolder {
  readonly #handler: PacketHandler;
  readonly #budget: PartialBudget;
  /** The beginning of a packet, while the rest is under way. */
  #partial = NOTHING;
  #have = 0;
  /** Length of the whole packet in `#partial`; 0 while its header is incomplete. */
  #need = 0;
  #waiting: Buffer | null = null;
  #dead: boolean = false;

  constructor(handler: PacketHandler, budget: PartialBudget) {
    this.#handler = handler;
    this.#budget = budget;
  }

  /** There are bytes that `resume` would go on with. */
  get waits(): boolean {
    return this.#waiting !== null;
  }

  /** Only to be called when nothing waits. */
  push(chunk: Buffer): void {
    if (this.#dead) return;
    if (this.#need === 0) {
      if (this.#have === 0) {
        this.#read(chunk);
        return;
      }
      const joined = Buffer.concat([this.#partial.subarray(0, this.#have), chunk]);
      this.#forgetPartial();
      this.#read(joined);
      return;
    }
    const take = Math.min(this.#need - this.#have, chunk.length);
    if (this.#have + take < this.#need) {
      if (!this.#room(this.#have + take)) return;
      chunk.copy(this.#partial, this.#have, 0, take);
      this.#have += take;
      return;
    }
    const whole = this.#wholeWith(chunk.subarray(0, take));
    this.#forgetPartial();
    this.#read(whole);
    if (take === chunk.length || this.#dead) return;
    const rest = chunk.subarray(take);
    if (this.#stopped) this.#waiting = rest;
    else this.#read(rest);
  }

  resume(): void {
    const rest = this.#waiting;
    this.#waiting = null;
    if (rest !== null && !this.#dead) this.#read(rest);
  }

  /** Lets go of what it holds. */
  end(): void {
    this.#dead = true;
    this.#waiting = null;
    this.#forgetPartial();
  }

  yieldRoom(): void {
    this.#bad('too much is waiting for the rest of packets');
  }

  #stopped: boolean = false;

  #read(buffer: Buffer): void {
    this.#stopped = false;
    let at = 0;
    while (at < buffer.length) {
      const first = buffer[at] ?? 0;
      let length = 0;
      let start = at + 1;
      let scale = 1;
      for (;;) {
        const byte = buffer[start];
        if (byte === undefined) {
          this.#keep(buffer, at, 0);
          return;
        }
        start += 1;
        length += (byte & 0x7f) * scale;
        if (byte < 0x80) break;
        if (start - at === MAX_HEADER) {
          this.#bad('remaining length is malformed');
          return;
        }
        scale *= 0x80;
      }
      const limit = this.#handler.limitOf(first);
      if (length > limit) {
        this.#bad(limit < 0 ? 'packet out of place' : 'packet too large');
        return;
      }
      const end = start + length;
      if (end > buffer.length) {
        this.#keep(buffer, at, end - at);
        return;
      }
      const goOn = this.#handler.onPacket(first, buffer, at, start, end);
      if (this.#dead) return;
      at = end;
      if (!goOn) {
        this.#stopped = true;
        if (at < buffer.length) this.#waiting = buffer.subarray(at);
        return;
      }
    }
  }

  #keep(buffer: Buffer, at: number, need: number): void {
    const have = buffer.length - at;
    if (!this.#room(have, need)) return;
    buffer.copy(this.#partial, 0, at);
    this.#have = have;
    this.#need = need;
  }

  /** The packet that ends here. It is done with before anything else is read: no room has to be made for it. */
  #wholeWith(rest: Buffer): Buffer {
    if (this.#need > this.#partial.length)
      return Buffer.concat([this.#partial.subarray(0, this.#have), rest], this.#need);
    rest.copy(this.#partial, this.#have);
    return this.#partial.subarray(0, this.#need);
  }

  /** Grows by doubling: a packet sent byte by byte is copied a few times, not once a byte. False: nothing more is read. */
  #room(bytes: number, need = this.#need): boolean {
    const before = this.#partial.length;
    if (bytes <= before) return true;
    const wanted = Math.max(bytes, Math.min(Math.max(before * 2, FIRST_CAPACITY), need));
    if (!this.#budget.grow(this, before, wanted)) return false;
    const grown = Buffer.allocUnsafeSlow(wanted);
    this.#partial.copy(grown, 0, 0, this.#have);
    this.#partial = grown;
    return true;
  }

  #forgetPartial(): void {
    this.#budget.release(this, this.#partial.length);
    this.#partial = NOTHING;
    this.#have = 0;
    this.#need = 0;
  }

  #bad(reason: string): void {
    this.end();
    this.#handler.onBad(reason);
  }
}
