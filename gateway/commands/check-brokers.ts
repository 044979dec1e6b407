import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import { shownUrl } from '../broker-link/broker-stream.ts';
import type { ExpectedPeer } from '../broker-link/connect-peer.ts';
import { messageOf } from '../errors.ts';
import { type Check, good, wrong } from './checks.ts';
import type { CommandParts } from './command-parts.ts';

const PROBE_TIMEOUT_MS = 10_000;

/**
 * Whether another broker takes us: it is connected to under another client id, and nothing is read or published. Of a peer
 * also whether it is the one that is meant.
 */
export async function checkBroker(
  name: string,
  connection: BrokerConnection,
  parts: CommandParts,
  peer?: ExpectedPeer,
): Promise<Check> {
  const url = shownUrl(connection);
  try {
    const problem = await parts.probeBroker(connection, AbortSignal.timeout(PROBE_TIMEOUT_MS), peer);
    return problem === null ? good(name, url) : wrong(name, `${url}: ${problem}`);
  } catch (error) {
    return wrong(name, `${url}: ${messageOf(error)}`);
  }
}
