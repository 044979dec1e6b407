const MQTT_5 = 5;
/** Bridges set the highest bit of the protocol level. */
const LEVEL_MASK = 0x7f;

/** Whether the body of a CONNECT, `buffer[start, end)`, asks for MQTT 5 (MQTT 5.0, 3.1.2.2). */
export function isMqtt5Connect(buffer: Buffer, start: number, end: number): boolean {
  if (end - start < 2) return false;
  const level = start + 2 + buffer.readUInt16BE(start);
  return level < end && ((buffer[level] ?? 0) & LEVEL_MASK) === MQTT_5;
}
