import type { Relay } from '../../contracts.ts';

const MQTT_5 = 5;
const BRIDGED: Relay = Object.freeze({ contentType: null, userProperties: new Map<string, string>() });
/** Bridges set the highest bit of the protocol level: Mosquitto's custom, not the standard's. */
const BRIDGE_BIT = 0x80;

/** CONNACK with return code 1: unacceptable protocol version (MQTT 3.1.1, 3.2.2.3). */
export const VERSION_REFUSED: Buffer = Buffer.from([0x20, 2, 0, 1]);

/** Whether the body of a CONNECT, `buffer[start, end)`, asks for MQTT 5 (MQTT 5.0, 3.1.2.2). */
export function isMqtt5Connect(buffer: Buffer, start: number, end: number): boolean {
  return (levelOf(buffer, start, end) & ~BRIDGE_BIT) === MQTT_5;
}

/** Where it is another broker that connects, to pass on what others sent to it; null where it is a client like any other. */
export function relayOfConnect(buffer: Buffer, start: number, end: number): Relay | null {
  return (levelOf(buffer, start, end) & BRIDGE_BIT) === 0 ? null : BRIDGED;
}

/** The protocol level; 0 where there is none. */
function levelOf(buffer: Buffer, start: number, end: number): number {
  if (end - start < 2) return 0;
  const level = start + 2 + buffer.readUInt16BE(start);
  return level < end ? (buffer[level] ?? 0) : 0;
}
