import type { BrokerConnection } from './broker-connection.ts';

type SessionTerms = Pick<BrokerConnection, 'protocolVersion' | 'cleanStart' | 'sessionExpirySeconds'>;

/** Is the broker to keep what comes while we are away? (MQTT 3.1.1, 3.1.2.4; MQTT 5, 3.1.2.11.2.) */
export function keepsSession({ protocolVersion, cleanStart, sessionExpirySeconds }: SessionTerms): boolean {
  return !cleanStart && (protocolVersion === 4 || sessionExpirySeconds > 0);
}

/** What such a configuration may not have been meant to say; null where all is well. */
export function keptNothingWords(connection: SessionTerms): string | null {
  if (connection.cleanStart || keepsSession(connection)) return null;
  return 'with sessionExpiry: 0s the broker keeps nothing for us while the connection is lost, not even over a restart of this gateway: give it a longer one, or write cleanStart: true if that is meant';
}
