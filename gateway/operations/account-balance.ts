import { OUTCOMES } from '../contracts.ts';
import type { Imbalance } from '../operations-contract.ts';
import type { Account, SinkLedger, Tally } from '../store-contract.ts';

export interface Balance {
  /** At most 1,000, the total first. Empty: the account closes. */
  readonly imbalances: readonly Imbalance[];
  /** Of all differences, without their signs; also of those beyond the 1,000. */
  readonly sum: number;
}

const MAX_ROWS = 1_000;

/**
 * Whether the account closes: what was received is the sum of where it ended, in total, for each source and for each
 * device; and what was stored for a sink is the sum of what became of it there.
 */
export function balanceOf(account: Account, sinks: readonly SinkLedger[]): Balance {
  const imbalances: Imbalance[] = [];
  let sum = 0;
  const compare = (scope: Imbalance['scope'], name: string, received: number, accounted: number): void => {
    const difference = received - accounted;
    if (difference === 0) return;
    sum += Math.abs(difference);
    if (imbalances.length < MAX_ROWS) imbalances.push({ scope, name, received, accounted, difference });
  };
  compare('total', '', account.total.received, accounted(account.total));
  for (const [source, tally] of Object.entries(account.sources))
    compare('source', source, tally.received, accounted(tally));
  for (const { name, stored, written, rejected, dropped, pending } of sinks)
    compare('sink', name, stored, written + rejected + dropped + pending);
  for (const [device, tally] of account.devices) compare('device', device, tally.received, accounted(tally));
  return { imbalances, sum };
}

/** `device kitchen received 12, accounted for 11 (difference 1)` */
export function imbalanceWords({ scope, name, received, accounted: ended, difference }: Imbalance): string {
  const who = scope === 'total' ? 'in total' : `${scope} ${name}`;
  return `${who}: received ${received}, accounted for ${ended} (difference ${difference})`;
}

function accounted(tally: Tally): number {
  let sum = 0;
  for (const outcome of OUTCOMES) sum += tally[outcome];
  return sum;
}
