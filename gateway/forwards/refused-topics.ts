import { filterTakes } from '../broker-link/topic-filter.ts';
import type { Clock } from '../contracts.ts';
import { printable } from '../printable.ts';
import type { Hold } from './refusals.ts';

/** When it is full, the one that was refused first is forgotten: the next message of it is sent, and refused again. */
const MOST_TOPICS = 10_000;
/** Mosquitto ends the connection 1 or 2 ms after a refusal for rights. */
const SOON_MS = 5_000;
const MAX_TOPIC_SHOWN = 200;
const RIGHTS_REMEDY = ': allow this user to publish it there';
const TOPIC_REMEDY = `${RIGHTS_REMEDY}, or take it out of topics`;
const NO_LONGER = ', and no longer configured';

/** What holds a forward up, as `ForwardStatus` has it. */
export interface Held {
  readonly reason: string;
  readonly state: 'retrying' | 'refused';
  readonly sinceMs: number;
}

interface Wanted {
  readonly topics: readonly string[];
  readonly prefix: string;
  /** What the configuration of today would not put into the outbox may go. */
  readonly givesUp: boolean;
}

/** The topics on which the other broker lets nothing be published, as far as it has said so. */
export class RefusedTopics {
  readonly #wanted: Wanted;
  readonly #clock: Clock;
  readonly #words = new Map<string, string>();
  #last: Held | null = null;
  #lastAtMs = 0;
  #cause: Held | null = null;

  constructor(wanted: Wanted, clock: Clock) {
    this.#wanted = wanted;
    this.#clock = clock;
  }

  /** A message of this topic was refused. With what words it is let go; null: it is to wait. */
  refused(topic: string, hold: Hold): string | null {
    // What passes by itself is no reason to let anything go.
    if (!hold.needsSomebody) return null;
    const isLetGo = !this.#isWanted(topic);
    const reason = isLetGo ? `${hold.words}${of(topic)}${NO_LONGER}` : this.wordsAt(topic, hold);
    if (this.#last?.reason !== reason)
      this.#last = { reason, state: isLetGo ? 'retrying' : 'refused', sinceMs: this.#clock.nowMs() };
    this.#lastAtMs = this.#clock.monotonicMs();
    this.#remember(topic, hold.words);
    return isLetGo ? `${hold.words}${NO_LONGER}` : null;
  }

  wordsAt(topic: string, { words, needsSomebody }: Hold): string {
    const remedy = needsSomebody ? (this.#wanted.givesUp ? TOPIC_REMEDY : RIGHTS_REMEDY) : '';
    return `${words}${of(topic)}${remedy}`;
  }

  /** One of this topic was acknowledged. */
  taken(topic: string): void {
    this.#last = null;
    if (this.#words.size > 0) this.#words.delete(topic);
  }

  isRefused(topic: string): boolean {
    return this.#words.has(topic);
  }

  /** Why a message of this topic need not be sent: it would be refused, and nobody wants it any more. */
  letGoWords(topic: string): string | null {
    const words = this.#words.get(topic);
    return words === undefined || this.#isWanted(topic) ? null : `${words}${NO_LONGER}`;
  }

  /** A connection has ended; false: none could be made, so that the trouble is another one. */
  ended(wasConnected: boolean): void {
    const isSoon = this.#clock.monotonicMs() - this.#lastAtMs <= SOON_MS;
    this.#cause = wasConnected && isSoon ? this.#last : null;
  }

  /** The refusal right after which the last connection ended. */
  get cause(): Held | null {
    return this.#cause;
  }

  #remember(topic: string, words: string): void {
    if (this.#words.size >= MOST_TOPICS) {
      const [first] = this.#words.keys();
      if (first !== undefined) this.#words.delete(first);
    }
    this.#words.set(topic, words);
  }

  /** Whether the configuration of today would put it into the outbox. */
  #isWanted(topic: string): boolean {
    const { prefix, topics, givesUp } = this.#wanted;
    if (!givesUp || !topic.startsWith(prefix)) return true;
    const bare = topic.slice(prefix.length);
    return topics.some((filter) => filterTakes(filter, bare));
  }
}

function of(topic: string): string {
  return ` (topic ${printable(topic, MAX_TOPIC_SHOWN)})`;
}
