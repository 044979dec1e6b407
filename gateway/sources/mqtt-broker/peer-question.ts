import { helloAsker } from '../../peer-hello.ts';
import { encodePublish } from './publication.ts';
import type { ReceiptReader } from './receipt-desk.ts';

/** What one connection asks this gateway as a peer does: by a subscription that brings one answer, and nothing else. */
export class PeerQuestion {
  readonly #outbox: Pick<ReceiptReader, 'deliver0'>;
  /** One at a time: aedes remembers each filter that it has granted. */
  #filter: string | null = null;

  constructor(outbox: Pick<ReceiptReader, 'deliver0'>) {
    this.#outbox = outbox;
  }

  /** It subscribes where peers ask. False: it may not. */
  ask(filter: string): boolean {
    if (helloAsker(filter) === null || (this.#filter !== null && this.#filter !== filter)) return false;
    this.#filter = filter;
    return true;
  }

  /** Who asks by one of these filters, as it calls itself; null where none is its question. */
  askerIn(filters: readonly { readonly topic: string }[]): string | null {
    const filter = this.#filter;
    return filter !== null && filters.some(({ topic }) => topic === filter) ? helloAsker(filter) : null;
  }

  /** To it alone, whatever others have subscribed to. */
  answer(hello: Buffer): void {
    if (this.#filter !== null) this.#outbox.deliver0(encodePublish(this.#filter, hello, 0, 0));
  }

  /** It unsubscribes. */
  forget(filter: string): void {
    if (filter === this.#filter) this.#filter = null;
  }
}
