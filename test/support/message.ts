import type { Message } from '../../gateway/contracts.ts';

/** A message as a client sends it over MQTT, with nothing special about it. */
export function messageOn(topic: string, payload: string | Buffer, more: Partial<Message> = {}): Message {
  return {
    source: 'mqtt',
    topic,
    payload: Buffer.from(payload),
    client: 'c1',
    username: null,
    device: null,
    transfer: null,
    retain: false,
    address: null,
    format: null,
    receipts: false,
    relay: null,
    ...more,
  };
}
