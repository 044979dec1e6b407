import type { TopicFamily } from '../infer/infer-schemas.ts';
import { messagesOf } from '../infer/infer-schemas.ts';
import type { TopicTraffic } from '../infer/traffic.ts';
import type { RejectionCause } from '../rejected-contract.ts';
import { DEFAULT_MQTT_LIMITS } from '../sources/mqtt-broker/limits.ts';
import type { SchemaShare, TrialTally } from './trial-tally.ts';
import { MAX_PACKET_BYTES, type Watched } from './watch-broker.ts';

/** What a trial on another broker has shown. */
export interface LiveReport {
  readonly broker: string;
  readonly clientId: string;
  readonly seconds: number;
  /** Of these, while the connection was there: what rates are of. */
  readonly heardSeconds: number;
  /** The connection was lost, and not made again by the end; null where it was there. */
  readonly lost: { readonly at: string; readonly reason: string } | null;
  readonly subscriptions: readonly {
    readonly filter: string;
    /** In words why it was refused; null where it was granted. */
    readonly refused: string | null;
  }[];
  readonly messages: number;
  readonly bytes: number;
  readonly topics: number;
  readonly retained: number;
  /** Of the messages, those on topics that the gateway would not take: they are in the totals alone. */
  readonly leftOut: number;
  /** Messages beyond what is read at all; they are not even in the totals. */
  readonly passedOver: number;
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
  watched: Watched,
  tally: TrialTally,
  families: readonly TopicFamily[],
): LiveReport {
  const { traffic } = tally;
  const { subscriptions, lost, passedOver } = watched;
  const messages = traffic.messages + tally.leftOut;
  const topics = traffic.topics();
  const schemas = tally.schemas();
  return {
    ...{ broker, clientId, seconds: inSeconds(watched.elapsedMs), heardSeconds: inSeconds(watched.heardMs) },
    lost: lost === null ? null : { at: new Date(lost.atMs).toISOString(), reason: lost.reason },
    subscriptions: subscriptions.map(({ filter, grantedQos, words }) => ({
      filter,
      refused: grantedQos === null ? (words ?? 'refused') : null,
    })),
    ...{ messages, bytes: traffic.bytes + tally.leftOutBytes, topics: topics.length },
    retained: topics.reduce((sum, { retained }) => sum + retained, 0),
    ...{ leftOut: tally.leftOut, passedOver },
    ...{ unrouted: tally.unrouted, unroutedBecome, rejected: tally.rejected },
    ...{ schemas, causes: tally.causes(), families },
    warnings: [
      ...connectionWarnings(watched),
      ...subscriptionWarnings(subscriptions, messages),
      ...leftOutWarnings(tally.leftOut, passedOver),
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

function inSeconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}

function connectionWarnings({ elapsedMs, heardMs, reconnected, lost }: Watched): readonly string[] {
  const heard = `heard for ${inSeconds(heardMs)} of ${inSeconds(elapsedMs)} s`;
  const words: string[] = [];
  if (reconnected > 0)
    words.push(
      `the connection was lost and made again ${reconnected} time(s), ${heard}: what the broker keeps was counted again each time`,
    );
  if (lost !== null)
    words.push(
      `the connection was lost at ${new Date(lost.atMs).toISOString()} (${lost.reason}), and is not back since; ${heard}`,
    );
  return words;
}

function leftOutWarnings(leftOut: number, passedOver: number): readonly string[] {
  const words: string[] = [];
  if (leftOut > 0)
    words.push(
      `${leftOut} message(s) would be left out: their topics are under gateway/, longer than ${DEFAULT_MQTT_LIMITS.maxTopicBytes} bytes, deeper than ${DEFAULT_MQTT_LIMITS.maxTopicLevels} levels, or hold what no topic may`,
    );
  if (passedOver > 0)
    words.push(
      `${passedOver} message(s) of more than ${MAX_PACKET_BYTES / 2 ** 20} MiB were not read, and are not in these counts; with MQTT 3.1.1 they would stop the reading from this broker: let it limit what it takes`,
    );
  return words;
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
