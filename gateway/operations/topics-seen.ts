/** What arrived on one topic since the gateway started. */
export interface TopicSeen {
  readonly topic: string;
  readonly count: number;
  /** `$id` of the schemas that claim it; empty where none does. */
  readonly schemas: readonly string[];
  readonly lastMs: number;
  /** The beginning of a recent payload. */
  readonly sample: Buffer;
}

export interface TopicsSeen {
  saw(topic: string, payload: Buffer, schemas: readonly string[], nowMs: number): void;
  /** Busiest first. */
  list(): readonly TopicSeen[];
}

interface Entry {
  count: number;
  schemas: readonly string[];
  lastMs: number;
  sampledMs: number;
  sample: Buffer;
}

export interface TopicsSeenLimits {
  readonly maxTopics: number;
  readonly sampleBytes: number;
  /** A sample is taken at most so often: copying each payload would cost more than the rest of the count. */
  readonly sampleEveryMs: number;
}

export const DEFAULT_TOPICS_SEEN_LIMITS: TopicsSeenLimits = {
  maxTopics: 10_000,
  sampleBytes: 256,
  sampleEveryMs: 1_000,
};

/**
 * Keeps a count and a sample per topic, for `telemetry-gateway topics`. When `maxTopics` are known, those not seen for
 * longest give way, an eighth at a time, so a client that invents topics costs a bounded amount.
 */
export function createTopicsSeen(limits = DEFAULT_TOPICS_SEEN_LIMITS): TopicsSeen {
  const topics = new Map<string, Entry>();

  function forgetOldest(): void {
    const byAge = [...topics].sort(([, a], [, b]) => a.lastMs - b.lastMs);
    for (const [topic] of byAge.slice(0, Math.ceil(limits.maxTopics / 8))) topics.delete(topic);
  }

  return {
    saw(topic, payload, schemas, nowMs) {
      let entry = topics.get(topic);
      if (entry === undefined) {
        if (topics.size >= limits.maxTopics) forgetOldest();
        entry = {
          count: 0,
          schemas,
          lastMs: nowMs,
          sampledMs: Number.NEGATIVE_INFINITY,
          sample: Buffer.alloc(0),
        };
        topics.set(topic, entry);
      }
      entry.count += 1;
      entry.schemas = schemas;
      entry.lastMs = nowMs;
      if (nowMs - entry.sampledMs >= limits.sampleEveryMs || nowMs < entry.sampledMs) {
        entry.sampledMs = nowMs;
        entry.sample = Buffer.from(payload.subarray(0, limits.sampleBytes));
      }
    },
    list() {
      return [...topics]
        .map(([topic, { count, schemas, lastMs, sample }]) => ({ topic, count, schemas, lastMs, sample }))
        .sort((a, b) => b.count - a.count);
    },
  };
}
