/**
 * The QoS 2 packet ids of one client between PUBLISH and PUBREL. Bounded: MQTT 3.1.1 lets nobody tell a client how many it
 * may have (MQTT 5 has its receive maximum), and a Mosquitto bridge that comes back sends all that it holds at once.
 */
export class OpenTransfers {
  readonly #find: () => Set<number>;
  readonly #max: number;
  #ids: Set<number> | null = null;

  /** `find` gives those that are open from before; asked once, when the first is needed. */
  constructor(find: () => Set<number>, max: number) {
    this.#find = find;
    this.#max = max;
  }

  /**
   * Whether this packet id is still open from before: then the message has gone on to subscribers already (what is
   * stored is told from its repeats by `ingest`). Null when there are too many open ones.
   */
  opensAgain(packetId: number): boolean | null {
    this.#ids ??= this.#find();
    if (this.#ids.has(packetId)) return true;
    if (this.#ids.size >= this.#max) return null;
    this.#ids.add(packetId);
    return false;
  }

  /** PUBREL came, or its message was not taken. */
  close(packetId: number): void {
    this.#ids ??= this.#find();
    this.#ids.delete(packetId);
  }
}
