import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import { shownUrl } from '../broker-link/broker-stream.ts';
import type { ExpectedPeer } from '../broker-link/connect-peer.ts';
import { keptNothingWords } from '../broker-link/kept-session.ts';
import type { GatewayConfig, PeerConfig } from '../config/gateway-config.ts';
import { SHARES_NOTHING, sharesNothing } from '../config/peers.ts';
import { messageOf } from '../errors.ts';
import type { SchemaDigests } from '../peer-hello.ts';
import { digestsOfSchemas, expectedOf } from '../wiring/peer-expectations.ts';
import { type Check, good, wrong } from './checks.ts';
import type { CommandParts } from './command-parts.ts';

const PROBE_TIMEOUT_MS = 10_000;

/** Whether another broker takes us: it is connected to under another client id, and nothing is read or published. */
export async function checkBroker(
  name: string,
  connection: BrokerConnection,
  parts: CommandParts,
): Promise<Check> {
  return await probe(name, connection, parts);
}

/** The same of one that is read, and whether it is to keep what comes while we are away. */
export async function checkReadBroker(
  name: string,
  connection: BrokerConnection,
  parts: CommandParts,
): Promise<Check> {
  const check = await probe(name, connection, parts);
  const words = keptNothingWords(connection);
  return words === null ? check : { ...check, detail: `${check.detail}; but ${words}` };
}

/** The same of a peer, and whether it is the one that is meant. */
export async function checkPeer(
  peer: PeerConfig,
  config: GatewayConfig,
  parts: CommandParts,
): Promise<Check> {
  const warnings: string[] = [];
  const expected = expectedOf(config, peer, {
    schemas: () => schemasOf(config, parts),
    warn: (words) => warnings.push(words),
  });
  const check = await probe(`peer ${peer.name}`, peer.link.connection, parts, expected);
  return { ...check, detail: [check.detail, ...warnings].join('; but ') };
}

/** Who shares with whom, and whether anything is shared. Null where there are no peers. */
export function checkShares(config: GatewayConfig): Check | null {
  const { peers } = config;
  if (peers === null) return null;
  const words = `${peers.name}, with ${peers.others.map(({ name }) => name).join(', ')}`;
  return good('peers', sharesNothing(config) ? `${words}; but ${SHARES_NOTHING}` : words);
}

async function probe(
  name: string,
  connection: BrokerConnection,
  parts: CommandParts,
  peer?: ExpectedPeer,
): Promise<Check> {
  const where = `${shownUrl(connection)}, as client ${connection.clientId}`;
  try {
    const problem = await parts.probeBroker(connection, AbortSignal.timeout(PROBE_TIMEOUT_MS), peer);
    return problem === null ? good(name, where) : wrong(name, `${where}: ${problem}`);
  } catch (error) {
    return wrong(name, `${where}: ${messageOf(error)}`);
  }
}

/** Null where they cannot be read; that is another check's to report. */
function schemasOf(config: GatewayConfig, parts: CommandParts): SchemaDigests | null {
  try {
    const { schemas, readings } = parts.loadReadings(config);
    return digestsOfSchemas(schemas, readings);
  } catch {
    return null;
  }
}
