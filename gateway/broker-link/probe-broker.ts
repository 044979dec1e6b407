import type { Clock } from '../contracts.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { type BrokerLinkOptions, connectBroker } from './connect-broker.ts';
import { connectPeer, type ExpectedPeer } from './connect-peer.ts';

const FAREWELL_MS = 1_000;

/**
 * Connects once, and leaves: what keeps this broker from being used, in words; null where nothing does. Under a client id
 * of its own, with a session that ends at once and without a will, so that nobody notices: it takes nothing from the
 * session of a gateway that runs. Nothing is subscribed to but, of a peer, what it says of itself. Never rejects.
 */
export async function probeBroker(
  connection: BrokerConnection,
  {
    clock,
    random,
    signal,
    peer,
    open,
  }: {
    readonly clock: Clock;
    readonly random: () => number;
    readonly signal: AbortSignal;
    readonly peer?: ExpectedPeer | undefined;
    /** For tests: where streams come from. */
    readonly open?: BrokerLinkOptions['open'];
  },
): Promise<string | null> {
  const suffix = Math.floor(random() * 0xffff_ffff)
    .toString(16)
    .padStart(8, '0');
  let connected: boolean = false;
  let refusal: string | null = null;
  const asVisitor: BrokerConnection = {
    ...connection,
    // MQTT 3.1.1 brokers need not take more than 23 letters and digits (3.1.3.1).
    clientId: `tgcheck${suffix}`,
    cleanStart: true,
    sessionExpirySeconds: 0,
    will: null,
  };
  const options: BrokerLinkOptions = {
    clock,
    random,
    once: true,
    ...(open === undefined ? {} : { open }),
    onConnected() {
      connected = true;
      void link.stop(FAREWELL_MS);
    },
    onState({ state, reason }) {
      // A peer that has no room says so as long as it is asked.
      if (state !== 'refused' && state !== 'retrying') return;
      refusal = reason;
      void link.stop(FAREWELL_MS);
    },
  };
  const link = peer === undefined ? connectBroker(asVisitor, options) : connectPeer(asVisitor, peer, options);
  const giveUp = (): void => link.drop('it did not answer in time');
  signal.addEventListener('abort', giveUp, { once: true });
  link.start();
  if (signal.aborted) giveUp();
  await link.ended;
  signal.removeEventListener('abort', giveUp);
  return connected ? null : (refusal ?? link.status().reason ?? 'it did not answer');
}
