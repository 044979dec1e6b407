import type { Message, Reading } from '../contracts.ts';
import { packParcel, parcelTopic } from '../peer-parcel.ts';
import { TwoGenerations } from '../readings/two-generations.ts';
import type { Group } from '../store-contract.ts';
import { hashTransfer, type TransferHash } from './transfer-hash.ts';

/**
 * Which gateway keeps a message of a shared subscription, where several share it.
 *
 * A reading with nothing but a time of its own may be kept by any: it comes out as the same point. One that an identity
 * names is one point only if one gateway recognises its repeats, so each topic has a home, the same for all peers. What comes
 * to another gateway is put into the outbox of its home, in the same transaction that acknowledges it. What is rejected goes
 * there too: mended and replayed it may be a repeat.
 */
export interface Homes {
  /** Of this gateway. */
  readonly name: string;
  /** The name of the gateway, of all that share, that is the topic's home. */
  memberOf(topic: string): string;
  /** The peer that keeps it; null: we do. */
  homeOf(message: Message, readings: readonly Reading[]): string | null;
  /** As much waits for it as may: what is for it must not be taken. */
  isFull(home: string): boolean;
  /** @param arrivedMs null: our clock is not set */
  send(home: string, message: Message, arrivedMs: number | null, group: Group): void;
}

export interface HomesOptions {
  /** Of this gateway among its peers. */
  readonly name: string;
  /** `link.name` is that of the outbox. */
  readonly others: readonly { readonly name: string; readonly link: { readonly name: string } }[];
}

/** Topics whose home is remembered; twice as many at most. Longer ones are looked up each time. */
const REMEMBERED_TOPICS = 10_000;
const REMEMBERED_TOPIC_CHARS = 256;

/** Null where there are no peers. */
export function createHomes(
  options: HomesOptions | null,
  outboxIsFull: (outbox: string) => boolean,
): Homes | null {
  if (options === null || options.others.length === 0) return null;
  const { name, others } = options;
  const outboxes = new Map(others.map((other) => [other.name, other.link.name]));
  const members = [name, ...outboxes.keys()].map((member) => ({ member, bytes: Buffer.from(member) }));
  const known = new TwoGenerations<string>(REMEMBERED_TOPICS);
  const from = parcelTopic(name);

  function memberOf(topic: string): string {
    const remembered = known.get(topic);
    if (remembered !== undefined) return remembered;
    const member = highestOf(topic);
    if (topic.length <= REMEMBERED_TOPIC_CHARS) known.set(topic, member);
    return member;
  }

  /**
   * Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998): all peers come
   * to the same answer in whatever order they are listed, and one more or less moves only its own topics.
   */
  function highestOf(topic: string): string {
    const hash: TransferHash = { high: 0, low: 0 };
    let best = name;
    let most = -1;
    for (const { member, bytes } of members) {
      hashTransfer(topic, bytes, hash);
      if (hash.high < most || (hash.high === most && member > best)) continue;
      most = hash.high;
      best = member;
    }
    return best;
  }

  function outboxOf(home: string): string {
    const outbox = outboxes.get(home);
    if (outbox === undefined) throw new Error(`no peer is called ${home}`);
    return outbox;
  }

  return {
    name,
    memberOf,
    homeOf(message, readings) {
      const { relay, topic } = message;
      if (relay?.isShared !== true || relay.arrivedMs !== undefined || !readings.some(needsHome)) return null;
      const member = memberOf(topic);
      return member === name ? null : member;
    },
    isFull: (home) => outboxIsFull(outboxOf(home)),
    send(home, message, arrivedMs, group) {
      group.forward(outboxOf(home), from, packParcel(message, arrivedMs));
    },
  };
}

/** What another gateway would store as another point when it comes again, or when it is mended and replayed there. */
export function needsHome(reading: Reading): boolean {
  // What is too large here may be so for the way there.
  if (reading.kind === 'bad') return reading.code !== 'too-large';
  return reading.identity !== null && !reading.isSameAnywhere;
}
