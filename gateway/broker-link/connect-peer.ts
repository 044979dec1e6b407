import { HELLO_TOPIC, type PeerHello, readHello } from '../peer-parcel.ts';
import { printable } from '../printable.ts';
import type { BrokerConnection } from './broker-connection.ts';
import type { BrokerSession } from './broker-session.ts';
import { type BrokerLink, type BrokerLinkOptions, connectBroker, type LinkStatus } from './connect-broker.ts';

/** What a peer has to say of itself before it is sent anything. */
export interface ExpectedPeer {
  /** Of the gateway that is to answer. */
  readonly name: string;
  /** All that share, this gateway and the other one included. */
  readonly members: ReadonlySet<string>;
}

/** It comes with the answer to the subscription, or not at all. */
const HELLO_WITHIN_MS = 5_000;
const UNHEARD = 'it has not said yet that it is a gateway';
const MAX_NAMES = 200;

/**
 * As `connectBroker`, to another gateway: it counts as connected once what answers there has said that it is the gateway
 * of that name, and shares with the same ones. Any MQTT broker would take what is meant for a peer, and acknowledge it; and
 * gateways that do not agree on who they are do not agree on where a topic has its home.
 */
export function connectPeer(
  connection: BrokerConnection,
  expected: ExpectedPeer,
  options: BrokerLinkOptions,
): BrokerLink {
  const { clock } = options;
  const stopping = new AbortController();
  let session: BrokerSession | null = null;
  /** Why nothing is sent to it; null where something may be. */
  let problem: string | null = UNHEARD;
  let problemSinceMs = clock.nowMs();

  const link = connectBroker(connection, {
    ...options,
    onState(status) {
      if (status.state === 'connected') return;
      session = null;
      options.onState?.(status);
    },
    onConnected(made) {
      session = made;
      become(UNHEARD);
      void listenTo(made);
    },
    onMessage({ topic, payload }) {
      if (topic === HELLO_TOPIC && session !== null) hear(session, readHello(payload));
    },
  });

  function become(words: string | null): void {
    if (problem !== words) problemSinceMs = clock.nowMs();
    problem = words;
  }

  async function listenTo(to: BrokerSession): Promise<void> {
    const answers = await to.subscribe([{ filter: HELLO_TOPIC, qos: 0 }]);
    if (answers === null) return;
    await clock.sleep(HELLO_WITHIN_MS, stopping.signal);
    if (session === to && problem === UNHEARD && !stopping.signal.aborted)
      refuse(
        'what answers there does not say that it is a telemetry-gateway; url has to lead to its mqtt.listeners',
      );
  }

  function hear(from: BrokerSession, hello: PeerHello | null): void {
    const wrong = problemWith(hello, expected);
    if (wrong !== null) {
      refuse(wrong);
      return;
    }
    if (problem === null) return;
    become(null);
    options.onState?.(status());
    options.onConnected?.(from);
  }

  function refuse(because: string): void {
    const words = printable(because, 500);
    // Whoever can publish there can have it said as often as they like.
    if (problem === words) return;
    const wasGood = problem === null;
    become(words);
    // What is under way would go on.
    if (wasGood) link.drop(words);
    else options.onState?.(status());
  }

  function status(): LinkStatus {
    const under = link.status();
    if (under.state !== 'connected' || problem === null) return under;
    const state = problem === UNHEARD ? 'connecting' : 'refused';
    return { ...under, state, reason: problem, sinceMs: problemSinceMs };
  }

  return {
    ended: link.ended,
    start: () => link.start(),
    status,
    session: () => (problem === null ? link.session() : null),
    drop: (reason, cause) => link.drop(reason, cause),
    async stop(deadlineMs) {
      stopping.abort();
      await link.stop(deadlineMs);
    },
  };
}

function problemWith(hello: PeerHello | null, { name, members }: ExpectedPeer): string | null {
  if (hello === null) return 'what it says of itself cannot be read: is it of another version?';
  if (hello.name === null) return `the gateway there has no peers: give it peers, with the name ${name}`;
  if (hello.name !== name)
    return `the gateway there is called ${printable(hello.name, MAX_NAMES)}, not ${name}`;
  const theirs = new Set([hello.name, ...hello.others]);
  const isSame = theirs.size === members.size && [...members].every((member) => theirs.has(member));
  return isSame
    ? null
    : `it shares with ${listed(theirs)}, and this gateway with ${listed(members)}: all have to list all the others, by the same names`;
}

function listed(names: ReadonlySet<string>): string {
  return printable([...names].sort().join(', '), MAX_NAMES);
}
