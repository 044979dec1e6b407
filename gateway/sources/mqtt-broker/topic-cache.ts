import { isReserved, type TopicLimits, topicProblem } from './topics.ts';

/** What is known of a topic that is published on. */
export interface KnownTopic {
  /** Why nothing may be published here; null when it may. */
  readonly problem: string | null;
  /** Only the gateway publishes here. */
  readonly reserved: boolean;
  subscribed: boolean;
  /** For which state of the subscriptions `subscribed` holds. */
  generation: number;
}

const MAX_TOPICS = 16_384;

/** Remembers what would otherwise be worked out for each message. Starts afresh when it is full. */
export class TopicCache {
  readonly #limits: TopicLimits;
  readonly #topics = new Map<string, KnownTopic>();

  constructor(limits: TopicLimits) {
    this.#limits = limits;
  }

  get(topic: string): KnownTopic {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    if (this.#topics.size >= MAX_TOPICS) this.#topics.clear();
    const fresh: KnownTopic = {
      problem: topicProblem(topic, this.#limits),
      reserved: isReserved(topic),
      subscribed: false,
      generation: 0,
    };
    // It ends its connection, so it does not come often; and it may be 64 KiB long.
    if (fresh.problem === null) this.#topics.set(topic, fresh);
    return fresh;
  }
}
