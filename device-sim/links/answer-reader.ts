import { PACKET } from './mqtt-packets.ts';
import { PacketCutter } from './packet-cutter.ts';

export type AnswerKind = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';

/** Each answers whether to go on reading. */
export interface AnswerHandler {
  connack(code: number, sessionPresent: boolean): boolean;
  answered(kind: AnswerKind, packetId: number): boolean;
  /** A message of somebody else; `packetId` is 0 with QoS 0. */
  published(qos: number, packetId: number): boolean;
  pingresp(): void;
}

/** Reads what a gateway says to a device in one connection, CONNACK first (MQTT 3.1.1, 3). It says little: everything else is not to be understood. */
export class AnswerReader {
  readonly #cutter = new PacketCutter();
  readonly #handler: AnswerHandler;
  #isConnected: boolean = false;

  constructor(handler: AnswerHandler) {
    this.#handler = handler;
  }

  /** False: it is no MQTT, or the handler has had enough. */
  push(chunk: Buffer): boolean {
    return this.#cutter.push(chunk, this.#take);
  }

  readonly #take = (first: number, bytes: Buffer, start: number, end: number): boolean => {
    const kind = first >> 4;
    if (!this.#isConnected) {
      if (kind !== PACKET.connack || end - start !== 2) return false;
      this.#isConnected = true;
      return this.#handler.connack(bytes[start + 1] ?? 0, ((bytes[start] ?? 0) & 1) === 1);
    }
    switch (kind) {
      case PACKET.publish:
        return this.#takePublish((first >> 1) & 3, bytes, start, end);
      case PACKET.puback:
        return end - start === 2 && this.#handler.answered('puback', bytes.readUInt16BE(start));
      case PACKET.pubrec:
        return end - start === 2 && this.#handler.answered('pubrec', bytes.readUInt16BE(start));
      case PACKET.pubrel:
        return end - start === 2 && this.#handler.answered('pubrel', bytes.readUInt16BE(start));
      case PACKET.pubcomp:
        return end - start === 2 && this.#handler.answered('pubcomp', bytes.readUInt16BE(start));
      case PACKET.pingresp:
        this.#handler.pingresp();
        return true;
      default:
        return kind === PACKET.suback;
    }
  };

  #takePublish(qos: number, bytes: Buffer, start: number, end: number): boolean {
    if (qos === 3 || end - start < 2) return false;
    const idAt = start + 2 + bytes.readUInt16BE(start);
    if (idAt + (qos === 0 ? 0 : 2) > end) return false;
    return this.#handler.published(qos, qos === 0 ? 0 : bytes.readUInt16BE(idAt));
  }
}
