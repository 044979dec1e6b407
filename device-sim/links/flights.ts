import type { Outgoing } from '../contracts.ts';
import { publishPacket, shortPacket } from './mqtt-packets.ts';

/** The one packet id that no message gets: it is for SUBSCRIBE. */
export const SUBSCRIBE_ID = 65_535;

/** A message between its first PUBLISH and its last answer. */
interface Flight {
  readonly message: Outgoing;
  /** A second transfer of the same message: its acknowledgement is told to nobody. */
  readonly isShadow: boolean;
  /** QoS 2, PUBREC has come: only PUBREL is sent from here on. */
  isReleased: boolean;
  wasSent: boolean;
  /** The next answer is to be taken for lost. */
  losesAnswer: boolean;
}

/** What an answer comes to: the token it acknowledges; `lost`: it is to be lost on the way; null: nothing to tell. */
export type Answered = number | 'lost' | null;

/**
 * What a client keeps of its QoS 1 and QoS 2 messages until they are acknowledged (MQTT 3.1.1, 4.1, 4.3, 4.4). In a new
 * connection all of it is sent again, in the order of the first time: PUBLISH with DUP and the same packet id, or PUBREL.
 */
export class Flights {
  readonly #qos: 1 | 2;
  /** By packet id; PUBRELs in the order of their PUBRECs, behind the messages that have none (4.6). */
  #flights: Map<number, Flight> | null = null;
  #lastId = 0;
  #resent = 0;

  constructor(qos: 1 | 2) {
    this.#qos = qos;
  }

  get size(): number {
    return this.#flights?.size ?? 0;
  }

  /** PUBLISH packets beyond the first of each transfer. */
  get resent(): number {
    return this.#resent;
  }

  /** Takes a message in. Null: every packet id is in use. */
  add(message: Outgoing, isShadow: boolean): number | null {
    const packetId = this.#freeId();
    if (packetId === null) return null;
    this.#flights ??= new Map();
    this.#flights.set(packetId, {
      message,
      isShadow,
      isReleased: false,
      wasSent: false,
      losesAnswer: !isShadow && message.fault === 'lost-puback',
    });
    return packetId;
  }

  /** The PUBLISH, or PUBREL, that this message is to be sent as now; DUP from the second time on. */
  packetOf(packetId: number): Buffer {
    const flight = this.#flights?.get(packetId);
    if (flight === undefined) throw new RangeError(`nothing is under way as ${packetId}`);
    if (flight.isReleased) return shortPacket('pubrel', packetId);
    const { message, wasSent } = flight;
    if (wasSent) this.#resent += 1;
    flight.wasSent = true;
    return publishPacket(message.topic, message.payload, this.#qos, packetId, wasSent);
  }

  /** Everything, for a new connection, in order. */
  *packets(): IterableIterator<Buffer> {
    for (const packetId of this.#flights?.keys() ?? []) yield this.packetOf(packetId);
  }

  puback(packetId: number): Answered {
    return this.#qos === 1 ? this.#answer(packetId) : null;
  }

  /** PUBREL is the answer to it in any case, also where the id is not known any more, unless it is `lost`. */
  pubrec(packetId: number): Answered {
    const flight = this.#flights?.get(packetId);
    if (this.#qos !== 2 || flight?.wasSent !== true) return null;
    if (flight.losesAnswer) {
      flight.losesAnswer = false;
      return 'lost';
    }
    flight.isReleased = true;
    this.#flights?.delete(packetId);
    this.#flights?.set(packetId, flight);
    return null;
  }

  pubcomp(packetId: number): Answered {
    return this.#qos === 2 && this.#flights?.get(packetId)?.isReleased === true
      ? this.#answer(packetId)
      : null;
  }

  #answer(packetId: number): Answered {
    const flight = this.#flights?.get(packetId);
    if (flight === undefined || !flight.wasSent) return null;
    if (flight.losesAnswer) {
      flight.losesAnswer = false;
      return 'lost';
    }
    this.#flights?.delete(packetId);
    if (this.#flights?.size === 0) this.#flights = null;
    return flight.isShadow ? null : flight.message.token;
  }

  #freeId(): number | null {
    if (this.size >= SUBSCRIBE_ID - 1) return null;
    let id = this.#lastId;
    do id = id === SUBSCRIBE_ID - 1 ? 1 : id + 1;
    while (this.#flights?.has(id) === true);
    this.#lastId = id;
    return id;
  }
}
