import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../gateway/contracts.ts';
import { NOW_MS, schema } from '../readings/under-test.ts';
import { delivered, type PeerGateway, shared } from './peered-gateway.ts';
import {
  COUNTED,
  FOREIGN,
  gateway,
  kinds,
  OWN,
  passOn,
  reading,
  TIMED,
  taken,
  tallyOf,
} from './two-peers.ts';

/** Nothing but its time names a reading. */
const UNNAMED = schema({
  telemetry: { time: { property: 'ts', unit: 'ms' } },
  properties: { seq: { type: 'integer' }, ts: { type: 'integer' } },
});
const LATER_MS = 3_600_000;

describe('a reading that came to another gateway first', () => {
  it('is stored at its home with the time at which it came there, and meets no other of that millisecond', async () => {
    const attic = gateway('attic');
    const cellar = gateway('cellar');
    const each = Array.from({ length: 500 }, (_, seq) => reading(seq));
    for (const payload of each) await taken(attic, shared(FOREIGN, payload));
    await passOn(attic, cellar, ['attic', 'cellar']);
    for (let seq = 500; seq < 1000; seq += 1) await taken(cellar, shared(FOREIGN, reading(seq)));
    const times = cellar.lines().map((line) => line.trim().split(' ').at(-1) ?? '');
    expect(times).toHaveLength(1000);
    expect(new Set(times.map((ns) => ns.slice(0, 13)))).toEqual(new Set([`${NOW_MS}`]));
    expect(new Set(times.map((ns) => ns.length))).toEqual(new Set([19]));
    expect(new Set(times).size).toBe(1000);
  });

  it('is seen there when it comes there, whenever it came to the other one', async () => {
    const [attic, cellar] = [gateway('attic'), gateway('cellar', { nowMs: NOW_MS + LATER_MS })];
    await taken(attic, shared(FOREIGN, reading(1)));
    await passOn(attic, cellar, ['attic', 'cellar']);
    expect(cellar.topics.list()).toMatchObject([{ topic: FOREIGN, lastMs: NOW_MS + LATER_MS }]);
  });

  it('is a duplicate there where it comes again: from the same peer, from another, or directly', async () => {
    const names = ['attic', 'shed', 'cellar'];
    const among = (name: string): PeerGateway =>
      gateway(name, { others: names.filter((each) => each !== name) });
    const [attic, shed, cellar] = [among('attic'), among('shed'), among('cellar')];
    // The home among three may be another one.
    const topic =
      Array.from({ length: 100 }, (_, i) => `t/dev-${i}`).find((each) => {
        attic.take(shared(each, reading(1)));
        return kinds(cellar.take(shared(each, reading(0))).outcomes)[0] === 'stored';
      }) ?? '';
    const message = (): Message => shared(topic, reading(7));
    await taken(attic, message());
    await taken(shed, message());
    const ofAttic = attic.waitingFor('cellar').at(-1);
    const ofShed = shed.waitingFor('cellar').at(-1);
    if (ofAttic === undefined || ofShed === undefined) throw new Error('nothing waits');
    expect(await taken(cellar, delivered(ofAttic, 'attic'))).toEqual(['stored']);
    expect(await taken(cellar, delivered(ofAttic, 'attic')), 'sent again').toEqual(['duplicate']);
    expect(await taken(cellar, delivered(ofShed, 'shed'))).toEqual(['duplicate']);
    expect(await taken(cellar, message())).toEqual(['duplicate']);
    tallyOf(cellar.store);
  });

  it('is a duplicate as a parcel where it came directly before', async () => {
    const [attic, cellar] = [gateway('attic'), gateway('cellar', { nowMs: NOW_MS + 10 })];
    await taken(cellar, shared(FOREIGN, reading(1)));
    await taken(attic, shared(FOREIGN, reading(1)));
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['duplicate']);
    expect(cellar.lines()).toHaveLength(1);
  });

  it('counts its age from there', async () => {
    const AGED = schema({
      telemetry: { identity: ['seq'], time: { property: 'age', unit: 's', kind: 'age' } },
      properties: { seq: { type: 'integer' }, age: { type: 'integer' } },
    });
    const attic = gateway('attic', { schema: AGED });
    const cellar = gateway('cellar', { schema: AGED, nowMs: NOW_MS + LATER_MS });
    await taken(attic, shared(FOREIGN, reading(1, { age: 60 })));
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['stored']);
    expect(cellar.lines()[0]).toContain(` ${NOW_MS - 60_000}`);
  });

  it('is held there against the time at which it came: it is not too old for having waited', async () => {
    const WINDOW = schema({
      telemetry: {
        identity: ['seq'],
        time: { property: 'ts', unit: 'ms', clock: 'reject', tolerance: '1m' },
      },
      properties: { seq: { type: 'integer' }, ts: { type: 'integer' } },
    });
    const attic = gateway('attic', { schema: WINDOW });
    const cellar = gateway('cellar', { schema: WINDOW, nowMs: NOW_MS + LATER_MS });
    expect(await taken(attic, shared(FOREIGN, reading(1, { ts: NOW_MS - 1_000 })))).toEqual(['forwarded']);
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['stored']);
  });

  it('is rejected at its home, with the time at which it came, where another schema is in force there', async () => {
    const STRICT = schema({
      telemetry: { identity: ['seq'] },
      properties: { temperature: { type: 'number', maximum: 0 }, seq: { type: 'integer' } },
    });
    const [attic, cellar] = [
      gateway('attic'),
      gateway('cellar', { schema: STRICT, nowMs: NOW_MS + LATER_MS }),
    ];
    await taken(attic, shared(FOREIGN, reading(1)));
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['rejected']);
    expect(cellar.store.rejections({})).toMatchObject([
      { code: 'invalid', topic: FOREIGN, source: 'peer', atMs: NOW_MS },
    ]);
  });

  it('is rejected there, not passed by, where no schema claims its topic: it would be nowhere', async () => {
    const OTHER = schema({ telemetry: { topics: ['other/{device}'] } });
    const [attic, cellar] = [gateway('attic'), gateway('cellar', { schema: OTHER, forwardsRaw: true })];
    await taken(attic, shared(FOREIGN, reading(1)));
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['rejected']);
    expect(cellar.store.rejections({})).toMatchObject([{ code: 'no-route', topic: FOREIGN }]);
    expect(tallyOf(cellar.store)).toMatchObject({ received: 1, rejected: 1, forwarded: 0 });
    expect(await taken(cellar, shared(FOREIGN, reading(1))), 'what comes directly is ordinary MQTT').toEqual([
      'forwarded',
    ]);
  });

  it('never goes further: two gateways that think each other its home keep it', async () => {
    const cellar = gateway('cellar');
    const parcel = { ...shared(OWN, reading(1)), source: 'peer', client: 'gateway-peer-attic' };
    const relay = {
      contentType: null,
      userProperties: new Map<string, string>(),
      isShared: true,
      arrivedMs: NOW_MS,
    };
    expect(await taken(cellar, shared(OWN, reading(2))), 'the attic is its home').toEqual(['forwarded']);
    expect(await taken(cellar, { ...parcel, relay })).toEqual(['stored']);
    expect(cellar.waitingFor('attic')).toHaveLength(1);
  });
});

describe('what is rejected', () => {
  /** For a sensor that nobody expected: everything beyond zero is rejected. */
  const strict = (telemetry: object): object =>
    schema({
      telemetry,
      properties: {
        temperature: { type: 'number', maximum: 0 },
        seq: { type: 'integer' },
        ts: { type: 'integer' },
      },
      required: ['temperature'],
    });
  const identity = ['seq'];
  const time = { property: 'ts', unit: 'ms' };

  it.each<[string, object, object]>([
    ['an identity', strict({ identity }), COUNTED],
    ['an identity and a time of its own', strict({ identity, time }), TIMED],
  ])(
    'and has %s is kept at its home alone, so that a replay there finds all repeats',
    async (_, was, mended) => {
      const attic = gateway('attic', { schema: was });
      const cellar = gateway('cellar', { schema: was, nowMs: NOW_MS + LATER_MS });
      const payload = reading(1, { ts: NOW_MS - 5 });
      expect(await taken(attic, shared(FOREIGN, payload))).toEqual(['forwarded']);
      expect(await taken(attic, shared(FOREIGN, payload))).toEqual(['forwarded']);
      expect(await taken(cellar, shared(FOREIGN, payload))).toEqual(['rejected']);
      expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['rejected', 'rejected']);
      expect(attic.store.rejections({})).toEqual([]);
      for (const { store } of [attic, cellar]) tallyOf(store);

      const later = gateway('cellar', {
        schema: mended,
        storage: cellar.storage,
        nowMs: NOW_MS + 2 * LATER_MS,
      });
      expect(await later.replay()).toMatchObject({ looked: 3, stored: 1, duplicate: 2 });
      expect(await later.replay()).toMatchObject({ looked: 0 });
      expect(later.lines()).toHaveLength(1);
      expect(await taken(later, shared(FOREIGN, payload)), 'said once more').toEqual(['duplicate']);
      const nextDoor = gateway('attic', { schema: mended, storage: attic.storage });
      expect(await taken(nextDoor, shared(FOREIGN, payload))).toEqual(['forwarded']);
      expect((await passOn(nextDoor, later, ['attic', 'cellar'])).at(-1)).toBe('duplicate');
      expect(later.lines()).toHaveLength(1);
      tallyOf(later.store);
    },
  );

  it('and has nothing but its time becomes the same point when it is replayed as where it was taken at once', async () => {
    const cellar = gateway('cellar', { schema: strict({ time }) });
    const attic = gateway('attic', { schema: strict({ time }) });
    const [one, two] = [reading(1, { ts: NOW_MS - 5 }), reading(2, { ts: NOW_MS - 5 })];
    expect(await taken(attic, shared(FOREIGN, one))).toEqual(['forwarded']);
    expect(await taken(cellar, shared(FOREIGN, two))).toEqual(['rejected']);
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['rejected']);
    const later = gateway('cellar', { schema: UNNAMED, storage: cellar.storage });
    expect(await later.replay()).toMatchObject({ looked: 2, stored: 2 });

    const mended = gateway('attic', { schema: UNNAMED });
    expect(await taken(mended, shared(FOREIGN, two))).toEqual(['stored']);
    expect(await taken(mended, shared(FOREIGN, one))).toEqual(['stored']);
    expect(mended.lines()).toEqual(later.lines());
  });
});

describe('a gateway whose clock is not set', () => {
  it('passes readings on without a time: the home gives them that of their arrival there', async () => {
    const attic = gateway('attic', { isProvisional: true, nowMs: 5_000 });
    const cellar = gateway('cellar', { nowMs: NOW_MS + LATER_MS });
    expect(await taken(attic, shared(FOREIGN, reading(1)))).toEqual(['forwarded']);
    const [parcel] = attic.waitingFor('cellar');
    expect(parcel?.payload.toString()).not.toContain('arrivedMs');
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['stored']);
    expect(cellar.lines()[0]).toContain(` ${NOW_MS + LATER_MS}`);
    expect(await taken(cellar, shared(FOREIGN, reading(1))), 'directly').toEqual(['duplicate']);
  });

  it('stores what a peer passes on with the time that the peer has given it, not one of its own', async () => {
    const attic = gateway('attic');
    const cellar = gateway('cellar', { isProvisional: true, nowMs: 5_000 });
    await taken(attic, shared(FOREIGN, reading(1)));
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['stored']);
    await cellar.store.setArrivalBase(`${BigInt(NOW_MS + LATER_MS) * 1_000_000n}`);
    const [line = ''] = cellar.lines();
    expect(line.trim().split(' ').at(-1)).toMatch(new RegExp(`^${NOW_MS}\\d{6}$`));
  });
});

describe('a gateway whose clock is far ahead of that of the home', () => {
  it.each([
    ['more than an hour', LATER_MS + 1, false, NOW_MS],
    ['an hour', LATER_MS, false, NOW_MS + LATER_MS],
    [
      'more than an hour, as far as a clock can tell that is not set,',
      LATER_MS + 1,
      true,
      NOW_MS + LATER_MS + 1,
    ],
  ])(
    '%s counts as one whose clock is not set, if the home can know: what is rejected ages there',
    async (_, aheadMs, isProvisional, atMs) => {
      const STRICT = schema({
        telemetry: { identity: ['seq'] },
        properties: { temperature: { type: 'number', maximum: 5 }, seq: { type: 'integer' } },
      });
      const attic = gateway('attic', { schema: STRICT, nowMs: NOW_MS + aheadMs });
      const cellar = gateway('cellar', { schema: STRICT, isProvisional });
      for (const seq of [1, 9]) await taken(attic, shared(FOREIGN, reading(seq)));
      expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['stored', 'rejected']);
      expect(cellar.lines()[0]).toContain(` ${atMs}`);
      expect(cellar.store.rejections({})).toMatchObject([{ code: 'invalid', atMs }]);
      expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['duplicate', 'rejected']);
    },
  );
});

describe('an age, at a home whose own clock is not set', () => {
  it('counts from when the reading came to the peer', async () => {
    const aged = schema({
      telemetry: { identity: ['seq'], time: { property: 'age', kind: 'age', unit: 's' } },
      properties: { seq: { type: 'integer' }, age: { type: 'integer' } },
      required: ['temperature', 'seq'],
    });
    const attic = gateway('attic', { schema: aged });
    const cellar = gateway('cellar', { schema: aged, isProvisional: true, nowMs: 5_000 });
    expect(await taken(attic, shared(FOREIGN, reading(1, { age: 30 })))).toEqual(['forwarded']);
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['stored']);
    expect(cellar.lines()[0]).toContain(` ${NOW_MS - 30_000}`);
  });
});

describe('two gateways that get the same readings, each at random, and repeats', () => {
  it('property: store each once at its home, and nothing is lost; with nothing but its time each stores what it got', async () => {
    const step = fc.record({
      device: fc.integer({ min: 0, max: 5 }),
      seq: fc.integer({ min: 0, max: 5 }),
      to: fc.constantFrom(0, 1),
      passesOn: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 40 }),
        fc.constantFrom({}, { schema: TIMED }, { schema: UNNAMED }),
        async (steps, some) => {
          const isUnnamed = some.schema === UNNAMED;
          const gateways = [
            gateway('attic', some),
            gateway('cellar', { ...some, nowMs: NOW_MS + 7 }),
          ] as const;
          const [attic, cellar] = gateways;
          const said = new Set<string>();
          let messages = 0;
          for (const { device, seq, to, passesOn } of steps) {
            const payload = reading(seq, { ts: NOW_MS - seq });
            said.add(`dev-${device} ${seq}`);
            messages += 1;
            await taken(gateways[to], shared(`t/dev-${device}`, payload));
            // Everything that waits, also what has come there already: at least once.
            if (passesOn) await passOn(attic, cellar, ['attic', 'cellar']);
          }
          await passOn(attic, cellar, ['attic', 'cellar']);
          await passOn(cellar, attic, ['cellar', 'attic']);
          const points = (each: PeerGateway): string[] =>
            each.lines().map((line) => {
              const [, at = '', value = ''] = /device=(dev-\d).*[ ,]seq=(\d+)i/.exec(line) ?? [];
              return `${at} ${value}`;
            });
          const all = [...points(attic), ...points(cellar)];
          expect([...new Set(all)].sort()).toEqual([...said].sort());
          if (isUnnamed) {
            const lines = new Set([...attic.lines(), ...cellar.lines()]);
            expect(lines.size, 'one point each in the database').toBe(said.size);
          } else expect(all).toHaveLength(said.size);
          const house = gateways.map(({ store }) => store.account().sources.house?.received ?? 0);
          expect(house[0] ?? 0).toBe(messages - (house[1] ?? 0));
          for (const { store } of gateways) tallyOf(store);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);
});
