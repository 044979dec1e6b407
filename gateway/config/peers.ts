import { createHash } from 'node:crypto';
import { QUESTION_BYTES, QUESTION_LEVELS } from '../peer-hello.ts';
import { MAX_PARCEL_OVERHEAD_BYTES } from '../peer-parcel.ts';
import { normaliseConnection, type Report } from './broker-connection.ts';
import type { ForwardConfig, GatewayConfig, PeersConfig } from './gateway-config.ts';
import type { RawPeer, RawPeers } from './raw-config.ts';
import { parseSize } from './units.ts';

/** What `peers:` is held against. */
export interface PeersContext {
  /** Relative paths start here. */
  readonly base: string;
  /** As `mqtt.limits.packet` and `limits.payloadBytes` have them, here and, since all are to be alike, there. */
  readonly maxPacketBytes: number;
  readonly maxPayloadBytes: number;
  /** As `mqtt.limits.topicBytes` and `topicLevels` have them. */
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
}

/** With less, what came within one sync may be too much. */
const MIN_BACKLOG_BYTES = 1024 * 1024;
/** Of two names that a client id has room for, beside the first letters of the host's. */
const MAX_NAMES_CHARS = 90;

/** Completes `peers:` and checks what a schema cannot say. */
export function normalisePeers(
  raw: RawPeers | undefined,
  { base, maxPacketBytes, maxPayloadBytes, maxTopicBytes, maxTopicLevels }: PeersContext,
  report: Report,
): PeersConfig | null {
  if (raw === undefined) return null;
  // A peer would end the connection at a larger one each time, and all that is behind it would wait.
  if (maxPacketBytes < maxPayloadBytes + MAX_PARCEL_OVERHEAD_BYTES)
    report.problem(
      '/peers',
      `needs mqtt.limits.packet to be larger than limits.payloadBytes by ${MAX_PARCEL_OVERHEAD_BYTES / 1024}KiB or more, here and in the others: what is passed on is a payload and what is known of it`,
    );
  if (maxTopicBytes < QUESTION_BYTES || maxTopicLevels < QUESTION_LEVELS)
    report.problem(
      '/peers',
      `needs mqtt.limits.topicBytes of ${QUESTION_BYTES} and topicLevels of ${QUESTION_LEVELS} at least: the others ask on such topics who this gateway is`,
    );
  const names = new Set([raw.name]);
  const others = raw.others.map((peer, i) => {
    const pointer = `/peers/others/${i}`;
    if (names.has(peer.name))
      report.problem(`${pointer}/name`, 'must differ from the names of this gateway and of the other peers');
    names.add(peer.name);
    if ((parseSize(peer.maxBacklog) ?? MIN_BACKLOG_BYTES) < MIN_BACKLOG_BYTES)
      report.problem(`${pointer}/maxBacklog`, 'must be at least 1MiB');
    if (peer.standIn === peer.name) report.problem(`${pointer}/standIn`, 'is the peer itself: leave it out');
    return {
      name: peer.name,
      answers: peer.standIn ?? peer.name,
      link: linkTo(peer, raw.name, { pointer, base }, report),
    };
  });
  for (const [i, { standIn }] of raw.others.entries())
    if (standIn !== undefined && !names.has(standIn))
      report.problem(`/peers/others/${i}/standIn`, 'is neither this gateway nor one of the others');
  return { name: raw.name, others };
}

/** Shared subscriptions, and nobody to pass on to what another gateway has to recognise. */
export function sharesAlone({ brokers, peers }: Pick<GatewayConfig, 'brokers' | 'peers'>): boolean {
  return peers === null && brokers.some(({ subscribe }) => subscribe.some(({ share }) => share !== null));
}

/** There are peers, and nothing is shared with them: each takes all that the brokers send. */
export function sharesNothing({ brokers, peers }: Pick<GatewayConfig, 'brokers' | 'peers'>): boolean {
  return (
    peers !== null &&
    brokers.length > 0 &&
    brokers.every(({ subscribe }) => subscribe.every(({ share }) => share === null))
  );
}

export const SHARES_NOTHING =
  'no filter of brokers: has a share, so each of the peers takes all messages by itself, and what they mean to store once is stored as often: give the filters the same share at all of them';

/** Of all that share, also of this gateway itself: it may stand in for another. */
export function namesOf(peers: PeersConfig | null): ReadonlySet<string> {
  return new Set(peers === null ? [] : [peers.name, ...peers.others.map(({ name }) => name)]);
}

/** Every link by which messages leave from an outbox. */
export function outgoingOf({
  forward,
  peers,
}: Pick<GatewayConfig, 'forward' | 'peers'>): readonly ForwardConfig[] {
  return [...forward, ...(peers?.others ?? []).map(({ link }) => link)];
}

/**
 * The client id says who sends, and to whom: one gateway may answer for several, and tells its clients apart by it. No name
 * holds a colon.
 */
function clientName(ownName: string, peer: string): string {
  const isShort = ownName.length + peer.length <= MAX_NAMES_CHARS;
  const to = isShort ? peer : createHash('sha256').update(peer).digest('hex').slice(0, 12);
  return `peer-${ownName}:${to}`;
}

function linkTo(
  raw: RawPeer,
  ownName: string,
  place: { readonly pointer: string; readonly base: string },
  report: Report,
): ForwardConfig {
  return {
    // No forward and no sink can be called so.
    name: `peer/${raw.name}`,
    connection: normaliseConnection(
      { ...raw, protocol: '3.1.1', cleanStart: true, sessionExpiry: '0s' },
      { ...place, name: clientName(ownName, raw.name) },
      report,
    ),
    topics: [],
    send: 'raw',
    prefix: '',
    retain: false,
    maxInFlight: raw.maxInFlight,
    maxBacklogBytes: parseSize(raw.maxBacklog) ?? Number.MAX_SAFE_INTEGER,
    // What a peer passes on to us is still taken then: two that wait for each other's room would wait for ever.
    whenFull: 'refuse',
    givesUp: false,
  };
}
