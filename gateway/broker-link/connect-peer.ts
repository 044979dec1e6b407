import { randomBytes } from 'node:crypto';
import {
  helloTopic,
  type PeerHello,
  readHello,
  type SchemaDigests,
  schemasThatDiffer,
} from '../peer-hello.ts';
import { MAX_PARCEL_OVERHEAD_BYTES } from '../peer-parcel.ts';
import { printable } from '../printable.ts';
import type { BrokerConnection } from './broker-connection.ts';
import type { BrokerSession } from './broker-session.ts';
import { type BrokerLink, type BrokerLinkOptions, connectBroker, type LinkStatus } from './connect-broker.ts';
import { connackWords } from './reason-words.ts';

/** What a peer has to say of itself before it is sent anything. */
export interface ExpectedPeer {
  /** Of this gateway. */
  readonly asker: string;
  /** Of the gateway that is to answer. */
  readonly name: string;
  /** All that share, this gateway and the other one included. */
  readonly members: ReadonlySet<string>;
  /** This gateway takes no larger ones, and passes on what it takes. */
  readonly maxPayloadBytes: number;
  /** Of this gateway, as they are now; null: not compared. */
  readonly schemas: () => SchemaDigests | null;
  /** Something there is not as it should be, and in the way of nothing. Once a connection, and when it changes. */
  readonly warn: (words: string) => void;
}

/** It comes with the answer to the subscription, or not at all. One that is full is asked again after as long. */
const HELLO_WITHIN_MS = 5_000;
/** Schemas change while connections last. */
const COMPARE_EVERY_MS = 300_000;
const NONCE_BYTES = 16;
const UNHEARD = 'it has not said yet that it is a gateway';
const MAX_NAMES = 200;
const KIB = 1024;
const MIB = KIB * KIB;
/** Of CONNACK (MQTT 3.1.1, 3.2.2.3). */
const IDENTIFIER_REJECTED = 2;

/**
 * As `connectBroker`, to another gateway: it counts as connected once what answers there has said that it is the gateway
 * of that name, shares with the same ones, and can take what we may have for it. Any MQTT broker would take what is meant for a
 * peer, and acknowledge it; and gateways that do not agree on who they are do not agree on where a topic has its home.
 */
export function connectPeer(
  connection: BrokerConnection,
  expected: ExpectedPeer,
  options: BrokerLinkOptions,
): BrokerLink {
  const { clock } = options;
  /** Ends what waits for the present connection, when that does. */
  let over = new AbortController();
  let session: BrokerSession | null = null;
  /** Why nothing is sent to it; null where something may be. */
  let problem: string | null = UNHEARD;
  /** The problem is none of ours or theirs, and passes. */
  let isFull: boolean = false;
  /** Where the answer comes. */
  let asked = '';
  let problemSinceMs = clock.nowMs();
  /** What was said last of its schemas over this connection. */
  let warned: string | null = null;

  const link = connectBroker(connection, {
    ...options,
    onState(status) {
      if (status.state === 'connected') return;
      session = null;
      over.abort();
      tell(withRemedy(status, connection));
    },
    onConnected(made) {
      session = made;
      asked = '';
      warned = null;
      become(UNHEARD);
      over.abort();
      over = new AbortController();
      void ask(made, over.signal);
    },
    onMessage({ topic, payload, retain }) {
      // What is said again by somebody who has heard it once is no answer.
      if (topic === asked && !retain && session !== null) hear(session, readHello(payload));
    },
  });

  function contained(hook: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      options.onFailure?.(hook, error);
    }
  }

  function tell(now: LinkStatus): void {
    contained('peer state', () => options.onState?.(now));
  }

  function become(words: string | null): void {
    if (problem !== words) problemSinceMs = clock.nowMs();
    problem = words;
    isFull = false;
  }

  /** As often as it is full, and now and then for its schemas. */
  async function ask(of: BrokerSession, over: AbortSignal): Promise<void> {
    do {
      // It answers one question of a connection.
      if (asked !== '') await of.unsubscribe([asked]);
      const question = helloTopic(expected.asker, randomBytes(NONCE_BYTES).toString('hex'));
      asked = question;
      const answers = await of.subscribe([{ filter: question, qos: 0 }]);
      if (answers === null) return;
      await clock.sleep(HELLO_WITHIN_MS, over);
      if (over.aborted) return;
      if (problem === UNHEARD)
        refuse(
          'what answers there does not say that it is a telemetry-gateway; url has to lead to its mqtt.listeners',
        );
      if (problem === null) await clock.sleep(COMPARE_EVERY_MS, over);
    } while (!over.aborted && (problem === null || isFull));
  }

  function hear(from: BrokerSession, hello: PeerHello | null): void {
    const wrong = problemWith(hello, expected);
    if (wrong !== null) {
      refuse(wrong);
      return;
    }
    if (hello === null) return;
    if (problem === null) {
      contained('peer schemas', () => compareSchemas(hello));
      return;
    }
    if (hello.full !== null) {
      wait(`it takes nothing now: ${hello.full}`);
      return;
    }
    contained('peer schemas', () => compareSchemas(hello));
    become(null);
    tell(status());
    contained('peer connected', () => options.onConnected?.(from));
  }

  function compareSchemas({ schemas }: PeerHello): void {
    const ours = expected.schemas();
    const differing = ours === null ? null : schemasThatDiffer(ours, schemas);
    if (differing === warned) return;
    warned = differing;
    if (differing !== null) expected.warn(schemaWords(expected.name, differing));
  }

  /** Its words change from one time to the next; that is no news. */
  function wait(because: string): void {
    if (isFull) {
      problem = because;
      return;
    }
    become(because);
    isFull = true;
    tell(status());
  }

  function refuse(because: string): void {
    const words = printable(because, 500);
    // It may be said as often as they like there.
    if (problem === words) return;
    const wasGood = problem === null;
    become(words);
    // What is under way would go on.
    if (wasGood) link.drop(words);
    else tell(status());
  }

  function status(): LinkStatus {
    const under = link.status();
    if (under.state !== 'connected') return withRemedy(under, connection);
    if (problem === null) return under;
    const state = problem === UNHEARD ? 'connecting' : isFull ? 'retrying' : 'refused';
    return { ...under, state, reason: problem, sinceMs: problemSinceMs };
  }

  return {
    ended: link.ended,
    start: () => link.start(),
    status,
    session: () => (problem === null ? link.session() : null),
    drop: (reason, cause) => link.drop(reason, cause),
    tryNow: () => link.tryNow(),
    async stop(deadlineMs) {
      over.abort();
      await link.stop(deadlineMs);
    },
  };
}

function problemWith(
  hello: PeerHello | null,
  { name, members, maxPayloadBytes }: ExpectedPeer,
): string | null {
  if (hello === null) return 'what it says of itself cannot be read: is it of another version?';
  if (hello.name === null) return `the gateway there has no peers: give it peers, with the name ${name}`;
  if (hello.name !== name)
    return `the gateway there is called ${printable(hello.name, MAX_NAMES)}, not ${name}`;
  const theirs = new Set([hello.name, ...hello.others]);
  const isSame = theirs.size === members.size && [...members].every((member) => theirs.has(member));
  if (!isSame)
    return `it shares with ${listed(theirs)}, and this gateway with ${listed(members)}: all have to list all the others, by the same names`;
  const largestBytes = maxPayloadBytes + MAX_PARCEL_OVERHEAD_BYTES;
  return hello.maxPacketBytes >= largestBytes
    ? null
    : `mqtt.limits.packet is ${sizeText(hello.maxPacketBytes)} there, and limits.payloadBytes ${sizeText(maxPayloadBytes)} here: with what is known of it such a payload may take ${sizeText(largestBytes)}. Give all of them the same limits`;
}

function schemaWords(name: string, differing: string): string {
  return `${name} has other schemas than this gateway: ${differing}. What it keeps for this one it keeps by its own: give both the same`;
}

/** All that a gateway minds in the client ids that we use is their length. */
function withRemedy(status: LinkStatus, { clientId }: BrokerConnection): LinkStatus {
  if (status.reason?.endsWith(connackWords(IDENTIFIER_REJECTED)) !== true) return status;
  const bytes = Buffer.byteLength(clientId);
  const remedy = `it has ${bytes} bytes; raise mqtt.limits.clientIdBytes there, or give the peer a shorter clientId here`;
  return { ...status, reason: `${status.reason}: ${remedy}` };
}

function sizeText(bytes: number): string {
  if (bytes % MIB === 0) return `${bytes / MIB}MiB`;
  return bytes % KIB === 0 ? `${bytes / KIB}KiB` : `${bytes} bytes`;
}

function listed(names: ReadonlySet<string>): string {
  return printable([...names].sort().join(', '), MAX_NAMES);
}
