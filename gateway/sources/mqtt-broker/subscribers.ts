import { encodePublish, lowerQos, type Publication, type QoS } from './publication.ts';
import { TopicFilters } from './topic-filters.ts';

/** An open connection that takes messages. */
export interface Subscriber {
  /** Its filters, each with the QoS it was granted. */
  readonly filters: Map<string, QoS>;
  /** Sends an encoded packet, or drops it where the subscriber is too slow. */
  deliver0(packet: Buffer): void;
  /** The same with an acknowledgement; `counter` names the message within the broker. */
  deliver(publication: Publication, qos: QoS, counter: number): void;
}

interface Subscription {
  readonly subscriber: Subscriber;
  readonly filter: string;
  qos: QoS;
}

/**
 * Who is subscribed to what, among open connections. A message reaches each of them once, with the highest QoS that any
 * of its matching filters was granted (MQTT 3.1.1, 3.3.5).
 */
export class Subscribers {
  readonly #filters = new TopicFilters<Subscription>();
  readonly #bySubscriber = new Map<Subscriber, Map<string, Subscription>>();
  readonly #maxSubscriptions: number;
  #generation = 1;
  #gatewayGeneration = 1;

  constructor(maxSubscriptions: number) {
    this.#maxSubscriptions = maxSubscriptions;
  }

  /** Differs after every change, so that answers of `has` can be kept until then. */
  get generation(): number {
    return this.#generation;
  }

  /** Differs after every change of a filter that takes in something under `gateway/`. */
  get gatewayGeneration(): number {
    return this.#gatewayGeneration;
  }

  /** False when there are too many over all clients. */
  add(subscriber: Subscriber, filter: string, qos: QoS): boolean {
    let own = this.#bySubscriber.get(subscriber);
    const known = own?.get(filter);
    if (known !== undefined) {
      known.qos = qos;
    } else {
      if (this.#filters.size >= this.#maxSubscriptions) return false;
      if (own === undefined) {
        own = new Map();
        this.#bySubscriber.set(subscriber, own);
      }
      const subscription = { subscriber, filter, qos };
      own.set(filter, subscription);
      this.#filters.add(filter, subscription);
      this.#changed(filter);
    }
    subscriber.filters.set(filter, qos);
    return true;
  }

  remove(subscriber: Subscriber, filter: string): void {
    const own = this.#bySubscriber.get(subscriber);
    const subscription = own?.get(filter);
    subscriber.filters.delete(filter);
    if (own === undefined || subscription === undefined) return;
    this.#filters.remove(filter, subscription);
    this.#changed(filter);
    own.delete(filter);
    if (own.size === 0) this.#bySubscriber.delete(subscriber);
  }

  #changed(filter: string): void {
    this.#generation += 1;
    // No wildcard at the first level reaches there.
    if (filter.startsWith('gateway/')) this.#gatewayGeneration += 1;
  }

  removeAll(subscriber: Subscriber): void {
    for (const filter of [...subscriber.filters.keys()]) this.remove(subscriber, filter);
  }

  has(topic: string): boolean {
    return this.#filters.has(topic);
  }

  deliver(publication: Publication, counter: number): void {
    const targets = new Map<Subscriber, QoS>();
    this.#filters.visit(publication.topic, ({ subscriber, qos }) => {
      const before = targets.get(subscriber);
      if (before === undefined || before < qos) targets.set(subscriber, qos);
    });
    // Most subscribers take QoS 0, and all of these the same bytes.
    let packet: Buffer | null = null;
    for (const [subscriber, granted] of targets) {
      if (granted > 0 && publication.qos > 0) {
        subscriber.deliver(publication, lowerQos(granted, publication.qos), counter);
        continue;
      }
      packet ??= encodePublish(publication.topic, publication.payload, 0, 0);
      subscriber.deliver0(packet);
    }
  }
}
