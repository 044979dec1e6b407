import type { LinkDeps } from './link-deps.ts';
import { openSocketWire } from './socket-wire.ts';
import { openWebSocketWire } from './websocket-wire.ts';
import type { Wire, WireHandler } from './wire.ts';

const USUAL_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 };

/** @throws Error in words: no such protocol, an url that is none, a CA file that cannot be read. */
export function openWire(target: string, tls: LinkDeps['tls'], handler: WireHandler): Wire {
  const url = new URL(target);
  if (url.protocol === 'ws:' || url.protocol === 'wss:') return openWebSocketWire({ url, tls }, handler);
  const port = USUAL_PORTS[url.protocol];
  if (port === undefined) throw new Error(`${url.protocol}// is not spoken here: mqtt, mqtts, ws or wss`);
  return openSocketWire({ url, tls }, url.port === '' ? port : Number(url.port), handler);
}
