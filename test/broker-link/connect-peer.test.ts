import { afterEach, describe, expect, test } from 'vitest';
import type { BrokerSession } from '../../gateway/broker-link/broker-session.ts';
import type { BrokerLink, LinkStatus } from '../../gateway/broker-link/connect-broker.ts';
import { connectPeer, type ExpectedPeer } from '../../gateway/broker-link/connect-peer.ts';
import { createForwarder, type Forwarder } from '../../gateway/forwards/forwarder.ts';
import { digestsOf, helloAsker, type PeerHello, packHello } from '../../gateway/peer-hello.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { Outbox, Store } from '../../gateway/store-contract.ts';
import { RecordedEvents } from '../contracts/store-harness.ts';
import { CONNECTION } from '../support/broker-connection.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { until } from '../support/processes.ts';
import { helloBut, ScriptedPeer } from './scripted-peer.ts';

/** As the attic has it of the cellar. */
const EXPECTED: ExpectedPeer = {
  ...{ asker: 'attic', name: 'cellar', members: new Set(['attic', 'cellar', 'shed']) },
  ...{ maxPayloadBytes: 1024, schemas: () => digestsOf(new Map()), warn: () => undefined },
};
const RIGHT = helloBut({ others: ['shed', 'attic'] });
const UNHEARD = 'it has not said yet that it is a gateway';
/** So long a peer may take to say it. */
const WAIT_MS = 5_000;
const NO_GATEWAY = 'what answers there does not say that it is a telemetry-gateway';

interface Linked {
  readonly link: BrokerLink;
  readonly clock: LeapingClock;
  readonly states: LinkStatus[];
  readonly sessions: BrokerSession[];
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function linkTo(peer: ScriptedPeer, expected = EXPECTED): Linked {
  const clock = new LeapingClock();
  const states: LinkStatus[] = [];
  const sessions: BrokerSession[] = [];
  const link = connectPeer(CONNECTION, expected, {
    clock,
    random: () => 1,
    open: peer.open,
    onState: (status) => states.push(status),
    onConnected: (session) => sessions.push(session),
  });
  link.start();
  stops.push(() => link.stop(0));
  return { link, clock, states, sessions };
}

async function untilState(
  { link }: Pick<Linked, 'link'>,
  state: LinkStatus['state'],
  words = '',
): Promise<void> {
  await until(`it is ${state}`, () => {
    const { state: now, reason } = link.status();
    if (now !== state || !(reason ?? '').includes(words)) throw new Error(`${now}: ${reason}`);
    return true;
  });
}

/** It has subscribed, and waits to hear something. */
async function untilListening({ clock }: Pick<Linked, 'clock'>, times = 1): Promise<void> {
  await until('it listens', () => clock.sleeps.filter((ms) => ms === WAIT_MS).length >= times);
}

describe('a peer', () => {
  test('is connected once it has said that it is the one, and shares with the same ones', async () => {
    const peer = new ScriptedPeer(null);
    const linked = linkTo(peer);
    const { link, states, sessions } = linked;
    await untilListening(linked);
    expect(peer.subscribed).toEqual([
      expect.stringMatching(/^gateway\/peers\/hello\/attic\/[0-9a-f]{32} 0$/),
    ]);
    expect(helloAsker(peer.question)).toBe('attic');
    expect(link.status()).toMatchObject({ state: 'connecting', reason: UNHEARD });
    expect([link.session(), states, sessions]).toEqual([null, [], []]);

    peer.say(RIGHT);
    await untilState(linked, 'connected');
    expect(states).toMatchObject([{ state: 'connected', reason: null }]);
    expect(sessions).toHaveLength(1);
    expect(link.session()).toBe(sessions[0]);
    link.session()?.publish('t', Buffer.from('a parcel'), { qos: 1, retain: false }, () => undefined);
    await until('it is there', () => peer.published.length > 0);
    expect(peer.published).toEqual(['a parcel']);

    peer.say(RIGHT);
    await linked.clock.settle();
    expect([states.length, sessions.length], 'said again it is no news').toEqual([1, 1]);
  });

  test.each<[string, PeerHello | string, string]>([
    ['of another name', { ...RIGHT, name: 'shed' }, 'the gateway there is called shed, not cellar'],
    [
      'without peers',
      helloBut({ name: null }),
      'the gateway there has no peers: give it peers, with the name cellar',
    ],
    [
      'that knows fewer',
      helloBut({ others: ['attic'] }),
      'it shares with attic, cellar, and this gateway with attic, cellar, shed: all have to list all the others',
    ],
    [
      'that knows more',
      helloBut({ others: ['attic', 'shed', 'roof'] }),
      'it shares with attic, cellar, roof, shed, and this gateway with attic, cellar, shed',
    ],
    [
      'that knows one under another name',
      helloBut({ others: ['attic', 'barn'] }),
      'it shares with attic, barn, cellar, and',
    ],
    [
      'of which nothing can be read',
      'on',
      'what it says of itself cannot be read: is it of another version?',
    ],
    [
      'of a name that nobody should see',
      { ...RIGHT, name: '\u001b[2J'.repeat(100) },
      String.raw`is called \x1b[2J\x1b[2J`,
    ],
  ])('%s is refused, in words, and sent nothing', async (_, hello, words) => {
    const peer = new ScriptedPeer(typeof hello === 'string' ? Buffer.from(hello) : hello);
    const linked = linkTo(peer);
    const { link, clock, states, sessions } = linked;
    await untilState(linked, 'refused', words);
    expect(link.status().reason?.length).toBeLessThan(600);
    expect([link.session(), sessions]).toEqual([null, []]);
    expect(states).toMatchObject([{ state: 'refused', reason: expect.stringContaining(words) }]);
    for (let i = 0; i < 20; i += 1) peer.say(hello);
    await clock.pass(60_000);
    expect(states, 'told once').toHaveLength(1);

    peer.say(RIGHT);
    await untilState(linked, 'connected');
    expect([peer.connections, peer.published], 'over the same connection').toEqual([1, []]);
    expect([states.length, sessions.length]).toEqual([2, 1]);
  });

  test('that says nothing for a while is refused: it may be any broker', async () => {
    const peer = new ScriptedPeer(null);
    const linked = linkTo(peer);
    const { link, clock, states, sessions } = linked;
    await untilListening(linked);
    peer.say('{"name":"cellar"}', 'gateway/peers/cellar');
    await clock.pass(WAIT_MS - 1);
    expect(link.status()).toMatchObject({ state: 'connecting', reason: UNHEARD });
    await clock.pass(1);
    expect(link.status()).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining(NO_GATEWAY),
      sinceMs: clock.nowMs(),
    });
    expect([states.length, sessions, link.session()]).toEqual([1, [], null]);
    peer.say(RIGHT);
    await untilState(linked, 'connected');
  });

  test('that does not let others hear what it says is refused as well', async () => {
    const peer = new ScriptedPeer(RIGHT);
    peer.takesSubscriptions = false;
    const linked = linkTo(peer);
    await untilListening(linked);
    await linked.clock.pass(WAIT_MS);
    await untilState(linked, 'refused', NO_GATEWAY);
    expect(linked.sessions).toEqual([]);
  });

  test('is heard over each connection: another one may answer there now', async () => {
    const peer = new ScriptedPeer(RIGHT);
    const linked = linkTo(peer);
    const { link, clock, states, sessions } = linked;
    await untilState(linked, 'connected');
    peer.hello = null;
    peer.cut();
    await untilState(linked, 'retrying');
    expect(link.session()).toBeNull();
    await clock.pass(500);
    await untilListening(linked, 2);
    expect(link.status()).toMatchObject({ state: 'connecting', reason: UNHEARD });
    expect([link.session(), sessions.length]).toEqual([null, 1]);
    peer.say({ ...RIGHT, name: 'roof' });
    await untilState(linked, 'refused', 'is called roof');
    peer.say(RIGHT);
    await untilState(linked, 'connected');
    expect(sessions.map(({ number }) => number)).toEqual([1, 2]);
    expect(states.map(({ state }) => state)).toEqual(['connected', 'retrying', 'refused', 'connected']);
    // The wait of the first connection has long been over.
    await clock.pass(60_000);
    expect(link.status()).toMatchObject({ state: 'connected', reason: null });
  });

  test('has its time anew over each connection', async () => {
    const peer = new ScriptedPeer(null);
    const linked = linkTo(peer);
    const { link, clock } = linked;
    await untilListening(linked);
    await clock.pass(WAIT_MS - 1_000);
    peer.cut();
    await untilState(linked, 'retrying');
    await clock.pass(500);
    await untilListening(linked, 2);
    await clock.pass(WAIT_MS - 1);
    expect(link.status().state).toBe('connecting');
    await clock.pass(1);
    expect(link.status().state).toBe('refused');
  });

  test('that is another one all of a sudden is sent nothing more, nor may what is under way arrive', async () => {
    const peer = new ScriptedPeer(RIGHT);
    const linked = linkTo(peer);
    const { link, states, sessions } = linked;
    await untilState(linked, 'connected');
    const [session] = sessions;
    peer.hello = null;
    peer.say({ ...RIGHT, others: ['attic'] });
    await untilState(linked, 'retrying', 'it shares with attic, cellar');
    expect(session?.closed).toBe(true);
    expect([link.session(), states.length]).toEqual([null, 2]);
  });

  test.each<[string, ExpectedPeer, PeerHello]>([
    [
      'this gateway itself',
      { ...EXPECTED, name: 'attic' },
      helloBut({ name: 'attic', others: ['cellar', 'shed'] }),
    ],
    ['another one', { ...EXPECTED, name: 'shed' }, helloBut({ name: 'shed', others: ['cellar', 'attic'] })],
  ])('may be stood in for by %s, but then by no other', async (_, expected, hello) => {
    const right = linkTo(new ScriptedPeer(hello), expected);
    await untilState(right, 'connected');
    const wrong = linkTo(new ScriptedPeer(RIGHT), expected);
    await untilState(wrong, 'refused', `is called cellar, not ${expected.name}`);
  });

  test('that is not there is tried again as any broker, with the reason', async () => {
    const peer = new ScriptedPeer(RIGHT);
    const clock = new LeapingClock();
    let isThere: boolean = false;
    const open: ScriptedPeer['open'] = async () => {
      if (isThere) return await peer.open();
      throw new Error('nobody is there');
    };
    const link = connectPeer(CONNECTION, EXPECTED, { clock, random: () => 1, open });
    stops.push(() => link.stop(0));
    expect(link.status()).toMatchObject({ state: 'connecting', reason: null });
    link.start();
    await untilState({ link }, 'retrying', 'nobody is there');
    isThere = true;
    await clock.pass(500);
    await untilState({ link }, 'connected');
  });

  test('that has been asked over another connection is asked anew: nobody can have heard the answer', async () => {
    const peer = new ScriptedPeer(RIGHT);
    const linked = linkTo(peer);
    await untilState(linked, 'connected');
    const first = peer.question;
    peer.hello = null;
    peer.cut();
    await untilState(linked, 'retrying');
    await linked.clock.pass(500);
    await untilListening(linked, 2);
    expect(peer.question).not.toBe(first);
    peer.say(RIGHT, first);
    peer.say(RIGHT, peer.question, true);
    peer.say(RIGHT, 'gateway/peers');
    await linked.clock.pass(WAIT_MS);
    await untilState(linked, 'refused', NO_GATEWAY);
  });

  test('that may be sent a larger packet than it takes is refused, with both keys and both values', async () => {
    const maxPayloadBytes = 2 * 2 ** 20;
    const needed = maxPayloadBytes + 129 * 1024;
    const expected = { ...EXPECTED, maxPayloadBytes };
    const small = new ScriptedPeer({ ...RIGHT, maxPacketBytes: needed - 1 });
    await untilState(
      linkTo(small, expected),
      'refused',
      `mqtt.limits.packet is ${needed - 1} bytes there, and limits.payloadBytes 2MiB here: with what is known of it such a payload may take 2177KiB`,
    );
    await untilState(linkTo(new ScriptedPeer({ ...RIGHT, maxPacketBytes: needed }), expected), 'connected');
  });

  test('that does not take our client id is told of with a remedy', async () => {
    const peer = new ScriptedPeer(RIGHT);
    peer.returnCode = 2;
    const linked = linkTo(peer);
    const words = `it does not take this client id: it has ${CONNECTION.clientId.length} bytes; raise mqtt.limits.clientIdBytes there`;
    await untilState(linked, 'refused', words);
    expect(linked.states.at(-1)?.reason).toContain(words);
  });

  test('that has other schemas is connected, and that is told once a connection', async () => {
    const warnings: string[] = [];
    const schemas = digestsOf(new Map([['a.v1', '1']]));
    const expected: ExpectedPeer = { ...EXPECTED, warn: (words) => warnings.push(words) };
    const peer = new ScriptedPeer({ ...RIGHT, schemas });
    const linked = linkTo(peer, expected);
    await untilState(linked, 'connected');
    peer.say({ ...RIGHT, schemas });
    await linked.clock.settle();
    expect(warnings).toEqual([
      expect.stringMatching(/^cellar has other schemas than this gateway: a\.v1 is not here\./),
    ]);
    for (const ours of [schemas, null]) {
      const other = linkTo(peer, { ...expected, schemas: () => ours });
      await untilState(other, 'connected');
    }
    expect(warnings).toHaveLength(1);
  });

  test('that gets other schemas while it is connected is told of, and sent to as before', async () => {
    const warnings: string[] = [];
    const peer = new ScriptedPeer(RIGHT);
    const linked = linkTo(peer, { ...EXPECTED, warn: (words) => warnings.push(words) });
    await untilState(linked, 'connected');
    for (const version of ['1', '1', '2']) {
      const before = peer.subscribed.length;
      peer.hello = packHello({ ...RIGHT, schemas: digestsOf(new Map([[`a.v${version}`, '1']])) });
      await linked.clock.pass(310_000);
      await until('it is asked again', () => peer.subscribed.length > before);
      await linked.clock.settle();
    }
    expect(warnings).toEqual([
      expect.stringContaining('a.v1 is not here'),
      expect.stringContaining('a.v2 is not here'),
    ]);
    expect([linked.states.length, linked.sessions.length, peer.connections]).toEqual([1, 1, 1]);
    expect(peer.unsubscribed.length).toBe(peer.subscribed.length - 1);
  });

  test('leaves nothing that waits behind, however often its connection ends', async () => {
    const peer = new ScriptedPeer(RIGHT);
    const linked = linkTo(peer);
    for (let i = 1; i <= 5; i += 1) {
      await linked.clock.until(() => linked.link.status().state === 'connected' && peer.connections === i);
      await linked.clock.pass(WAIT_MS);
      peer.cut();
      await linked.clock.until(() => peer.connections > i);
    }
    await linked.clock.until(() => linked.link.status().state === 'connected');
    await linked.clock.pass(WAIT_MS);
    expect(linked.clock.sleeping, 'until the present one is asked again').toBe(1);
  });

  test('that is full is sent nothing, and asked again until it is not', async () => {
    const peer = new ScriptedPeer({ ...RIGHT, full: 'no room' });
    const linked = linkTo(peer);
    const { link, clock, states, sessions } = linked;
    await untilState(linked, 'retrying', 'it takes nothing now: no room');
    const sinceMs = link.status().sinceMs;
    peer.hello = packHello({ ...RIGHT, full: 'still no room' });
    const [first = ''] = peer.subscribed;
    await clock.pass(WAIT_MS);
    await until('it is asked again', () => peer.subscribed.length > 1);
    await untilState(linked, 'retrying', 'still no room');
    expect(peer.unsubscribed).toEqual([first.split(' ')[0]]);
    expect([link.status().sinceMs, states.length, sessions, link.session()]).toEqual([sinceMs, 1, [], null]);
    peer.hello = packHello(RIGHT);
    await clock.pass(WAIT_MS);
    await untilState(linked, 'connected');
    expect([states.length, sessions.length, peer.connections]).toEqual([2, 1, 1]);
    await clock.pass(10 * WAIT_MS);
    expect(peer.subscribed).toHaveLength(3);
  });

  test('that is evidently there is tried at once, but not over and over', async () => {
    const peer = new ScriptedPeer(RIGHT);
    const clock = new LeapingClock();
    let tries = 0;
    const open: ScriptedPeer['open'] = async () => {
      tries += 1;
      if (tries > 8) return await peer.open();
      throw new Error('nobody is there');
    };
    const link = connectPeer(CONNECTION, EXPECTED, { clock, random: () => 1, open });
    link.tryNow();
    link.start();
    stops.push(() => link.stop(0));
    await clock.until(() => tries === 8);
    link.tryNow();
    await clock.settle();
    expect(tries, 'it has been tried just now').toBe(8);
    await clock.pass(1_000);
    expect(tries).toBe(8);
    link.tryNow();
    await untilState({ link }, 'connected');
    link.tryNow();
    expect(link.status().state).toBe('connected');
  });

  test('that is not waited for any more is stopped, whatever it has said', async () => {
    for (const hello of [RIGHT, { ...RIGHT, name: 'shed' }, null]) {
      const linked = linkTo(new ScriptedPeer(hello));
      if (hello === null) await untilListening(linked);
      else await untilState(linked, hello === RIGHT ? 'connected' : 'refused');
      await linked.link.stop(0);
      await linked.link.ended;
      expect(linked.link.status()).toMatchObject({ state: 'stopped', reason: null });
      expect(linked.link.session()).toBeNull();
      await linked.clock.settle();
      expect(linked.states.at(-1)?.state).toBe('stopped');
      const nowMs = linked.clock.nowMs();
      await expect(linked.clock.until(() => false)).rejects.toThrow('in vain');
      expect(linked.clock.nowMs(), 'nobody sleeps').toBe(nowMs);
    }
  });
});

test('what the listeners of a peer throw is told, and stops nothing, whatever it has said', async () => {
  for (const hello of [RIGHT, { ...RIGHT, name: 'shed' }, null]) {
    const peer = new ScriptedPeer(hello);
    const clock = new LeapingClock();
    const failures: string[] = [];
    const mine = (): never => {
      throw new Error('mine');
    };
    const link = connectPeer(CONNECTION, EXPECTED, {
      ...{ clock, random: () => 1, open: peer.open, onState: mine, onConnected: mine },
      onFailure: (hook, error) => failures.push(`${hook}: ${String(error)}`),
    });
    link.start();
    stops.push(() => link.stop(0));
    if (hello === null) {
      await untilListening({ clock });
      await clock.pass(WAIT_MS);
    }
    const isRight = hello === RIGHT;
    await untilState({ link }, isRight ? 'connected' : 'refused');
    const told = ['peer state: Error: mine', ...(isRight ? ['peer connected: Error: mine'] : [])];
    expect(failures).toEqual(told);
    await clock.settle();
    expect([link.status().state, peer.connections]).toEqual([isRight ? 'connected' : 'refused', 1]);
  }
});

describe('what waits for a peer', () => {
  function forwarding(peer: ScriptedPeer): {
    readonly store: Store;
    readonly outbox: Outbox;
    readonly forwarder: Forwarder;
    readonly clock: LeapingClock;
    readonly events: RecordedEvents;
  } {
    const clock = new LeapingClock();
    const events = new RecordedEvents();
    const store = createMemoryStore({ upkeepEveryMs: null }, { clock, events });
    const outbox = store.openOutbox('peer/cellar', { maxBacklogBytes: 2 ** 20, whenFull: 'refuse' });
    const forwarder = createForwarder(
      {
        ...{ name: 'peer/cellar', connection: CONNECTION, topics: [], prefix: '' },
        ...{ retain: false, maxInFlight: 10, givesUp: false },
      },
      {
        ...{ outbox, events, clock, random: () => 1 },
        connect: (connection, options) => connectPeer(connection, EXPECTED, { ...options, open: peer.open }),
      },
    );
    forwarder.start();
    stops.push(() => forwarder.stop(0));
    return { store, outbox, forwarder, clock, events };
  }

  async function put(store: Store, from: number, to: number): Promise<void> {
    const group = store.group();
    for (let i = from; i < to; i += 1)
      group.forward('peer/cellar', 'gateway/peers/attic', Buffer.from(String(i)));
    await group.committed;
  }
  const upTo = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));

  test('is sent when the right one answers, and waits while another one does', async () => {
    const peer = new ScriptedPeer({ ...RIGHT, name: 'shed' });
    const { store, outbox, forwarder, clock, events } = forwarding(peer);
    await put(store, 0, 30);
    const refused = (): boolean => forwarder.status().state === 'refused';
    await until('it is refused', refused);
    expect(forwarder.status()).toMatchObject({
      reason: 'the gateway there is called shed, not cellar',
      pending: 30,
    });
    await put(store, 30, 40);
    await clock.pass(300_000);
    expect([peer.published, outbox.ledger().pending]).toEqual([[], 40]);
    expect(events.count('forward.refused')).toBe(1);
    expect(events.count('forward.connected')).toBe(0);

    peer.say(RIGHT);
    await until('all came', () => peer.published.length >= 40);
    expect(peer.published).toEqual(upTo(40));

    peer.say({ ...RIGHT, name: 'shed' });
    await until('it is cut', () => forwarder.status().state === 'retrying');
    peer.hello = null;
    await put(store, 40, 50);
    await clock.pass(120_000);
    await until('it is refused again', refused);
    expect(peer.published).toHaveLength(40);
    peer.say(RIGHT);
    await until('the others came', () => new Set(peer.published).size >= 50);
    // At least once: what was not noted before the end is sent again.
    expect([...new Set(peer.published)]).toEqual(upTo(50));
    await clock.pass(10_000);
    expect(outbox.ledger()).toMatchObject({ taken: 50, sent: 50, dropped: 0, pending: 0 });
  });
});
