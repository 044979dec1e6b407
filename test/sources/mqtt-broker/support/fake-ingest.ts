import type { Ingest, Ingested, Message, Outcome } from '../../../../gateway/contracts.ts';

export const STORED: readonly Outcome[] = [{ kind: 'stored', receipt: null }];
export const FORWARDED: readonly Outcome[] = [{ kind: 'forwarded', receipt: null }];
export const DUPLICATE: readonly Outcome[] = [{ kind: 'duplicate', receipt: null }];

export function rejected(id: string, seq: number | null = null): Outcome {
  return { kind: 'rejected', id, code: 'invalid', violations: [], atMs: 1_700_000_000_000, seq };
}

/** A promise that the test settles. */
export interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

export function deferred(): Deferred {
  let resolve = (): void => undefined;
  let reject = (_error: Error): void => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** An ingest whose commits happen when the test says so, or at once. */
export class FakeIngest implements Ingest {
  readonly messages: Message[] = [];
  readonly releasedIds: string[] = [];
  readonly cleared: string[] = [];
  /** Commit without being told. */
  automatic: boolean = true;
  outcomeOf: (message: Message) => readonly Outcome[] = () => STORED;
  /** Also withholds `released`. */
  releaseCommits: Promise<void> | null = null;
  #open: Deferred | null = null;

  ingest(message: Message): Ingested {
    // Copied, since it is not to be kept.
    const outcomes = this.outcomeOf(message);
    this.messages.push({ ...message, payload: Buffer.from(message.payload) });
    if (this.#open === null) {
      this.#open = deferred();
      if (this.automatic) setImmediate(() => this.commit());
    }
    return { outcomes, committed: this.#open.promise };
  }

  released(client: string, packetId: number): Promise<void> {
    this.releasedIds.push(`${client}:${packetId}`);
    return this.releaseCommits ?? Promise.resolve();
  }

  sessionCleared(client: string): void {
    this.cleared.push(client);
  }

  sessionLost(): Promise<void> {
    return Promise.reject(new Error('no broker loses a session with its own client'));
  }

  commit(): void {
    this.#open?.resolve();
    this.#open = null;
  }

  failCommit(error: Error): void {
    this.#open?.reject(error);
    this.#open = null;
  }
}
