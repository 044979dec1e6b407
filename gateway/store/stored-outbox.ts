import type { Outbox, OutboxLedger, OutboxPlace, OutboxSlice } from '../store-contract.ts';
import type { Log } from './log.ts';
import type { OutboxesTable } from './outboxes-table.ts';
import type { Change } from './transaction.ts';

export interface StoredOutboxDeps {
  readonly outboxes: OutboxesTable;
  readonly log: Log;
  /** One transaction, planned when none is under way. */
  readonly change: (plan: () => Change) => Promise<void>;
}

/** One outbox of the store, for whoever sends what is in it. */
export class StoredOutbox implements Outbox {
  readonly name: string;
  readonly #deps: StoredOutboxDeps;

  constructor(name: string, deps: StoredOutboxDeps) {
    this.name = name;
    this.#deps = deps;
  }

  ledger(): OutboxLedger {
    return this.#deps.outboxes.ledger(this.name);
  }

  read(
    after: OutboxPlace | null,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): OutboxSlice | null {
    const { outboxes, log } = this.#deps;
    return outboxes.read(this.name, after, log.lastSeq, limits);
  }

  async sent(place: OutboxPlace, refused = 0): Promise<void> {
    await this.#deps.change(() => this.#deps.outboxes.settle(this.name, place, refused));
  }

  onMessages(listener: () => void): void {
    this.#deps.outboxes.onMessages(this.name, listener);
  }
}
