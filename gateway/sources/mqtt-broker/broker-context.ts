import type { Clock, Ingest, Outcome } from '../../contracts.ts';
import type { Events } from '../../monitoring/events.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import type { MqttLimits } from './limits.ts';
import type { PartialBudget } from './packet-reader.ts';
import type { Publication } from './publication.ts';
import type { ReadingTurns } from './reading-turns.ts';
import type { ReceiptDesk, ReceiptSender } from './receipt-desk.ts';
import type { Sessions } from './sessions.ts';
import type { Subscribers } from './subscribers.ts';
import type { KnownTopic, TopicCache } from './topic-cache.ts';

/** What a message leaves to be done once it is on disk. */
export interface Aftermath {
  /** For the subscribers and the retained messages; null where it does not go on. */
  readonly publication: Publication | null;
  /** Whose receipts are sent; null where nobody asks for them. */
  readonly receipts: ReceiptSender | null;
  readonly topic: string;
  readonly outcomes: readonly Outcome[];
}

/** A connection that reads nothing until there is room. */
export interface Stalled {
  goOn(): void;
}

/** What all connections of a broker share. */
export interface BrokerContext {
  readonly limits: MqttLimits;
  readonly ingest: Ingest;
  readonly events: Events;
  readonly clock: Clock;
  readonly acknowledgements: Acknowledgements<Aftermath>;
  readonly topics: TopicCache;
  readonly subscribers: Subscribers;
  readonly receipts: ReceiptDesk;
  readonly sessions: Sessions;
  readonly partial: PartialBudget;
  /** Names of gateways that may pass on what they have read. */
  readonly peers: ReadonlySet<string>;
  readonly stalled: Set<Stalled>;
  readonly turns: ReadingTurns;
  /** Nothing more is read from clients, and no will is sent. */
  stopping: boolean;
  /** A client publishes under `gateway/`. False: it may not. Else it was for a serial port, and is under way. */
  takeDownlink(client: string, topic: string, payload: Buffer): boolean;
  /** Whether a message on this topic has to go to anybody. */
  isSubscribed(topic: string, known: KnownTopic): boolean;
  /** To the retained messages, the sessions and the subscribers, in this order and at once. */
  publish(publication: Publication): void;
}
