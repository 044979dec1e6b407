import type { Ledgers } from '../../gateway/ledger-contract.ts';

/** Ledgers that have seen nothing and object to nothing, but for what a test gives. */
export function ledgersWith(some: Partial<Ledgers> = {}): Ledgers {
  return { judge: () => null, keep: () => undefined, saw: () => undefined, ...some };
}
