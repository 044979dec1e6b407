import type { Ingest } from '../contracts.ts';
import type { Brokers } from './brokers-wiring.ts';

/**
 * Takes as `ingest` does, and has what peers pass on told of over the broker that they have read it from: here is where it
 * is rejected, and only here is that known.
 */
export function withPeerReceipts(ingest: Ingest, tookFromPeer: Brokers['tookFromPeer']): Ingest {
  return {
    ...ingest,
    ingest(message) {
      const ingested = ingest.ingest(message);
      if (message.relay?.broker !== undefined) tookFromPeer(message, ingested);
      return ingested;
    },
  };
}
