import type { AedesClient } from './aedes-client.ts';
import type { BrokerContext } from './broker-context.ts';

/**
 * The QoS 2 packet ids of one client between PUBLISH and PUBREL. Bounded: MQTT 3.1.1 lets nobody tell a client how many it
 * may have (MQTT 5 has its receive maximum), and a Mosquitto bridge that comes back sends all that it holds at once.
 */
export class OpenTransfers {
  readonly #context: BrokerContext;
  readonly #client: AedesClient;
  readonly #max: number;
  #ids: Set<number> | null = null;

  constructor(context: BrokerContext, client: AedesClient) {
    this.#context = context;
    this.#client = client;
    this.#max = context.limits.maxInFlight;
  }

  /**
   * Whether this packet id is still open from before: then the message has gone on to subscribers already (what is
   * stored is told from its repeats by `ingest`). Null when there are too many open ones.
   */
  opensAgain(packetId: number): boolean | null {
    this.#ids ??= this.#ofSession();
    if (this.#ids.has(packetId)) return true;
    if (this.#ids.size >= this.#max) return null;
    this.#ids.add(packetId);
    return false;
  }

  /** PUBREL came, or its message was not taken. */
  close(packetId: number): void {
    this.#ids ??= this.#ofSession();
    this.#ids.delete(packetId);
  }

  /** Those that are open from before. Only known once the client is let in. */
  #ofSession(): Set<number> {
    const { clean, id } = this.#client;
    return (clean ? null : this.#context.sessions.ensure(id))?.open ?? new Set();
  }
}
