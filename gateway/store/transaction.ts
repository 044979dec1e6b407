import type { Writes } from './storage.ts';

/**
 * One thing that a transaction makes true: what it writes, and what changes in memory once that is on disk. Made and
 * carried out while no other transaction is under way.
 */
export interface Change {
  write(writes: Writes): void;
  done(): void;
  /** It could not be committed. */
  failed?(): void;
}
