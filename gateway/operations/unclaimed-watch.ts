import type { Clock } from '../contracts.ts';
import type { Events } from '../monitoring/events.ts';
import type { Account, Store, Tally } from '../store-contract.ts';

export interface UnclaimedWatchDeps {
  readonly store: Pick<Store, 'account'>;
  /** Names of the brokers that are read for their readings. */
  readonly brokers: readonly string[];
  readonly events: Events;
  readonly clock: Clock;
}

const EVERY_MS = 60_000;

/**
 * Says once of each broker that it has brought messages since the start, and none that a schema claims: all is acknowledged
 * then and nothing stored, which no other sign tells from a gateway that works. Ends when of each broker it has been said,
 * or something was claimed, or `signal` aborts; never rejects.
 */
export async function watchUnclaimed(
  { store, brokers, events, clock }: UnclaimedWatchDeps,
  signal: AbortSignal,
): Promise<void> {
  const first = store.account().sources;
  const open = new Set(brokers);
  while (open.size > 0) {
    await clock.sleep(EVERY_MS, signal);
    if (signal.aborted) return;
    const { sources } = store.account();
    for (const broker of open) {
      const messages = since(sources, first, broker, 'received');
      if (messages === 0) continue;
      if (since(sources, first, broker, 'forwarded') === messages)
        events.emit('broker.unclaimed', { broker, messages });
      open.delete(broker);
    }
  }
}

function since(
  now: Account['sources'],
  then: Account['sources'],
  broker: string,
  count: keyof Tally,
): number {
  return (now[broker]?.[count] ?? 0) - (then[broker]?.[count] ?? 0);
}
