import type { Clock, Outcome } from '../../contracts.ts';
import type { MqttLimits } from './limits.ts';
import { encodePublish } from './publication.ts';
import { encodeReceipt, encodeTaken, MAX_RECEIPT_BYTES, ReceiptAllowance, type Taken } from './receipts.ts';
import type { Subscribers } from './subscribers.ts';
import { everyReceiptTopic, receiptTopic } from './topics.ts';

/** A connection to which receipts may go. */
export interface ReceiptReader {
  /** Whether one of its filters takes in this topic. */
  reads(topic: string): boolean;
  /** Sends an encoded packet, or drops it where the reader is too slow or has gone. */
  deliver0(packet: Buffer): void;
}

/** Who reads the receipts of one client: on `gateway/receipts/{id}`, and on `…/{id}/all`. */
interface Readers {
  readonly own: readonly ReceiptReader[];
  readonly every: readonly ReceiptReader[];
}

/** A connection with what its receipts need. One for each connection. */
export interface ReceiptSender {
  readonly clientId: string;
  readonly reader: ReceiptReader;
  readers: Readers;
  /** For which state of the subscriptions `readers` holds. */
  generation: number;
  rejected: ReceiptAllowance | null;
  taken: ReceiptAllowance | null;
}

const NOBODY: Readers = Object.freeze({ own: Object.freeze([]), every: Object.freeze([]) });
const TAKEN_KINDS = ['stored', 'duplicate', 'forwarded'] as const;

/**
 * Tells clients, and observers, what became of readings. Rejections have an allowance of their own, so that receipts of
 * good readings never crowd them out. One receipt that is let through goes to all that read it.
 */
export class ReceiptDesk {
  readonly #limits: MqttLimits;
  readonly #clock: Clock;
  readonly #subscribers: Subscribers;
  readonly #observerIds: ReadonlySet<string>;
  /** Those of them that are connected and have subscribed to something. */
  readonly #observers = new Set<ReceiptReader>();

  constructor(limits: MqttLimits, clock: Clock, subscribers: Subscribers, observerIds: readonly string[]) {
    this.#limits = limits;
    this.#clock = clock;
    this.#subscribers = subscribers;
    this.#observerIds = new Set(observerIds);
  }

  isObserver(clientId: string): boolean {
    return this.#observerIds.has(clientId);
  }

  /** An observer subscribes. To be called before its subscription is added. */
  observe(reader: ReceiptReader): void {
    this.#observers.add(reader);
  }

  /** It has gone, and so have its subscriptions. */
  leave(reader: ReceiptReader): void {
    this.#observers.delete(reader);
  }

  sender(clientId: string, reader: ReceiptReader): ReceiptSender {
    return { clientId, reader, readers: NOBODY, generation: 0, rejected: null, taken: null };
  }

  /** Somebody waits to be told of each of its readings. */
  wantsEvery(sender: ReceiptSender): boolean {
    return this.#readersOf(sender).every.length > 0;
  }

  /** Somebody is to be told of these. */
  wants(sender: ReceiptSender, outcomes: readonly Outcome[]): boolean {
    const { own, every } = this.#readersOf(sender);
    if (every.length > 0) return true;
    return own.length > 0 && outcomes.some(isForOwn);
  }

  /** To be called after the commit. */
  send(sender: ReceiptSender, topic: string, outcomes: readonly Outcome[]): void {
    const readers = this.#readersOf(sender);
    if (readers === NOBODY) return;
    this.#sendRejected(sender, readers, topic, outcomes);
    for (const kind of TAKEN_KINDS) this.#sendTaken(sender, readers, topic, outcomes, kind);
  }

  #sendRejected(sender: ReceiptSender, readers: Readers, topic: string, outcomes: readonly Outcome[]): void {
    const { receiptBurst, receiptsPerSecond } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    for (const outcome of outcomes) {
      if (outcome.kind !== 'rejected') continue;
      sender.rejected ??= new ReceiptAllowance(receiptBurst, nowMs);
      const suppressed = sender.rejected.take(receiptBurst, receiptsPerSecond, nowMs);
      if (suppressed === null) continue;
      const receipt = encodeReceipt(topic, outcome, suppressed);
      deliver(readers.own, receiptTopic(sender.clientId), receipt);
      deliver(readers.every, everyReceiptTopic(sender.clientId), receipt);
    }
  }

  #sendTaken(
    sender: ReceiptSender,
    readers: Readers,
    topic: string,
    outcomes: readonly Outcome[],
    kind: Taken['kind'],
  ): void {
    const every = readers.every.length === 0 ? null : summary(outcomes, kind, this.#clock, isOf);
    const own = readers.own.length === 0 ? null : summary(outcomes, kind, this.#clock, isForOwn);
    if (every === null && own === null) return;
    const { takenReceiptBurst, takenReceiptsPerSecond } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    sender.taken ??= new ReceiptAllowance(takenReceiptBurst, nowMs);
    const suppressed = sender.taken.take(takenReceiptBurst, takenReceiptsPerSecond, nowMs);
    if (suppressed === null) return;
    if (own !== null) {
      deliver(readers.own, receiptTopic(sender.clientId), encodeTaken(topic, own, suppressed));
    }
    if (every !== null) {
      deliver(readers.every, everyReceiptTopic(sender.clientId), encodeTaken(topic, every, suppressed));
    }
  }

  /** Worked out anew only when a subscription under `gateway/` has changed. */
  #readersOf(sender: ReceiptSender): Readers {
    const generation = this.#subscribers.gatewayGeneration;
    if (sender.generation !== generation) {
      sender.generation = generation;
      sender.readers = this.#findReaders(sender);
    }
    return sender.readers;
  }

  #findReaders({ clientId, reader }: ReceiptSender): Readers {
    const candidates = new Set([reader, ...this.#observers]);
    const reading = (topic: string): ReceiptReader[] => [...candidates].filter((each) => each.reads(topic));
    const own = reading(receiptTopic(clientId));
    const every = reading(everyReceiptTopic(clientId));
    return own.length === 0 && every.length === 0 ? NOBODY : { own, every };
  }
}

/** Rejections are always told; the rest where its schema asks. */
function isForOwn(outcome: Outcome): boolean {
  if (outcome.kind === 'rejected') return true;
  return outcome.receipt?.bySchema === true;
}

function isOf(): boolean {
  return true;
}

/** All readings of a message that ended in this way; null where there are none. */
function summary(
  outcomes: readonly Outcome[],
  kind: Taken['kind'],
  clock: Clock,
  counts: (outcome: Outcome) => boolean,
): Taken | null {
  let n = 0;
  let first: Taken | null = null;
  for (const outcome of outcomes) {
    if (outcome.kind !== kind || !counts(outcome)) continue;
    n += 1;
    first ??= {
      kind,
      // What was never a reading, or not read again, has no time of its own.
      atMs: outcome.receipt?.atMs ?? clock.nowMs(),
      seq: outcome.receipt?.seq ?? null,
      n,
    };
  }
  return first === null ? null : { ...first, n };
}

function deliver(readers: readonly ReceiptReader[], topic: string, receipt: Buffer): void {
  if (readers.length === 0 || receipt.length > MAX_RECEIPT_BYTES) return;
  const packet = encodePublish(topic, receipt, 0, 0);
  for (const reader of readers) reader.deliver0(packet);
}
