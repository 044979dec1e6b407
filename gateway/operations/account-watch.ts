import type { Clock } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import { printable } from '../printable.ts';
import type { Store } from '../store-contract.ts';
import { balanceOf, imbalanceWords } from './account-balance.ts';

export interface AccountWatchDeps {
  readonly store: Pick<Store, 'account' | 'sinks'>;
  readonly events: Events;
  readonly clock: Clock;
}

const EVERY_MS = 60_000;

/**
 * Looks once a minute whether the account closes, and says so loudly where it does not: then the gateway has a bug.
 * Resolves when `signal` aborts; never rejects.
 */
export async function watchAccount(
  { store, events, clock }: AccountWatchDeps,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(EVERY_MS, signal);
    if (signal.aborted) return;
    try {
      look(store, events);
    } catch (error) {
      events.emit('hook.failed', { hook: 'account', error: messageOf(error) });
    }
  }
}

function look(store: AccountWatchDeps['store'], events: Events): void {
  const { imbalances, sum } = balanceOf(store.account(), store.sinks());
  const [first] = imbalances;
  if (first === undefined) return;
  events.emit('account.imbalance', {
    difference: sum,
    places: imbalances.length,
    first: printable(imbalanceWords(first), 256),
  });
}
