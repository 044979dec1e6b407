import type { ExpectedPeer } from '../broker-link/connect-peer.ts';
import type { GatewayConfig, PeerConfig } from '../config/gateway-config.ts';
import { namesOf } from '../config/peers.ts';
import type { Clock } from '../contracts.ts';
import { digestsOf, type PeerHello, packHello, type SchemaDigests } from '../peer-hello.ts';
import type { StoreStatus } from '../store-contract.ts';

/** @param ids of the schemas in force */
export function digestsOfSchemas(
  ids: readonly string[],
  readings: { versionOf(id: string): string | null },
): SchemaDigests {
  return digestsOf(new Map(ids.map((id) => [id, readings.versionOf(id) ?? ''])));
}

export interface HelloDeps {
  readonly schemas: () => SchemaDigests;
  readonly status: () => Pick<StoreStatus, 'state' | 'reason'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
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

const SAME_HELLO_MS = 1000;
const NO_SCHEMAS = digestsOf(new Map());

/**
 * The packed hello of this moment, made anew once a second at most: whoever may connect can ask without end. One that has no
 * peers says nothing of its schemas.
 */
export function createHello(
  config: Pick<GatewayConfig, 'peers' | 'mqtt'>,
  { schemas, status, clock }: HelloDeps,
): () => Buffer {
  let packed: Buffer | null = null;
  let packedAtMs = 0;
  return () => {
    const nowMs = clock.monotonicMs();
    if (packed !== null && nowMs - packedAtMs < SAME_HELLO_MS) return packed;
    packedAtMs = nowMs;
    packed = packHello(helloOf(config, config.peers === null ? NO_SCHEMAS : schemas(), status()));
    return packed;
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
