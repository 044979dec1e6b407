import type { Message } from '../../contracts.ts';
import { parcelSender, unpackParcel } from '../../peer-parcel.ts';
import { printable } from '../../printable.ts';
import type { BrokerContext } from './broker-context.ts';
import { DEFAULT_MQTT_LIMITS } from './limits.ts';
import type { TopicCache } from './topic-cache.ts';
import { isBridgeState, isReserved, topicProblem } from './topics.ts';

/** What a connection knows of everything that it brings. */
export type Carrier = Pick<Message, 'client' | 'username' | 'address' | 'transfer'>;

export interface ReservedPublish {
  readonly topic: string;
  readonly payload: Buffer;
  /** Of QoS 2: it was taken before, and not completed. */
  readonly opensAgain: boolean;
  readonly carrier: Carrier;
}

/**
 * What becomes of a PUBLISH under `gateway/` or `$SYS/`, where a client may publish only what is listed here: the message
 * that a peer passes on, to be ingested; null where it is done with (of a write to a serial port that means that it is
 * under way: what became of it is published); or, in words, why the client must go.
 */
export function reservedPublish(
  { topics, peers, takeDownlink }: Pick<BrokerContext, 'topics' | 'peers' | 'takeDownlink'>,
  { topic, payload, opensAgain, carrier }: ReservedPublish,
): Message | string | null {
  const sender = parcelSender(topic);
  if (sender !== null) {
    return peers.has(sender)
      ? messageOfPeer(payload, topics, carrier)
      : `no peer of this gateway is called ${printable(sender, 64)}`;
  }
  if (opensAgain || isBridgeState(topic) || takeDownlink(carrier.client, topic, payload)) return null;
  return 'only the gateway may publish under gateway/ and $SYS/';
}

function messageOfPeer(bytes: Buffer, topics: TopicCache, carrier: Carrier): Message | string {
  const parcel = unpackParcel(bytes);
  if (parcel === null) return 'what a peer passes on cannot be read: is it of another version?';
  const { topic, payload, relay } = parcel;
  const known = topics.get(topic);
  // What the peer has read and acknowledged must be taken, whatever `mqtt.limits` allows clients here: else it would be sent
  // for ever, and all that is behind it would wait.
  const problem = known.problem === null ? null : topicProblem(topic, DEFAULT_MQTT_LIMITS);
  if (problem !== null) return `a peer passes on a message with a bad topic: ${problem}`;
  if (isReserved(topic) && !topic.startsWith('$')) return 'a peer passes on what belongs to a gateway itself';
  const { client, username, address, transfer } = carrier;
  return {
    source: 'peer',
    topic,
    payload,
    client,
    username,
    device: null,
    transfer,
    retain: false,
    address,
    format: null,
    receipts: false,
    relay,
  };
}
