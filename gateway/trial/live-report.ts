import type { TopicFamily } from '../infer/infer-schemas.ts';
import { messagesOf } from '../infer/infer-schemas.ts';
import type { TopicTraffic } from '../infer/traffic.ts';
import type { RejectionCause } from '../rejected-contract.ts';
import type { SchemaShare, TrialTally } from './trial-tally.ts';
import type { Watched } from './watch-broker.ts';

/** What a trial on another broker has shown. */
export interface LiveReport {
  readonly broker: string;
  readonly clientId: string;
  readonly seconds: number;
  readonly subscriptions: readonly {
    readonly filter: string;
    /** In words why it was refused; null where it was granted. */
    readonly refused: string | null;
  }[];
  readonly messages: number;
  readonly bytes: number;
  readonly topics: number;
  readonly retained: number;
  /** Messages on topics that no schema claims. */
  readonly unrouted: number;
  /** What would become of them: as `mqtt.unrouted` has it. */
  readonly unroutedBecome: 'forwarded' | 'rejected';
  /** Readings that a schema would reject. */
  readonly rejected: number;
  readonly schemas: readonly SchemaShare[];
  /** The `id` of an example is its topic. */
  readonly causes: readonly RejectionCause[];
  /** Of topics that no schema claims. */
  readonly families: readonly TopicFamily[];
  readonly warnings: readonly string[];
}

/** Topics nearly as many as messages: an id of each message is in them. */
const TRAP_TOPICS = 200;
const TRAP_SHARE = 0.8;

export function liveReport(
  { broker, clientId, unroutedBecome }: Pick<LiveReport, 'broker' | 'clientId' | 'unroutedBecome'>,
  { subscriptions, elapsedMs, reconnected }: Watched,
  tally: TrialTally,
  families: readonly TopicFamily[],
): LiveReport {
  const { traffic } = tally;
  const topics = traffic.topics();
  const schemas = tally.schemas();
  return {
    ...{ broker, clientId, seconds: Math.round(elapsedMs / 100) / 10 },
    subscriptions: subscriptions.map(({ filter, grantedQos, words }) => ({
      filter,
      refused: grantedQos === null ? (words ?? 'refused') : null,
    })),
    ...{ messages: traffic.messages, bytes: traffic.bytes, topics: topics.length },
    retained: topics.reduce((sum, { retained }) => sum + retained, 0),
    ...{ unrouted: tally.unrouted, unroutedBecome, rejected: tally.rejected },
    ...{ schemas, causes: tally.causes(), families },
    warnings: [
      ...subscriptionWarnings(subscriptions, traffic.messages),
      ...(reconnected === 0
        ? []
        : [
            `the connection was lost ${reconnected} time(s): what the broker keeps was counted again each time`,
          ]),
      ...traffic.reached(),
      ...schemas.flatMap(({ schema, series, trap }) =>
        trap === null
          ? []
          : [
              `${schema} makes ${series} series, more than there are topics: the tag "${trap}" looks like an id, and every new value of it is a new series`,
            ],
      ),
      ...families.flatMap(topicTrap),
    ],
  };
}

function subscriptionWarnings(subscriptions: Watched['subscriptions'], messages: number): readonly string[] {
  const refused = subscriptions.filter(({ grantedQos }) => grantedQos === null);
  const words = refused.map(
    ({ filter, words: why }) =>
      `the broker refused the subscription to ${filter}: ${why ?? 'its access rules, probably'}; ask for topics that this user may read, with --topic`,
  );
  if (messages > 0 || subscriptions.length === 0 || refused.length === subscriptions.length) return words;
  return [
    ...words,
    'nothing came: nobody publishes there, or the access rules of the broker let this user read nothing (some brokers grant a subscription and then deliver nothing)',
  ];
}

function topicTrap({ pattern, topics }: TopicFamily): readonly string[] {
  const live = messagesOf({ topics }) - topics.reduce((sum, { retained }) => sum + retained, 0);
  return topics.length >= TRAP_TOPICS &&
    live > topics.length * TRAP_SHARE &&
    live < topics.length / TRAP_SHARE
    ? [
        `${pattern}: nearly every message has a topic of its own (${topics.length}): one level is an id, and each would be a device or a series`,
      ]
    : [];
}

/** A topic as `--json` tells it: counts, without the samples. */
export function topicJson({ samples, ...counts }: TopicTraffic): Omit<TopicTraffic, 'samples'> {
  return counts;
}
