import { setImmediate as turn } from 'node:timers/promises';
import type { Publication, QoS } from './publication.ts';
import { hasWildcard, matches } from './topics.ts';

export interface RetainedMessage {
  readonly cmd: 'publish';
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: true;
}

/** How many topics are compared before others get their turn. */
const COMPARED_AT_ONCE = 500;
const OVERHEAD_BYTES = 200;

/**
 * The last retained message of each topic, in memory: a restart forgets them. When it is full, a message for a new
 * topic is not kept; one that no longer fits its topic removes the older one too, since a stale value is worse than none.
 */
export class RetainedMessages {
  readonly #messages = new Map<string, RetainedMessage>();
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #full: (topic: string) => void;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number, full: (topic: string) => void) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
    this.#full = full;
  }

  get size(): number {
    return this.#messages.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** An empty payload removes (MQTT 3.1.1, 3.3.1.3). */
  store({ topic, payload, qos }: Publication): void {
    const before = this.#messages.get(topic);
    if (before !== undefined) {
      this.#messages.delete(topic);
      this.#bytes -= sizeOf(before);
    }
    if (payload.length === 0) return;
    const message: RetainedMessage = {
      cmd: 'publish',
      topic,
      payload: Buffer.from(payload),
      qos,
      retain: true,
    };
    const bytes = sizeOf(message);
    if (this.#messages.size >= this.#maxMessages || this.#bytes + bytes > this.#maxBytes) {
      this.#full(topic);
      return;
    }
    this.#messages.set(topic, message);
    this.#bytes += bytes;
  }

  /** Those that one of the filters takes in, one after another, as long as `wanted`. Lets others have their turn. */
  async *find(filters: readonly string[], wanted: () => boolean): AsyncGenerator<RetainedMessage> {
    let compared = 0;
    for (const filter of filters) {
      if (!hasWildcard(filter)) {
        const message = this.#messages.get(filter);
        if (message !== undefined && wanted()) yield message;
        continue;
      }
      for (const [topic, message] of this.#messages) {
        compared += 1;
        if (compared % COMPARED_AT_ONCE === 0) await turn();
        if (!wanted()) return;
        if (matches(filter, topic)) yield message;
      }
    }
  }
}

/** The same in several of them, one after another. */
export async function* findIn(
  stores: readonly RetainedMessages[],
  filters: readonly string[],
  wanted: () => boolean,
): AsyncGenerator<RetainedMessage> {
  for (const store of stores) yield* store.find(filters, wanted);
}

function sizeOf({ topic, payload }: RetainedMessage): number {
  return OVERHEAD_BYTES + topic.length * 2 + payload.length;
}
