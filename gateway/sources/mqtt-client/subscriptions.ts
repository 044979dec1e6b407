import type { BrokerSession } from '../../broker-link/broker-session.ts';

/** What is to be read, as SUBSCRIBE has it. */
export interface Wanted {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
}

/** A small text that outlives the process. */
export interface Remembered {
  get(): string | null;
  set(text: string): Promise<void>;
}

export interface SubscriptionsDeps {
  readonly wanted: readonly Wanted[];
  /** Whose session it is: what was remembered of another one does not count. */
  readonly owner: string;
  readonly remembered: Remembered;
  readonly refused: (filter: string, words: string) => void;
  /** The broker has taken it, at a lower QoS than it was asked for. */
  readonly lowered: (filter: string, words: string) => void;
  readonly failed: (error: unknown) => void;
}

export interface TroubledFilter {
  readonly filter: string;
  readonly words: string;
  /** Less than was asked for; null: refused. */
  readonly grantedQos: 0 | 1 | 2 | null;
}

/**
 * Keeps a session subscribed to what is wanted, and to nothing else.
 *
 * After the start of the gateway everything is subscribed to, also where the broker still knows the session: what it had
 * to drop while we were away comes at least as its retained messages. Over later connections only what is missing is,
 * because each SUBSCRIBE makes it repeat all it retains (MQTT 3.1.1, 3.8.4). Shared ones repeat nothing (MQTT 5, 4.8.2),
 * and are made anew over each connection: Mosquitto 2.0.11 forgets them at its restart, and says it knows the session. Filters that a former configuration had are
 * unsubscribed: they are remembered with the data, before they are asked for, because the broker may take one and the
 * connection end before it says so.
 */
export class Subscriptions {
  readonly #deps: SubscriptionsDeps;
  readonly #granted = new Map<string, number>();
  readonly #troubled = new Map<string, TroubledFilter>();
  #isFirst: boolean = true;

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps;
  }

  get troubled(): readonly TroubledFilter[] {
    return [...this.#troubled.values()];
  }

  /** Some of them are not subscribed to. */
  get isRefused(): boolean {
    return this.troubled.some(({ grantedQos }) => grantedQos === null);
  }

  /** As the same owner, also in a former run. */
  get wereMade(): boolean {
    return this.#formerFilters().length > 0;
  }

  /** The broker has lost the session, with all of them. */
  lost(): void {
    this.#granted.clear();
  }

  /**
   * Never rejects. To be called for each new connection until it resolves to true (the broker has answered each filter), and
   * again from time to time while something is refused.
   */
  async bring(session: BrokerSession, isNewConnection: boolean): Promise<boolean> {
    try {
      return await this.#bring(session, isNewConnection);
    } catch (error) {
      this.#deps.failed(error);
      return false;
    }
  }

  async #bring(session: BrokerSession, isNewConnection: boolean): Promise<boolean> {
    const { wanted } = this.#deps;
    if (isNewConnection) {
      if (!session.sessionPresent) this.lost();
      for (const filter of this.#granted.keys()) {
        if (this.#isFirst || isShared(filter)) this.#granted.delete(filter);
        // It may grant more by now. Not more often: each SUBSCRIBE makes it repeat what it retains.
        else if (this.#troubled.has(filter)) this.#granted.delete(filter);
      }
    }
    const names = wanted.map(({ filter }) => filter);
    const former = this.#formerFilters().filter((filter) => !names.includes(filter));
    await this.#remember([...names, ...former]);
    if (isNewConnection && session.sessionPresent && this.#isFirst) await session.unsubscribe(former);
    const missing = wanted.filter(({ filter, qos }) => this.#granted.get(filter) !== qos);
    const results = await session.subscribe(missing);
    // The connection ended first: the next one asks anew.
    if (results === null || session.closed) return false;
    this.#isFirst = false;
    results.forEach(({ filter, grantedQos, words }, i) => {
      const asked = missing[i]?.qos ?? 0;
      const before = this.#troubled.get(filter)?.words;
      if (grantedQos !== null) this.#granted.set(filter, asked);
      if (grantedQos === null) {
        const why = words ?? 'it did not say why';
        this.#troubled.set(filter, { filter, grantedQos, words: why });
        if (before !== why) this.#deps.refused(filter, why);
      } else if (grantedQos < asked) {
        const why = loweredWords(asked, grantedQos);
        this.#troubled.set(filter, { filter, grantedQos, words: why });
        if (before !== why) this.#deps.lowered(filter, why);
      } else this.#troubled.delete(filter);
    });
    await this.#remember(names);
    return true;
  }

  #formerFilters(): readonly string[] {
    try {
      const value: unknown = JSON.parse(this.#deps.remembered.get() ?? 'null');
      if (typeof value !== 'object' || value === null || !('owner' in value) || !('filters' in value))
        return [];
      if (value.owner !== this.#deps.owner || !Array.isArray(value.filters)) return [];
      return value.filters.filter((each): each is string => typeof each === 'string');
    } catch {
      // Damaged: as good as none.
      return [];
    }
  }

  async #remember(filters: readonly string[]): Promise<void> {
    const { owner, remembered, failed } = this.#deps;
    const text = JSON.stringify({ owner, filters });
    // Without it one that is taken out of the configuration may go on: no reason to read nothing now.
    if (text !== remembered.get()) await remembered.set(text).catch(failed);
  }
}

function loweredWords(asked: number, granted: number): string {
  const loss = granted === 0 ? ', so what is published while the connection is lost does not come' : '';
  return `at QoS ${granted} only, where ${asked} was asked for${loss}: let it grant more, or write qos: ${granted}`;
}

function isShared(filter: string): boolean {
  return filter.startsWith('$share/');
}
