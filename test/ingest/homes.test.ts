import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message, Reading, Relay } from '../../gateway/contracts.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { createHomes, type Homes } from '../../gateway/ingest/homes.ts';
import { createInterpret } from '../../gateway/ingest/interpret.ts';
import type { ClockPolicy } from '../../gateway/ledger-contract.ts';
import { unpackParcel } from '../../gateway/peer-parcel.ts';
import { FakeGroup, FakeStore, pointOf, seriesOf } from '../ledgers/fake-store.ts';
import { arrival, NOW_MS, readingsOf, schema } from '../readings/under-test.ts';
import { messageOn } from '../support/message.ts';

const SHARED: Relay = { contentType: null, userProperties: new Map(), isShared: true };
/** It can come again, and nothing but its identity tells. */
const COUNTED: Reading = {
  ...pointOf(seriesOf()),
  ...{ recognisable: true, isSameAnywhere: false, identity: { high: 1, low: 2 } },
};

function homesOf(
  name: string,
  others: readonly string[],
  isFull: (outbox: string) => boolean = () => false,
): Homes {
  const homes = createHomes(
    { name, others: others.map((each) => ({ name: each, link: { name: `peer/${each}` } })) },
    isFull,
  );
  if (homes === null) throw new Error('there are no peers');
  return homes;
}

function shared(topic: string, payload = '{}'): Message {
  return messageOn(topic, payload, { source: 'house', client: 'broker/house', relay: SHARED });
}

/** The home of a topic as one of `members` sees it; the others in the order of the list. */
function homeSeenBy(member: string, members: readonly string[]): (topic: string) => string {
  const homes = homesOf(
    member,
    members.filter((each) => each !== member),
  );
  return (topic) => homes.homeOf(shared(topic), [COUNTED]) ?? member;
}

/** As configurations have them. */
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const TOPICS = Array.from({ length: 10_000 }, (_, i) => `sensors/dev-${i}/environment`);

describe('the home of a topic', () => {
  it('property: is the same for all peers, in whatever order each lists the others', () => {
    const members = fc.uniqueArray(name, { minLength: 2, maxLength: 16 });
    const orders = members.chain((all) =>
      fc.tuple(...all.map((member) => fc.tuple(fc.constant(member), shuffled(all)))),
    );
    fc.assert(
      fc.property(
        orders,
        fc.array(fc.string({ maxLength: 300 }), { minLength: 1, maxLength: 20 }),
        (all, topics) => {
          for (const topic of topics) {
            const homes = new Set(all.map(([member, order]) => homeSeenBy(member, order)(topic)));
            expect(homes.size).toBe(1);
            expect(all.map(([member]) => member)).toContain([...homes][0]);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('stays the same, also for topics that were forgotten meanwhile, and for very long ones', () => {
    const homeOf = homeSeenBy('attic', ['attic', 'cellar', 'shed']);
    const topics = [...TOPICS, `long/${'x'.repeat(300)}`];
    const before = topics.map(homeOf);
    for (let i = 0; i < 25_000; i += 1) homeOf(`other/${i}`);
    expect(topics.map(homeOf)).toEqual(before);
  });

  it.each([
    [['attic', 'cellar']],
    [['g0', 'g1']],
    [['attic', 'cellar', 'shed']],
    [['gateway-1', 'gateway-2', 'gateway-3', 'gateway-4', 'gateway-5']],
    [['a', 'b', 'c', 'd', 'e']],
  ])('is each of %j for about the same number of topics', (members) => {
    const homeOf = homeSeenBy(members[0] ?? '', members);
    const even = TOPICS.length / members.length;
    for (const [member, count] of countOf(TOPICS.map(homeOf))) {
      expect(members).toContain(member);
      // Six standard deviations or more.
      expect(Math.abs(count - even)).toBeLessThan(0.15 * even);
    }
  });

  it.each([[['attic', 'cellar', 'shed']], [['g0', 'g1', 'g2', 'g3', 'g4']]])(
    'changes, where one of %j is taken out, for the topics of that one alone',
    (members) => {
      for (const gone of members) {
        const left = members.filter((member) => member !== gone);
        const homeBefore = homeSeenBy(left[0] ?? '', members);
        const homeAfter = homeSeenBy(left[0] ?? '', left);
        const heirs = new Set<string>();
        for (const topic of TOPICS)
          if (homeBefore(topic) === gone) heirs.add(homeAfter(topic));
          else expect(homeAfter(topic)).toBe(homeBefore(topic));
        expect([...heirs].sort(), 'all of the others take a part').toEqual([...left].sort());
      }
    },
  );

  it('is nowhere else without peers', () => {
    expect(createHomes(null, () => false)).toBeNull();
    expect(createHomes({ name: 'attic', others: [] }, () => false)).toBeNull();
  });
});

describe('what goes home', () => {
  const READ = { temperature: 1, seq: 7, ts: NOW_MS - 1_000, age: 5 };
  const interpret = createInterpret({ formats: createFormats(), maxPayloadBytes: 10_000 });
  const homes = homesOf('attic', ['cellar']);
  const topicOf = (home: string | null): string =>
    TOPICS.map((_, i) => `t/dev-${i}`).find((topic) => homes.homeOf(shared(topic), [COUNTED]) === home) ?? '';
  const FOREIGN = topicOf('cellar');
  const OWN = topicOf(null);

  const time = (clock: ClockPolicy): object => ({ time: { property: 'ts', unit: 'ms', clock } });
  const age = { time: { property: 'age', unit: 's', kind: 'age' } };
  const identity = { identity: ['seq'] };

  function homeFor(telemetry: object, payload: unknown, some: Partial<Message> = {}): string | null {
    const properties = Object.fromEntries(['seq', 'ts', 'age'].map((each) => [each, { type: 'integer' }]));
    const readings = readingsOf(schema({ telemetry, properties, required: ['temperature'] }));
    const message = { ...shared(FOREIGN, JSON.stringify(payload)), ...some };
    return homes.homeOf(message, interpret(message, readings.route(message.topic), arrival, NOW_MS));
  }

  it.each<[string, object, object]>([
    ['the time of its arrival and an identity', identity, READ],
    [
      'a time of its own that it does not have, and an identity',
      { ...time('trust'), ...identity },
      { ...READ, ts: null },
    ],
    ['a time of its own that is trusted, and an identity', { ...time('trust'), ...identity }, READ],
    ['an age and an identity', { ...age, ...identity }, READ],
    ['a time that is judged (arrival)', time('arrival'), READ],
    ['a time that is judged (correct)', time('correct'), READ],
    ['a time that is judged (reject)', time('reject'), READ],
    ['a time that is judged, and an identity', { ...time('correct'), ...identity }, READ],
  ])('has %s', (_, telemetry, payload) => {
    expect(homeFor(telemetry, payload)).toBe('cellar');
    expect(homeFor(telemetry, payload, { topic: OWN }), 'where it is at home').toBeNull();
  });

  it.each<[string, object, object]>([
    ['a time of its own that is trusted', time('trust'), READ],
    [
      'a time of its own that is trusted, and not all of its identity',
      { ...time('trust'), ...identity },
      { ...READ, seq: undefined },
    ],
    ['no identity', {}, READ],
    ['not all of its identity', identity, { temperature: 1 }],
    ['an age and no identity', age, READ],
  ])('does not have %s', (_, telemetry, payload) => {
    expect(homeFor(telemetry, payload)).toBeNull();
  });

  it.each<[string, Partial<Message>]>([
    ['of a client of this gateway', { relay: null }],
    ['of a subscription that is not shared', { relay: { contentType: null, userProperties: new Map() } }],
    ['passed on by a peer already', { relay: { ...SHARED, arrivedMs: NOW_MS } }],
    ['passed on by a peer that does not know the time', { relay: { ...SHARED, arrivedMs: null } }],
  ])('is not %s', (_, some) => {
    expect(homeFor(identity, READ, some)).toBeNull();
  });

  it.each<[string, object, unknown]>([
    ['a reading', identity, { seq: 7 }],
    ['all of a list', identity, [{ seq: 7 }, { seq: 8 }]],
    ['one of a list', time('trust'), [READ, { ts: READ.ts }]],
    ['what is no reading', identity, 'on'],
    ['a reading without an identity', time('trust'), { ts: READ.ts }],
  ])('is what is rejected, since it may be a repeat once it is mended: %s', (_, telemetry, payload) => {
    expect(homeFor(telemetry, payload)).toBe('cellar');
    expect(homeFor(telemetry, payload, { topic: OWN }), 'where it is at home').toBeNull();
    expect(homeFor(telemetry, payload, { relay: null }), 'of a client of this gateway').toBeNull();
  });

  it('is nothing that is too large: it may be too large to be passed on', () => {
    expect(homeFor(identity, { ...READ, note: 'x'.repeat(10_000) })).toBeNull();
  });
});

describe('what is put into the outbox of a home', () => {
  it('is the message with its time, on the topic that says who sends it', () => {
    const out: { outbox: string; topic: string; payload: Buffer }[] = [];
    class OutGroup extends FakeGroup {
      override forward(outbox = '', topic = '', payload: Buffer = Buffer.alloc(0)): void {
        out.push({ outbox, topic, payload });
      }
    }
    const homes = homesOf('attic', ['cellar', 'shed']);
    const group = new OutGroup(new FakeStore());
    homes.send('shed', shared('t/a', 'as it came'), NOW_MS + 0.5, group);
    homes.send('cellar', shared('t/b', ''), null, group);
    expect(out.map(({ outbox, topic }) => `${outbox} ${topic}`)).toEqual([
      'peer/shed gateway/peers/attic',
      'peer/cellar gateway/peers/attic',
    ]);
    const [one, two] = out.map(({ payload }) => unpackParcel(payload));
    expect(one).toMatchObject({ topic: 't/a', relay: { arrivedMs: NOW_MS } });
    expect(one?.payload.toString()).toBe('as it came');
    expect(two).toMatchObject({ topic: 't/b', relay: { arrivedMs: null } });
    expect(() => homes.send('nobody', shared('t/a'), NOW_MS, group)).toThrow('no peer is called nobody');
    expect(out).toHaveLength(2);
  });

  it('has no room where that outbox says so', () => {
    const homes = homesOf('attic', ['cellar', 'shed'], (outbox) => outbox === 'peer/shed');
    expect([homes.isFull('cellar'), homes.isFull('shed')]).toEqual([false, true]);
    expect(() => homes.isFull('nobody')).toThrow('no peer is called nobody');
  });
});

function shuffled(all: readonly string[]): fc.Arbitrary<string[]> {
  return fc.shuffledSubarray([...all], { minLength: all.length, maxLength: all.length });
}

function countOf(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const each of names) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
}
