import { randomUUID } from 'node:crypto';

/** How the ids begin that the broker gives to clients that ask for none (MQTT 3.1.1, 3.1.3.1). Nobody may ask for one. */
export const GENERATED = '(generated)';

/** Another one for each connection, also across restarts: nothing of one client may be taken for another's. */
export function generateClientId(): string {
  return `${GENERATED}-${randomUUID()}`;
}

export function isGenerated(clientId: string): boolean {
  return clientId.startsWith(GENERATED);
}

/**
 * The name by which a client is accounted for. Those with a generated id share one: theirs differs with each connection,
 * and every one of them would be another row for ever.
 */
export function accountedClient(clientId: string): string {
  return isGenerated(clientId) ? GENERATED : clientId;
}
