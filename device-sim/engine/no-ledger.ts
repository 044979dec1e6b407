import type { LedgerWriter } from '../contracts.ts';

/** Counts, and keeps nothing. */
export function noLedger(): LedgerWriter {
  let next = 0;
  return {
    sent() {
      next += 1;
      return next - 1;
    },
    acknowledged: () => undefined,
    refused: () => undefined,
    flush: () => undefined,
    close: () => Promise.resolve(),
  };
}
