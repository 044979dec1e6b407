import type { Outcome } from '../../contracts.ts';

export type QoS = 0 | 1 | 2;

/** A message on its way to subscribers. */
export interface Publication {
  readonly topic: string;
  /** A view of what the socket read: copy it to keep it. */
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
}

/**
 * Whether a message with these outcomes goes on to subscribers and to the retained messages. A repeat has already been
 * there; a message in which every reading was rejected would pass on what was just found to be wrong. (A message is not
 * split: an array with one good reading goes on whole.)
 */
export function goesOn(outcomes: readonly Outcome[]): boolean {
  const [first] = outcomes;
  if (first === undefined) return true;
  if (outcomes.length === 1) return first.kind === 'stored' || first.kind === 'forwarded';
  return outcomes.some(({ kind }) => kind === 'stored' || kind === 'forwarded');
}

export function lowerQos(a: QoS, b: QoS): QoS {
  if (a < b) return a;
  return b;
}

/** Of a PUBLISH, from its first byte; null where that is malformed (MQTT 3.1.1, 3.3.1.2). */
export function qosOf(first: number): QoS | null {
  const bits = (first >> 1) & 3;
  return bits === 0 || bits === 1 || bits === 2 ? bits : null;
}

const PUBLISH = 0x30;

/** A whole PUBLISH packet, neither retained nor sent again (MQTT 3.1.1, 3.3). `messageId` is left out with QoS 0. */
export function encodePublish(topic: string, payload: Buffer, qos: QoS, messageId: number): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const body = 2 + topicBytes + (qos === 0 ? 0 : 2) + payload.length;
  const header = [PUBLISH | (qos << 1)];
  let length = body;
  do {
    const low = length % 0x80;
    length = Math.trunc(length / 0x80);
    header.push(length > 0 ? low | 0x80 : low);
  } while (length > 0);
  const packet = Buffer.allocUnsafe(header.length + body);
  packet.set(header);
  let at = packet.writeUInt16BE(topicBytes, header.length);
  at += packet.write(topic, at);
  if (qos > 0) at = packet.writeUInt16BE(messageId, at);
  payload.copy(packet, at);
  return packet;
}
