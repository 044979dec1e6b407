import { type Identity, type OutcomeKind, REJECTION_CODES } from '../contracts.ts';
import type { Group, Hash, NewRejection, Resolution, TransferKey } from '../store-contract.ts';
import type { AccountTable } from './account-table.ts';
import { MAX_NOTES, noteOf } from './documents.ts';
import { type LastNotes, topicKey } from './last-payloads.ts';
import { OutboxParcel } from './outbox-parcel.ts';
import { parseRejectionId, RejectedMessage, rejectionId } from './rejection-record.ts';

/** Roughly what a rejection takes beside its payload. */
const REJECTION_BYTES = 300;
/** Each is a value of its own in the transaction: with this many, the next message belongs into another group. */
const MANY_VALUES = 128;

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
  /** By device: high and low half of each, by turns. */
  readonly identities = new Map<string, number[]>();
  readonly notes = new Map<string, Buffer>();
  /** Notes that were too large or too many. */
  notesLost = 0;
  readonly resolutions = new Map<number, Resolution['kind']>();
  /** What is to be forwarded, by outbox; null while nothing is. */
  parcels: Map<string, OutboxParcel> | null = null;
  lastPayloads: LastNotes | null = null;
  isProvisional: boolean = false;
  /** What to add to its provisional times, where the clock was set while it waited for its commit. */
  baseNs: string | null = null;
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

  receive(source: string, device: string, n: number): void {
    const key = this.#deps.account.key(source, device, 'received');
    this.tallies.set(key, (this.tallies.get(key) ?? 0) + n);
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

  identify(device: string, { high, low }: Identity): void {
    const known = this.identities.get(device);
    if (known === undefined) this.identities.set(device, [high, low]);
    else known.push(high, low);
    this.bytes += 8;
  }

  resolve(id: string, kind: Resolution['kind']): void {
    const number = parseRejectionId(id);
    if (number !== null && !this.resolutions.has(number)) this.resolutions.set(number, kind);
  }

  note(name: string, text: string): void {
    const value = this.notes.size < MAX_NOTES || this.notes.has(name) ? noteOf(name, text) : null;
    if (value === null) {
      this.notesLost += 1;
      return;
    }
    this.notes.set(name, value);
    this.bytes += name.length + value.length;
  }

  rememberLast(topic: Hash, payload: Hash): void {
    this.lastPayloads ??= new Map();
    this.lastPayloads.set(topicKey(topic), {
      topicHigh: topic.high,
      topicLow: topic.low,
      payloadHigh: payload.high,
      payloadLow: payload.low,
    });
    this.bytes += 24;
  }

  forward(outbox: string, topic: string, payload: Buffer): void {
    this.parcels ??= new Map();
    let parcel = this.parcels.get(outbox);
    if (parcel === undefined) {
      parcel = new OutboxParcel();
      this.parcels.set(outbox, parcel);
    }
    this.bytes += parcel.add(topic, payload);
  }

  markProvisional(): void {
    this.isProvisional = true;
  }

  arrivedAt(highWaterMs: number): void {
    if (highWaterMs > this.highWaterMs) this.highWaterMs = highWaterMs;
  }

  /** Nothing was added to it. */
  get isEmpty(): boolean {
    const { tallies, lines, transfers, rejected, identities, notes, resolutions } = this;
    if (this.parcels !== null || this.lastPayloads !== null) return false;
    const added = tallies.size + lines.length + transfers.length + rejected.length;
    return added + identities.size + notes.size + resolutions.size === 0;
  }

  /** Whether the next message belongs into another group. */
  isFull(maxPoints: number, maxBytes: number): boolean {
    return (
      this.lines.length >= maxPoints ||
      this.transfers.length >= maxPoints ||
      this.bytes >= maxBytes ||
      this.notes.size >= MANY_VALUES ||
      this.resolutions.size >= MANY_VALUES
    );
  }

  /** It is on disk. */
  succeed(): void {
    this.#resolve();
  }

  refuse(error: Error): void {
    this.#reject(error);
  }
}
