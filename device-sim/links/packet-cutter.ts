/** Takes one packet: its body is `bytes[start, end)`. Answers whether to go on; what is left is dropped if not. */
export type PacketTaker = (first: number, bytes: Buffer, start: number, end: number) => boolean;

/** More than a gateway has to say to a device. */
const MAX_PACKET_BYTES = 1024 * 1024;

/**
 * Cuts what a gateway answers into packets. It holds nothing between chunks but the beginning of a packet whose end has
 * not come, so that it costs an idle connection one small object.
 */
export class PacketCutter {
  #partial: Buffer | null = null;

  /** False: these bytes are no MQTT, or the taker has had enough. */
  push(chunk: Buffer, take: PacketTaker): boolean {
    const bytes = this.#partial === null ? chunk : Buffer.concat([this.#partial, chunk]);
    this.#partial = null;
    let at = 0;
    while (at < bytes.length) {
      let length = 0;
      let start = at + 1;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[start];
        if (byte === undefined) return this.#keep(bytes, at);
        start += 1;
        length += (byte & 0x7f) << shift;
        if (byte < 0x80) break;
        if (shift === 21) return false;
      }
      if (length > MAX_PACKET_BYTES) return false;
      const end = start + length;
      if (end > bytes.length) return this.#keep(bytes, at);
      if (!take(bytes[at] ?? 0, bytes, start, end)) return false;
      at = end;
    }
    return true;
  }

  /** A copy: the chunk's memory may be that of a far larger read. */
  #keep(bytes: Buffer, at: number): true {
    this.#partial = Buffer.from(bytes.subarray(at));
    return true;
  }
}
