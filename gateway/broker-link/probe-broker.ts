import type { Clock } from '../contracts.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { connectBroker } from './connect-broker.ts';

const FAREWELL_MS = 1_000;

/**
 * Connects once, and leaves: what keeps this broker from being used, in words; null where nothing does. Under a client id
 * of its own, with a session that ends at once and without a will, so that nobody notices: it takes nothing from the
 * session of a gateway that runs. Nothing is subscribed to. Never rejects.
 */
export async function probeBroker(
  connection: BrokerConnection,
  {
    clock,
    random,
    signal,
  }: { readonly clock: Clock; readonly random: () => number; readonly signal: AbortSignal },
): Promise<string | null> {
  const suffix = Math.floor(random() * 0xffff_ffff)
    .toString(16)
    .padStart(8, '0');
  let connected: boolean = false;
  const link = connectBroker(
    {
      ...connection,
      clientId: `telemetry-gateway-check-${suffix}`,
      cleanStart: true,
      sessionExpirySeconds: 0,
      will: null,
    },
    {
      clock,
      random,
      once: true,
      onConnected() {
        connected = true;
        void link.stop(FAREWELL_MS);
      },
    },
  );
  const giveUp = (): void => link.drop('it did not answer in time');
  signal.addEventListener('abort', giveUp, { once: true });
  link.start();
  if (signal.aborted) giveUp();
  await link.ended;
  signal.removeEventListener('abort', giveUp);
  return connected ? null : (link.status().reason ?? 'it did not answer');
}
