import { Readable } from 'node:stream';
import type { Client } from 'aedes';
import type { RetainedMessage } from './retained-messages.ts';
import type { Sessions } from './sessions.ts';

interface ClientLike {
  readonly id: string;
}

interface PacketLike {
  readonly cmd: string;
  readonly brokerCounter?: number;
  readonly messageId?: number;
}

export interface PersistenceDeps {
  readonly sessions: Sessions;
  /** The retained messages that one of the filters takes in, as long as they are wanted. */
  findRetained(filters: readonly string[], wanted: () => boolean): AsyncIterable<RetainedMessage>;
  /** Called when a client's session begins or ends clean. */
  sessionCleared(client: Client): void;
  /** Whom the retained messages asked for are meant for: called at once after its SUBSCRIBE. */
  retainedReader(): { readonly wanted: () => boolean; readonly done: () => void };
}

/**
 * The side of `Sessions` and `RetainedMessages` that aedes sees. Only what aedes calls outside of its own publish path,
 * which is replaced: storing what is published happens in `publish` of the broker, what is received in `Connection`.
 */
export function createPersistence(deps: PersistenceDeps) {
  const { sessions, findRetained, sessionCleared, retainedReader } = deps;
  return {
    /** aedes looks at the kind of function this is. */
    async setup(): Promise<void> {},

    async subscriptionsByClient({ id }: ClientLike): Promise<{ topic: string; qos: number }[]> {
      const session = sessions.get(id);
      return session === undefined
        ? []
        : [...session.subscriptions].map(([topic, { qos }]) => ({ topic, qos }));
    },

    /** A clean session begins: nothing of an older one stays. */
    async cleanSubscriptions({ id }: ClientLike): Promise<void> {
      sessions.drop(id);
    },

    /** Done when each subscription was granted: aedes would also add those of the packet that were refused. */
    async addSubscriptions(): Promise<void> {},

    async removeSubscriptions({ id }: ClientLike, filters: readonly string[]): Promise<void> {
      for (const filter of filters) sessions.unsubscribe(id, filter);
    },

    createRetainedStreamCombi(filters: readonly string[]): Readable {
      const reader = retainedReader();
      const stream = Readable.from(findRetained(filters, reader.wanted), { highWaterMark: 16 });
      stream.once('close', reader.done);
      return stream;
    },

    outgoingStream({ id }: ClientLike): Readable {
      return Readable.from(sessions.owed(id));
    },

    async outgoingUpdate({ id }: ClientLike, packet: PacketLike): Promise<void> {
      sessions.update(id, packet);
    },

    async outgoingClearMessageId({ id }: ClientLike, packet: PacketLike): Promise<unknown> {
      return sessions.settled(id, packet.messageId);
    },

    /** A clean session begins, or has ended. */
    async cleanIncoming(client: Client): Promise<void> {
      sessionCleared(client);
    },

    // A will is kept by its connection alone: it ends with this process.
    async putWill(): Promise<void> {},
    async delWill(): Promise<void> {},
    streamWill(): Readable {
      return Readable.from([]);
    },
    async destroy(): Promise<void> {},
  };
}
