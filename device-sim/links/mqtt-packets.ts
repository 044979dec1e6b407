/** The packets that a device writes often, as bytes (MQTT 3.1.1, 3); the others are made by mqtt-packet. */
import { generate } from 'mqtt-packet';
import type { LinkDeps, LinkNames } from './link-deps.ts';

export const PACKET = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  pingresp: 13,
} as const;

/** First bytes of the short answers; PUBREL has a reserved bit (3.6.1). */
const FIRST_BYTES = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

export const PINGREQ = Buffer.from([0xc0, 0]);
export const DISCONNECT = Buffer.from([0xe0, 0]);

export function shortPacket(kind: keyof typeof FIRST_BYTES, packetId: number): Buffer {
  return Buffer.from([FIRST_BYTES[kind], 2, packetId >> 8, packetId & 0xff]);
}

/** `packetId` is left out with QoS 0. Made once for each message and not through an encoder: 10,000 a second. */
export function publishPacket(
  topic: string,
  payload: Buffer,
  qos: 0 | 1 | 2,
  packetId: number,
  dup: boolean,
): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const body = 2 + topicBytes + (qos === 0 ? 0 : 2) + payload.length;
  const lengthBytes = body < 0x80 ? 1 : body < 0x4000 ? 2 : body < 0x20_0000 ? 3 : 4;
  const packet = Buffer.allocUnsafe(1 + lengthBytes + body);
  packet[0] = 0x30 | (dup ? 8 : 0) | (qos << 1);
  let at = 1;
  for (let rest = body, i = 0; i < lengthBytes; i += 1) {
    packet[at] = (rest & 0x7f) | (i < lengthBytes - 1 ? 0x80 : 0);
    rest >>= 7;
    at += 1;
  }
  at = packet.writeUInt16BE(topicBytes, at);
  at += packet.write(topic, at);
  if (qos !== 0) at = packet.writeUInt16BE(packetId, at);
  payload.copy(packet, at);
  return packet;
}

export function connectPacket(
  names: LinkNames,
  deps: LinkDeps,
  options: { readonly clean: boolean; readonly keepaliveSeconds: number },
): Buffer {
  return generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: options.clean,
    clientId: names.clientId,
    keepalive: options.keepaliveSeconds,
    ...(deps.username === null ? {} : { username: deps.username }),
    // 3.1.2.9: no password without a user name.
    ...(deps.password === null || deps.username === null ? {} : { password: Buffer.from(deps.password) }),
  });
}

export function subscribePacket(topic: string, packetId: number): Buffer {
  return generate({ cmd: 'subscribe', messageId: packetId, subscriptions: [{ topic, qos: 0 }] });
}
