import type { Clock, Formats, Reading, Readings } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import { Traffic, type TrafficLimits, type TrafficMessage } from '../infer/traffic.ts';
import { reader } from '../infer/verify-drafts.ts';
import { decodeLine } from '../line-protocol/decode.ts';
import { CauseCounter } from '../operations/rejection-causes.ts';
import type { RejectionCause } from '../rejected-contract.ts';
import { DEFAULT_MQTT_LIMITS } from '../sources/mqtt-broker/limits.ts';
import { TopicCache } from '../sources/mqtt-broker/topic-cache.ts';

/** What one schema would make of the traffic. */
export interface SchemaShare {
  readonly schema: string;
  readonly topics: number;
  readonly messages: number;
  readonly readings: number;
  readonly stored: number;
  readonly rejected: number;
  /** Different series, in what came so far; `seriesAtLeast` where there are too many to count. */
  readonly series: number;
  readonly seriesAtLeast: boolean;
  /** A tag with so many values that it looks like an id; null: none. */
  readonly trap: string | null;
}

export interface TrialTallyOptions {
  readonly formats: Formats;
  readonly clock: Clock;
  /** As `limits.payloadBytes` has it: what is larger would be rejected. */
  readonly maxPayloadBytes: number;
  readonly limits?: Partial<TrafficLimits>;
}

interface Share {
  readonly topics: Set<string>;
  messages: number;
  readings: number;
  stored: number;
  rejected: number;
  readonly series: Set<string>;
  seriesAtLeast: boolean;
  readonly tagValues: Map<string, Set<string>>;
}

const MAX_SERIES = 20_000;
const MAX_SCHEMA_TOPICS = 100_000;
/** Fewer series are no trap. */
const TRAP_SERIES = 50;

/**
 * What the gateway would do with the traffic of another broker, counted: nothing is stored, and nothing is asked of the
 * ledgers. Bounded like `Traffic`.
 */
export class TrialTally {
  readonly traffic: Traffic;
  readonly #causes = new CauseCounter();
  readonly #shares = new Map<string, Share>();
  readonly #readings: Readings;
  readonly #read: (message: TrafficMessage) => readonly Reading[];
  readonly #clock: Clock;
  readonly #topics = new TopicCache(DEFAULT_MQTT_LIMITS);
  /** Messages on topics that the gateway would not take from a broker, and their bytes: of these nothing else is known. */
  leftOut = 0;
  leftOutBytes = 0;
  /** Messages on topics that no schema claims. */
  unrouted = 0;
  rejected = 0;

  constructor(readings: Readings, { formats, clock, maxPayloadBytes, limits }: TrialTallyOptions) {
    this.traffic = new Traffic(limits);
    this.#readings = readings;
    this.#clock = clock;
    this.#read = reader(readings, { formats, clock, maxPayloadBytes });
  }

  /** Never throws on what a sender controls. */
  take(message: TrafficMessage): void {
    const { topic, payload } = message;
    if (this.#isLeftOut(topic)) {
      this.leftOut += 1;
      this.leftOutBytes += payload.length;
      return;
    }
    this.traffic.add(message);
    const route = this.#readings.route(topic);
    const schema = route?.schemas[0];
    if (schema === undefined) {
      this.unrouted += 1;
      return;
    }
    // From another broker it clears what that one keeps, whether or not it says so: it is no reading.
    if (payload.length === 0) return;
    const share = this.#shares.get(schema) ?? emptyShare();
    this.#shares.set(schema, share);
    if (share.topics.size < MAX_SCHEMA_TOPICS) share.topics.add(topic);
    share.messages += 1;
    for (const reading of this.#read(message)) this.#count(share, reading, message);
  }

  schemas(): readonly SchemaShare[] {
    return [...this.#shares]
      .map(([schema, { topics, series, tagValues, ...counts }]) => ({
        ...{ schema, topics: topics.size, messages: counts.messages, readings: counts.readings },
        ...{ stored: counts.stored, rejected: counts.rejected, series: series.size },
        seriesAtLeast: counts.seriesAtLeast,
        trap: trapIn(series.size, topics.size, tagValues),
      }))
      .sort((a, b) => b.messages - a.messages);
  }

  /** Grouped like those of `rejected list`; the `id` of an example is its topic. */
  causes(): readonly RejectionCause[] {
    return this.#causes.list();
  }

  isRouted(topic: string): boolean {
    return this.#readings.route(topic) !== null;
  }

  /** As a source that reads from a broker has it. */
  #isLeftOut(topic: string): boolean {
    const { problem, reserved } = this.#topics.get(topic);
    return problem !== null || (reserved && !topic.startsWith('$'));
  }

  #count(share: Share, reading: Reading, { topic, payload }: TrafficMessage): void {
    share.readings += 1;
    if (reading.kind === 'bad') {
      share.rejected += 1;
      this.rejected += 1;
      const { device, code, schema, violations } = reading;
      const atMs = this.#clock.nowMs();
      this.#causes.add({ id: topic, sink: null, device, atMs, payload, code, schema, violations });
      return;
    }
    share.stored += 1;
    const { key } = reading.series;
    if (share.series.has(key)) return;
    if (share.series.size >= MAX_SERIES) {
      share.seriesAtLeast = true;
      return;
    }
    share.series.add(key);
    for (const [tag, value] of tagsOf(key)) {
      const values = share.tagValues.get(tag) ?? new Set();
      share.tagValues.set(tag, values.add(value));
    }
  }
}

function emptyShare(): Share {
  return {
    topics: new Set(),
    ...{ messages: 0, readings: 0, stored: 0, rejected: 0, seriesAtLeast: false },
    series: new Set(),
    tagValues: new Map(),
  };
}

function tagsOf(key: string): readonly (readonly [string, string])[] {
  try {
    return [...decodeLine(`${key} v=0 0\n`).tags];
  } catch (error) {
    return [['?', messageOf(error)]];
  }
}

/** Topics are many where devices are many. What makes more series than there are topics is in the payloads. */
function trapIn(
  series: number,
  topics: number,
  tagValues: ReadonlyMap<string, ReadonlySet<string>>,
): string | null {
  if (series < TRAP_SERIES || series <= 2 * topics) return null;
  const [most] = [...tagValues].sort(([, a], [, b]) => b.size - a.size);
  return most?.[0] ?? null;
}
