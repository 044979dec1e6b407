import type { BrokerSession } from '../../broker-link/broker-session.ts';
import { topicNameProblem } from '../../broker-link/topic-filter.ts';
import type { Clock, Outcome } from '../../contracts.ts';
import { DEFAULT_MQTT_LIMITS } from '../mqtt-broker/limits.ts';
import { encodeReceipt, isReceipt, ReceiptAllowance } from '../mqtt-broker/receipts.ts';

/** Beyond, all begin again with a full allowance. */
const MAX_DEVICES = 1000;
const { receiptBurst, receiptsPerSecond } = DEFAULT_MQTT_LIMITS;
const NOTHING = (): void => undefined;

/**
 * Tells devices behind another broker of their rejected readings: JSON as on `gateway/receipts/…`, at QoS 0, under a
 * prefix of the configuration. Each device has an allowance; what is held back is counted in its next receipt.
 */
export class UpstreamReceipts {
  readonly #prefix: string;
  readonly #broker: string;
  readonly #clock: Clock;
  readonly #allowances = new Map<string, ReceiptAllowance>();

  /** @param broker under whose name the receipts of a device go whose own no topic can have */
  constructor(prefix: string, broker: string, clock: Clock) {
    this.#prefix = prefix;
    this.#broker = broker;
    this.#clock = clock;
  }

  /**
   * What went there is nothing to be read back: rejected, it would be told of there again, for ever. Something else may go
   * there all the same, where the prefix was badly chosen: that is a reading.
   */
  isOwn(topic: string, payload: Buffer): boolean {
    const isThere =
      topic.startsWith(this.#prefix) &&
      (topic.length === this.#prefix.length || topic[this.#prefix.length] === '/');
    return isThere && isReceipt(payload);
  }

  /** To be called after the commit. Without a session they are lost, like any of QoS 0. */
  send(session: BrokerSession | null, device: string, topic: string, outcomes: readonly Outcome[]): void {
    if (session === null || session.closed) return;
    const isPossible = topicNameProblem(`${this.#prefix}/${device}`) === null;
    const receiver = isPossible ? device : this.#broker;
    const nowMs = this.#clock.monotonicMs();
    for (const outcome of outcomes) {
      if (outcome.kind !== 'rejected') continue;
      const suppressed = this.#allowanceOf(receiver, nowMs).take(receiptBurst, receiptsPerSecond, nowMs);
      if (suppressed === null) continue;
      session.publish(
        `${this.#prefix}/${receiver}`,
        encodeReceipt(topic, outcome, suppressed),
        { qos: 0, retain: false },
        NOTHING,
      );
    }
  }

  #allowanceOf(device: string, nowMs: number): ReceiptAllowance {
    let allowance = this.#allowances.get(device);
    if (allowance === undefined) {
      if (this.#allowances.size >= MAX_DEVICES) this.#allowances.clear();
      allowance = new ReceiptAllowance(receiptBurst, nowMs);
      this.#allowances.set(device, allowance);
    }
    return allowance;
  }
}
