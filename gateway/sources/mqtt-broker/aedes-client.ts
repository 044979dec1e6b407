import type { Client } from 'aedes';

/** What a client asked to be published when it is lost. */
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/**
 * The parts of aedes 1.2.0's client that are not in its types. The version is pinned exactly; `asAedesClient` refuses to
 * run on another shape.
 */
export interface AedesClient extends Client {
  readonly _parser: {
    /** Given one whole packet, hands it to the broker at once. */
    parse(packet: Buffer): number;
    prependListener(event: 'packet', listener: (packet: AedesPacket) => void): unknown;
  };
  /** Packets that are being handled; each ends with a call of `_nextBatch`. */
  _parsingBatch: number;
  _nextBatch: (error?: Error | null) => void;
  _paused: boolean;
  readonly connackSent: boolean;
  resume: () => void;
  /** The client said DISCONNECT: its will is not sent. */
  _disconnected: boolean;
  readonly _authorized: boolean;
  readonly _keepaliveTimer: NodeJS.Timeout | null;
  readonly _will: Will | null | undefined;
  /** The packet id that its next message gets. */
  _nextId: number;
}

/** The packets whose contents matter here. */
export type AedesPacket =
  | { readonly cmd: 'subscribe'; readonly subscriptions: { topic: string; qos: number }[] }
  | { readonly cmd: 'unsubscribe'; readonly unsubscriptions: string[] }
  | { readonly cmd: 'connect' | 'publish' | 'pingreq' | 'disconnect' };

export function asAedesClient(client: Client): AedesClient {
  // Checked below, once per connection.
  const inner = client as AedesClient;
  const parser: { readonly parse?: unknown } | undefined = inner._parser;
  const fits =
    typeof parser?.parse === 'function' &&
    typeof inner._parsingBatch === 'number' &&
    typeof inner._nextBatch === 'function' &&
    typeof inner.resume === 'function' &&
    typeof inner._nextId === 'number' &&
    typeof inner._disconnected === 'boolean' &&
    typeof inner._authorized === 'boolean';
  if (!fits) throw new Error('this version of aedes has another shape than 1.2.0');
  return inner;
}
