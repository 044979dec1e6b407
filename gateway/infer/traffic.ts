import type { MessageProperties } from '../broker-link/message-properties.ts';

/** One message that somebody else's broker carries, or that a file holds. */
export interface TrafficMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** MQTT 5; null where there is none. */
  readonly contentType: string | null;
  /** MQTT 5; left out where there are none, and where they are not known (MQTT 3.1.1, files, samples). */
  readonly properties?: Omit<MessageProperties, 'contentType'>;
  /** The broker repeated what it keeps: the moment of its arrival says nothing of it. */
  readonly retained: boolean;
  /** ms since the epoch; null where nobody knows when it arrived. */
  readonly atMs: number | null;
}

/** What is known of one topic. */
export interface TopicTraffic {
  readonly topic: string;
  messages: number;
  bytes: number;
  retained: number;
  /** Without payload: it clears what the broker keeps, and is no reading. */
  empty: number;
  firstMs: number | null;
  lastMs: number | null;
  /** The first ones; payloads are copies. */
  readonly samples: TrafficMessage[];
}

export interface TrafficLimits {
  readonly maxTopics: number;
  readonly maxSamplesPerTopic: number;
  readonly maxSamples: number;
  readonly maxSampleBytes: number;
  /** A larger payload is counted and not kept. */
  readonly maxPayloadBytes: number;
}

const TRAFFIC_LIMITS: TrafficLimits = {
  maxTopics: 100_000,
  maxSamplesPerTopic: 50,
  maxSamples: 250_000,
  maxSampleBytes: 64 * 1024 * 1024,
  maxPayloadBytes: 64 * 1024,
};

/** When half of the room for samples is taken, each further topic has so many: every topic is to be seen at least once. */
const SAMPLES_WHEN_SCARCE = 2;

/**
 * Gathers traffic: counts of every topic, and its first messages. Bounded in topics, samples and bytes; what is beyond a
 * bound is counted, and said by `reached`.
 */
export class Traffic {
  readonly #topics = new Map<string, TopicTraffic>();
  readonly #limits: TrafficLimits;
  #samples = 0;
  #sampleBytes = 0;
  #tooManyTopics = 0;
  #tooLarge = 0;
  #isScarce: boolean = false;
  messages = 0;
  bytes = 0;

  constructor(limits: Partial<TrafficLimits> = {}) {
    this.#limits = { ...TRAFFIC_LIMITS, ...limits };
  }

  add(message: TrafficMessage): void {
    this.messages += 1;
    this.bytes += message.payload.length;
    let known = this.#topics.get(message.topic);
    if (known === undefined) {
      if (this.#topics.size >= this.#limits.maxTopics) {
        this.#tooManyTopics += 1;
        return;
      }
      known = emptyTopic(message.topic);
      this.#topics.set(message.topic, known);
    }
    known.messages += 1;
    known.bytes += message.payload.length;
    if (message.retained) known.retained += 1;
    known.firstMs ??= message.atMs;
    known.lastMs = message.atMs;
    if (message.payload.length === 0) known.empty += 1;
    else this.#keep(known, message);
  }

  topics(): readonly TopicTraffic[] {
    return [...this.#topics.values()];
  }

  /** In words, each bound that was reached. */
  reached(): readonly string[] {
    const { maxTopics, maxPayloadBytes } = this.#limits;
    const words: string[] = [];
    if (this.#tooManyTopics > 0)
      words.push(
        `more than ${maxTopics} topics: ${this.#tooManyTopics} messages on others are only in the total`,
      );
    if (this.#tooLarge > 0)
      words.push(
        `${this.#tooLarge} payloads of more than ${maxPayloadBytes} bytes are not among the samples: no draft knows of them`,
      );
    if (this.#isScarce)
      words.push('the room for samples ran short: of further topics only a few messages were looked at');
    return words;
  }

  #keep(known: TopicTraffic, message: TrafficMessage): void {
    const { maxSamplesPerTopic, maxSamples, maxSampleBytes, maxPayloadBytes } = this.#limits;
    const { payload } = message;
    if (payload.length > maxPayloadBytes) {
      this.#tooLarge += 1;
      return;
    }
    if (known.samples.length >= maxSamplesPerTopic) return;
    const isScarce = this.#samples * 2 >= maxSamples || this.#sampleBytes * 2 >= maxSampleBytes;
    if (isScarce && known.samples.length >= SAMPLES_WHEN_SCARCE) return;
    if (isScarce) this.#isScarce = true;
    if (this.#samples >= maxSamples || this.#sampleBytes + payload.length > maxSampleBytes) return;
    this.#samples += 1;
    this.#sampleBytes += payload.length;
    const { topic, contentType, retained, atMs } = message;
    known.samples.push({ topic, payload: Buffer.from(payload), contentType, retained, atMs });
  }
}

function emptyTopic(topic: string): TopicTraffic {
  return {
    topic,
    messages: 0,
    bytes: 0,
    retained: 0,
    empty: 0,
    firstMs: null,
    lastMs: null,
    samples: [],
  };
}
