import { lowerQos, type Publication, type QoS } from './publication.ts';
import { TopicFilters } from './topic-filters.ts';

/** A packet kept for a subscriber until it has acknowledged it. The names are those that aedes reads. */
export interface QueuedPacket {
  cmd: 'publish' | 'pubrel';
  brokerId: string;
  brokerCounter: number;
  topic: string;
  payload: Buffer;
  qos: QoS;
  retain: boolean;
  dup: boolean;
  messageId: number | undefined;
}

interface SessionSubscription {
  readonly session: Session;
  qos: QoS;
}

export interface SessionLimits {
  readonly maxSessions: number;
  readonly maxOfflineMessages: number;
  readonly maxOfflineBytes: number;
}

/** What a session could not take, for a count and a line. */
export type SessionsFull = (what: 'sessions' | 'messages', clientId: string) => void;

const OVERHEAD_BYTES = 300;
const NOTHING = Buffer.alloc(0);

/** What the broker keeps of a client that connects without `clean`, also while it is away (MQTT 3.1.1, 3.1.2.4). */
export class Session {
  readonly clientId: string;
  readonly subscriptions = new Map<string, SessionSubscription>();
  /** By the broker's counter, in the order of arrival. */
  readonly queue = new Map<number, QueuedPacket>();
  readonly byMessageId = new Map<number, number>();
  /** Packet ids of QoS 2 messages it sent and has not released. */
  readonly open = new Set<number>();
  connected = true;

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  get isEmpty(): boolean {
    return this.subscriptions.size === 0 && this.queue.size === 0 && this.open.size === 0;
  }
}

/** Sessions in memory, bounded; a restart forgets them (readings are in the store by then). */
export class Sessions {
  readonly #limits: SessionLimits;
  readonly #full: SessionsFull;
  readonly #sessions = new Map<string, Session>();
  /** Those whose client is away, the longest away first. */
  readonly #away = new Map<string, Session>();
  readonly #filters = new TopicFilters<SessionSubscription>();
  #queuedBytes = 0;
  #generation = 1;

  constructor(limits: SessionLimits, full: SessionsFull) {
    this.#limits = limits;
    this.#full = full;
  }

  /** Differs after every change of a subscription. */
  get generation(): number {
    return this.#generation;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(clientId: string): Session | undefined {
    return this.#sessions.get(clientId);
  }

  /** The session of a connected client; null when there is no room for a new one. */
  ensure(clientId: string): Session | null {
    const known = this.#sessions.get(clientId);
    if (known !== undefined) return known;
    if (this.#sessions.size >= this.#limits.maxSessions) {
      this.#full('sessions', clientId);
      const [longestAway] = this.#away.keys();
      if (longestAway === undefined) return null;
      this.drop(longestAway);
    }
    const session = new Session(clientId);
    this.#sessions.set(clientId, session);
    return session;
  }

  clientCame(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    session.connected = true;
    this.#away.delete(clientId);
  }

  clientLeft(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    if (session.isEmpty) {
      this.drop(clientId);
      return;
    }
    session.connected = false;
    this.#away.set(clientId, session);
  }

  drop(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    for (const filter of [...session.subscriptions.keys()]) this.unsubscribe(clientId, filter);
    for (const packet of session.queue.values()) this.#queuedBytes -= sizeOf(packet);
    this.#sessions.delete(clientId);
    this.#away.delete(clientId);
  }

  /** False when there is no room. */
  subscribe(clientId: string, filter: string, qos: QoS): boolean {
    const session = this.ensure(clientId);
    if (session === null) return false;
    const known = session.subscriptions.get(filter);
    if (known !== undefined) {
      known.qos = qos;
      return true;
    }
    const subscription = { session, qos };
    session.subscriptions.set(filter, subscription);
    this.#filters.add(filter, subscription);
    this.#generation += 1;
    return true;
  }

  unsubscribe(clientId: string, filter: string): void {
    const session = this.#sessions.get(clientId);
    const subscription = session?.subscriptions.get(filter);
    if (session === undefined || subscription === undefined) return;
    session.subscriptions.delete(filter);
    this.#filters.remove(filter, subscription);
    this.#generation += 1;
  }

  has(topic: string): boolean {
    return this.#filters.has(topic);
  }

  /** Keeps a message with QoS 1 or 2 for each session that wants it so; the newest is dropped where there is no room. */
  enqueue(publication: Publication, brokerId: string, counter: number): void {
    const targets = new Map<Session, QoS>();
    this.#filters.visit(publication.topic, ({ session, qos }) => {
      if (qos > (targets.get(session) ?? 0)) targets.set(session, qos);
    });
    if (targets.size === 0) return;
    const { topic } = publication;
    const payload = Buffer.from(publication.payload);
    const { maxOfflineMessages, maxOfflineBytes } = this.#limits;
    for (const [session, granted] of targets) {
      const packet: QueuedPacket = {
        cmd: 'publish',
        brokerId,
        brokerCounter: counter,
        topic,
        payload,
        qos: lowerQos(granted, publication.qos),
        retain: false,
        dup: false,
        messageId: undefined,
      };
      const bytes = sizeOf(packet);
      if (session.queue.size >= maxOfflineMessages || this.#queuedBytes + bytes > maxOfflineBytes) {
        this.#full('messages', session.clientId);
        continue;
      }
      session.queue.set(counter, packet);
      this.#queuedBytes += bytes;
    }
  }

  /** A queued message was sent under this packet id. */
  underWay(session: Session, counter: number, messageId: number): void {
    const queued = session.queue.get(counter);
    if (queued === undefined) return;
    queued.messageId = messageId;
    session.byMessageId.set(messageId, counter);
  }

  /** Gives a queued message its packet id, or notes that its QoS 2 exchange has come to the PUBREL. */
  update(clientId: string, packet: { cmd: string; brokerCounter?: number; messageId?: number }): void {
    const session = this.#sessions.get(clientId);
    const { messageId } = packet;
    if (session === undefined || messageId === undefined) return;
    if (packet.cmd === 'pubrel') {
      const queued = session.queue.get(session.byMessageId.get(messageId) ?? -1);
      if (queued === undefined) return;
      this.#queuedBytes -= queued.payload.length;
      queued.cmd = 'pubrel';
      queued.payload = NOTHING;
      return;
    }
    this.underWay(session, packet.brokerCounter ?? -1, messageId);
  }

  /** The subscriber has it. */
  settled(clientId: string, messageId: number | undefined): QueuedPacket | undefined {
    const session = this.#sessions.get(clientId);
    if (session === undefined || messageId === undefined) return undefined;
    const counter = session.byMessageId.get(messageId) ?? -1;
    const queued = session.queue.get(counter);
    session.byMessageId.delete(messageId);
    if (queued === undefined) return undefined;
    session.queue.delete(counter);
    this.#queuedBytes -= sizeOf(queued);
    return queued;
  }

  /** What the client is still owed, in order. What was under way before is marked as sent again (3.3.1.1). */
  owed(clientId: string): QueuedPacket[] {
    const packets = [...(this.#sessions.get(clientId)?.queue.values() ?? [])];
    return packets.map((packet) => ({ ...packet, dup: packet.messageId !== undefined }));
  }
}

function sizeOf({ payload, topic }: QueuedPacket): number {
  return OVERHEAD_BYTES + payload.length + topic.length * 2;
}
