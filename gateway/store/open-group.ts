import { type OutcomeKind, REJECTION_CODES } from '../contracts.ts';
import type { Group, NewRejection, TransferKey } from '../store-contract.ts';
import type { AccountTable } from './account-table.ts';
import { RejectedMessage, rejectionId } from './rejection-record.ts';

/** Roughly what a rejection takes beside its payload. */
const REJECTION_BYTES = 300;

export interface OpenGroupDeps {
  readonly account: AccountTable;
  readonly nextRejectionId: () => number;
  readonly nowMs: number;
  readonly highWaterMs: number;
}

/** A group that collects. Nothing here is of effect before the group is committed. */
export class OpenGroup implements Group {
  readonly committed: Promise<void>;
  readonly arrivedMs: number;
  readonly lines: string[] = [];
  readonly tallies = new Map<number, number>();
  /** By position in `REJECTION_CODES`. */
  readonly codes = new Map<number, number>();
  readonly transfers: TransferKey[] = [];
  readonly rejected: RejectedMessage[] = [];
  highWaterMs: number;
  /** Characters of lines, and what the rest will roughly take. */
  bytes = 0;
  readonly #deps: OpenGroupDeps;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(deps: OpenGroupDeps) {
    this.#deps = deps;
    this.arrivedMs = deps.nowMs;
    this.highWaterMs = deps.highWaterMs;
    this.committed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever sent something waits for this promise; where nobody does, its rejection must not end the process.
    this.committed.catch(() => undefined);
  }

  count(source: string, device: string, outcome: OutcomeKind, n: number): void {
    const key = this.#deps.account.key(source, device, outcome);
    this.tallies.set(key, (this.tallies.get(key) ?? 0) + n);
  }

  point(line: string): void {
    this.lines.push(line);
    this.bytes += line.length;
  }

  reject(rejection: NewRejection): string {
    const id = this.#deps.nextRejectionId();
    const code = REJECTION_CODES.indexOf(rejection.code);
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    let message = this.rejected.at(-1);
    if (message === undefined || !message.continuesWith(rejection)) {
      message = new RejectedMessage(id, rejection);
      this.rejected.push(message);
    }
    this.bytes += REJECTION_BYTES + message.add(rejection);
    return rejectionId(id);
  }

  remember(key: TransferKey): void {
    this.transfers.push(key);
    this.bytes += 16;
  }

  arrivedAt(highWaterMs: number): void {
    if (highWaterMs > this.highWaterMs) this.highWaterMs = highWaterMs;
  }

  /** Whether the next message belongs into another group. */
  isFull(maxPoints: number, maxBytes: number): boolean {
    return this.lines.length >= maxPoints || this.transfers.length >= maxPoints || this.bytes >= maxBytes;
  }

  resolve(): void {
    this.#resolve();
  }

  refuse(error: Error): void {
    this.#reject(error);
  }
}
