import type { ExpectedPeer } from '../broker-link/connect-peer.ts';
import type { GatewayConfig, PeerConfig } from '../config/gateway-config.ts';
import { namesOf } from '../config/peers.ts';
import { digestsOf, type PeerHello, type SchemaDigests } from '../peer-hello.ts';
import type { StoreStatus } from '../store-contract.ts';

/** @param ids of the schemas in force */
export function digestsOfSchemas(
  ids: readonly string[],
  readings: { versionOf(id: string): string | null },
): SchemaDigests {
  return digestsOf(new Map(ids.map((id) => [id, readings.versionOf(id) ?? ''])));
}

/** What this gateway says of itself to one that asks. */
export function helloOf(
  { peers, mqtt }: Pick<GatewayConfig, 'peers' | 'mqtt'>,
  schemas: SchemaDigests,
  { state, reason }: Pick<StoreStatus, 'state' | 'reason'>,
): PeerHello {
  return {
    name: peers?.name ?? null,
    others: (peers?.others ?? []).map(({ name }) => name),
    maxPacketBytes: mqtt.limits.maxPacketBytes,
    schemas,
    full: state === 'open' ? null : (reason ?? state),
  };
}

/** What a peer has to say to this gateway. */
export function expectedOf(
  { peers, limits }: Pick<GatewayConfig, 'peers' | 'limits'>,
  { answers }: Pick<PeerConfig, 'answers'>,
  { schemas, warn }: Pick<ExpectedPeer, 'schemas' | 'warn'>,
): ExpectedPeer {
  return {
    asker: peers?.name ?? '',
    name: answers,
    members: namesOf(peers),
    maxPayloadBytes: limits.payloadBytes,
    schemas,
    warn,
  };
}
