import {
  filterCovers,
  topicFilterProblem,
  topicNameProblem,
  withoutShare,
} from '../broker-link/topic-filter.ts';
import { normaliseConnection, type Report } from './broker-connection.ts';
import type { BrokerConfig } from './gateway-config.ts';
import type { RawBroker, RawSubscription } from './raw-config.ts';

type Subscription = BrokerConfig['subscribe'][number];

/** Sources of the gateway's own: a broker is a source of its name. */
const RESERVED_NAMES = new Set(['mqtt', 'serial', 'http', 'peer', 'replay', 'gateway']);

/** Completes the entries of `brokers:` and checks what a schema cannot say. */
export function normaliseBrokers(
  brokers: readonly RawBroker[],
  base: string,
  report: Report,
): readonly BrokerConfig[] {
  const names = new Set<string>();
  return brokers.map((raw, i) => {
    const pointer = `/brokers/${i}`;
    if (RESERVED_NAMES.has(raw.name))
      report.problem(`${pointer}/name`, `cannot be ${raw.name}: that is a source of the gateway's own`);
    if (names.has(raw.name))
      report.problem(`${pointer}/name`, 'must differ from the names of the other brokers');
    names.add(raw.name);
    if (raw.receipts !== undefined) {
      const wrong = topicNameProblem(raw.receipts);
      if (wrong !== null) report.problem(`${pointer}/receipts`, wrong);
    }
    return {
      name: raw.name,
      connection: normaliseConnection(raw, { pointer, base, name: raw.name }, report),
      subscribe: subscriptions(raw.subscribe, `${pointer}/subscribe`, report),
      maxInFlight: raw.maxInFlight,
      receipts: raw.receipts?.replace(/\/+$/, '') ?? null,
      retained: raw.retained,
    };
  });
}

function subscriptions(
  raw: readonly (string | RawSubscription)[],
  pointer: string,
  report: Report,
): readonly Subscription[] {
  const taken: Subscription[] = [];
  raw.forEach((each, i) => {
    const at = `${pointer}/${i}`;
    const subscription = normaliseSubscription(each);
    const { filter, share } = subscription;
    const where = typeof each === 'string' ? at : `${at}/topic`;
    const problem = topicFilterProblem(filter);
    if (problem !== null) report.problem(where, problem);
    else if (filter.startsWith('$share/'))
      report.problem(where, 'is no shared subscription: $share/GROUP/FILTER');
    else if (filterCovers('gateway/#', filter))
      report.problem(where, 'is never taken: topics under gateway/ belong to a gateway itself');
    if (share !== null && /[/+#]/.test(share)) report.problem(`${at}/share`, 'must hold no /, + and #');
    if (typeof each === 'object' && each.share !== undefined && each.topic.startsWith('$share/'))
      report.problem(`${at}/share`, 'stands in topic already: keep one of them');
    const double = taken.find(
      (other) =>
        other.share === share && (filterCovers(other.filter, filter) || filterCovers(filter, other.filter)),
    );
    if (double !== undefined)
      report.problem(where, `overlaps with ${double.filter}: the broker may send each message twice`);
    taken.push(subscription);
  });
  return taken;
}

function normaliseSubscription(raw: string | RawSubscription): Subscription {
  const { topic, qos, share } =
    typeof raw === 'string' ? { topic: raw, qos: 1 as const, share: undefined } : raw;
  const parts = withoutShare(topic);
  return { filter: parts.filter, qos, share: share ?? parts.share };
}
