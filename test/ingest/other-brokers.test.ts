import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import type { Ingest, Message, OutcomeKind, Transfer } from '../../gateway/contracts.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { createForwards } from '../../gateway/ingest/forwards.ts';
import { createInterpret } from '../../gateway/ingest/interpret.ts';
import { createKeep } from '../../gateway/ingest/keep.ts';
import { createRepeats } from '../../gateway/ingest/repeats.ts';
import { createRetainedReplays } from '../../gateway/ingest/retained-replays.ts';
import { createIngest, type IngestDeps } from '../../gateway/ingest.ts';
import { createTopicsSeen } from '../../gateway/operations/topics-seen.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import type { Hash, TransferKey } from '../../gateway/store-contract.ts';
import { FakeGroup, FakeStore, ManualClock, MESSAGE, settled } from '../ledgers/fake-store.ts';
import { arrival, readingsOf, schema } from '../readings/under-test.ts';
import { ledgersWith } from '../support/no-ledgers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

class World {
  /** On disk. */
  readonly lines: string[] = [];
  readonly out: string[] = [];
  readonly transfers: TransferKey[] = [];
  readonly last = new Map<string, readonly [Hash, Hash]>();
  /** Not yet on disk. */
  readonly counted: string[] = [];
  readonly later: string[] = [];
  isFull: boolean = false;
  open: OpenGroup | null = null;

  group(): OpenGroup {
    if (this.isFull) throw new GatewayError('store-full', 'no room');
    this.open ??= new OpenGroup(this);
    return this.open;
  }

  countLater(_source: string, device: string, outcome: OutcomeKind, n: number): void {
    this.later.push(`${device} ${outcome} ${n}`);
  }

  async commit(): Promise<void> {
    const group = this.open;
    this.open = null;
    if (group === null) return;
    this.lines.push(...group.lines);
    this.out.push(...group.out);
    this.transfers.push(...group.transfers);
    for (const pair of group.last) this.last.set(`${pair[0].high} ${pair[0].low}`, pair);
    await group.commit();
  }

  async fail(): Promise<void> {
    const group = this.open;
    this.open = null;
    await group?.fail();
    await settled();
  }
}

class OpenGroup extends FakeGroup {
  readonly lines: string[] = [];
  readonly out: string[] = [];
  readonly transfers: TransferKey[] = [];
  readonly last: (readonly [Hash, Hash])[] = [];
  readonly #world: World;
  constructor(world: World) {
    super(new FakeStore());
    this.#world = world;
  }
  override point(line = ''): void {
    this.lines.push(line);
  }
  override count(_source = '', device = '', outcome: OutcomeKind = 'stored', n = 0): void {
    this.#world.counted.push(`${device} ${outcome} ${n}`);
  }
  override remember(key?: TransferKey): void {
    if (key !== undefined) this.transfers.push(key);
  }
  override rememberLast(topic?: Hash, payload?: Hash): void {
    if (topic !== undefined && payload !== undefined) this.last.push([topic, payload]);
  }
  override forward(outbox = '', topic = '', payload: Buffer = Buffer.alloc(0)): void {
    this.out.push(`${outbox} ${topic} ${payload.toString()}`);
  }
}

const SCHEMA = schema({ required: ['temperature'] });
const clock = new ManualClock();
const formats = createFormats();

/** A gateway on this disk: what it knows is what was committed. */
function gatewayOn(world: World, some: Partial<IngestDeps> = {}): Ingest {
  const repeats = createRepeats(clock);
  repeats.restore(world.transfers);
  const retained = createRetainedReplays();
  retained.restore(world.last.values());
  return createIngest({
    readings: readingsOf(SCHEMA),
    interpret: createInterpret({ formats, maxPayloadBytes: 10_000 }),
    keep: createKeep({ formats, ledgers: ledgersWith(), versionOf: () => 'v1' }),
    store: world,
    repeats,
    retained,
    forwards: null,
    homes: null,
    arrival,
    topics: createTopicsSeen(),
    clock,
    unrouted: 'forward',
    maxPayloadBytes: 10_000,
    ...some,
  });
}

function relayed(payload: string, some: Partial<Message> = {}): Message {
  const relay = { contentType: null, userProperties: new Map<string, string>() };
  const message = { ...MESSAGE, source: 'upstream', client: 'upstream', topic: 't/kitchen', relay };
  return { ...message, payload: Buffer.from(payload), ...some };
}

function qos1(packetId: number, some: Partial<Transfer> = {}): { readonly transfer: Transfer } {
  return { transfer: { packetId, qos: 1, dup: false, connection: 1, ...some } };
}

const ONE = '{"temperature":1}';
const TWO = '{"temperature":2}';
const RETAINED = { retain: true };

describe('ingest, of what another broker repeats', () => {
  let world: World;
  let ingest: Ingest;
  const kinds = (message: Message): string[] => ingest.ingest(message).outcomes.map(({ kind }) => kind);

  beforeEach(() => {
    world = new World();
    ingest = gatewayOn(world);
  });

  it('takes a message of a new session for one of its own, whatever the lost one brought, also after a kill', async () => {
    ingest.ingest(relayed(ONE, qos1(1)));
    await world.commit();
    const committed = ingest.sessionLost('upstream');
    await world.commit();
    await committed;
    const again = relayed(ONE, qos1(1, { dup: true, connection: 2 }));
    expect(gatewayOn(world).ingest(again).outcomes).toMatchObject([{ kind: 'stored' }]);
    expect(kinds(again)).toEqual(['stored']);
    expect(kinds(again)).toEqual(['duplicate']);
  });

  it('does not say that a lost session is forgotten while it cannot be', async () => {
    world.isFull = true;
    expect(() => ingest.sessionLost('upstream')).toThrow('no room');
  });

  it('stores a retained message once, also after a restart, and a changed one again', async () => {
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['stored']);
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['duplicate']);
    await world.commit();
    ingest = gatewayOn(world);
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['duplicate']);
    expect(kinds(relayed(TWO, RETAINED))).toEqual(['stored']);
    await world.commit();
    expect(world.lines).toHaveLength(2);
  });

  it('knows a retained message that came live before', () => {
    expect(kinds(relayed(ONE))).toEqual(['stored']);
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['duplicate']);
  });

  it('takes a retained message for another one where its properties have changed', async () => {
    const withProperties = (contentType: string | null, ...pairs: [string, string][]): Message =>
      relayed(ONE, { ...RETAINED, relay: { contentType, userProperties: new Map(pairs) } });
    expect(kinds(withProperties(null))).toEqual(['stored']);
    expect(kinds(withProperties(null, ['room', 'hall']))).toEqual(['stored']);
    expect(kinds(withProperties(null, ['room', 'hall']))).toEqual(['duplicate']);
    expect(kinds(withProperties(null, ['room', 'attic']))).toEqual(['stored']);
    expect(kinds(withProperties(null, ['room', 'attic'], ['floor', '2']))).toEqual(['stored']);
    expect(kinds(withProperties('application/json', ['room', 'attic'], ['floor', '2']))).toEqual(['stored']);
    await world.commit();
    ingest = gatewayOn(world);
    expect(kinds(withProperties('application/json', ['room', 'attic'], ['floor', '2']))).toEqual([
      'duplicate',
    ]);
    expect(kinds(withProperties(null))).toEqual(['stored']);
  });

  it('takes two equal messages that come live for two readings', () => {
    expect(kinds(relayed(ONE))).toEqual(['stored']);
    expect(kinds(relayed(ONE))).toEqual(['stored']);
  });

  it('takes equal retained messages of its own clients for two readings: a broker it is itself', () => {
    expect(kinds({ ...relayed(ONE, RETAINED), relay: null })).toEqual(['stored']);
    expect(kinds({ ...relayed(ONE, RETAINED), relay: null })).toEqual(['stored']);
  });

  it('counts each reading of a repeated list, under its device', () => {
    const list = '[{"temperature":1},{"temperature":2},{"temperature":"x"}]';
    expect(kinds(relayed(list, RETAINED))).toEqual(['stored', 'stored', 'rejected']);
    world.counted.length = 0;
    expect(kinds(relayed(list, RETAINED))).toEqual(['duplicate', 'duplicate', 'duplicate']);
    expect(world.counted).toEqual(Array.from({ length: 3 }, () => 'kitchen duplicate 1'));
  });

  it('does not reject again what it has rejected', () => {
    expect(kinds(relayed('{"temperature":"x"}', RETAINED))).toEqual(['rejected']);
    expect(kinds(relayed('{"temperature":"x"}', RETAINED))).toEqual(['duplicate']);
  });

  it('acknowledges a repetition not before its original, and never where that was lost', async () => {
    ingest.ingest(relayed(ONE));
    const first = world.open;
    world.open = null;
    const { outcomes, committed } = ingest.ingest(relayed(ONE, RETAINED));
    expect(outcomes).toMatchObject([{ kind: 'duplicate' }]);
    let isAcknowledged = false;
    const acknowledged = committed.then(
      () => {
        isAcknowledged = true;
      },
      () => undefined,
    );
    await world.commit();
    await settled();
    expect(isAcknowledged).toBe(false);
    await first?.fail();
    await acknowledged;
    expect(isAcknowledged).toBe(false);
    expect(kinds(relayed(ONE, RETAINED)), 'it comes again').toEqual(['stored']);
  });

  it('is not sure of a message whose reading is stored in a group that may still fail', async () => {
    const original = new FakeGroup(new FakeStore());
    let isDuplicate: boolean = false;
    const keep = createKeep({
      formats,
      ledgers: ledgersWith({
        judge: () => (isDuplicate ? { kind: 'duplicate', original: original.committed } : null),
      }),
      versionOf: () => 'v1',
    });
    ingest = gatewayOn(world, { keep });
    ingest.ingest(relayed(TWO));
    await world.commit();
    isDuplicate = true;
    const { outcomes, committed } = ingest.ingest(relayed(ONE, RETAINED));
    expect(outcomes).toMatchObject([{ kind: 'duplicate' }]);
    await world.commit();
    await original.fail();
    await expect(committed).rejects.toThrow();
    isDuplicate = false;
    expect(kinds(relayed(TWO, RETAINED)), 'the one before is no longer the last').toEqual(['stored']);
    await world.fail();
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['stored']);
    await world.fail();
    ingest = gatewayOn(world, { keep });
    expect(kinds(relayed(ONE, RETAINED)), 'after a restart').toEqual(['stored']);
  });

  it('forgets the last message of a topic that is cleared: the same one may be set anew', async () => {
    ingest.ingest(relayed(ONE));
    expect(kinds(relayed('')), 'a broker passes it on without saying retained').toEqual(['forwarded']);
    await world.commit();
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['stored']);
    await world.fail();
    ingest = gatewayOn(world);
    expect(kinds(relayed(ONE, RETAINED)), 'after a restart').toEqual(['stored']);
  });

  it('does not acknowledge while the store is full that a topic was cleared', async () => {
    ingest.ingest(relayed(ONE));
    await world.commit();
    world.isFull = true;
    expect(() => ingest.ingest(relayed(''))).toThrow('no room');
    expect(world.later).toEqual(['client:upstream refused 1']);
    world.isFull = false;
    expect(kinds(relayed(''))).toEqual(['forwarded']);
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['stored']);
  });

  it('remembers nothing that it refused', () => {
    world.isFull = true;
    expect(() => ingest.ingest(relayed(ONE, RETAINED))).toThrow('no room');
    world.isFull = false;
    expect(kinds(relayed(ONE, RETAINED))).toEqual(['stored']);
  });

  it.each([
    ['a repetition of what the broker keeps', relayed(TWO, RETAINED)],
    ['a message of a topic that no schema claims', relayed('x', { topic: 'other' })],
  ])('lets %s end an older transfer under its packet id, also after a restart', async (_, between) => {
    ingest.ingest(relayed(TWO, { topic: between.topic }));
    ingest.ingest(relayed(ONE, { topic: 't/attic', ...qos1(7) }));
    expect(['duplicate', 'forwarded']).toContain(kinds({ ...between, ...qos1(7) })[0]);
    await world.commit();
    const resent = relayed(ONE, { topic: 't/attic', ...qos1(7, { dup: true, connection: 2 }) });
    expect(kinds(resent), 'a third message, lost on its way the first time').toEqual(['stored']);
    await world.fail();
    ingest = gatewayOn(world);
    expect(kinds(resent), 'after a restart').toEqual(['stored']);
  });

  it('property: what is stored last is what the broker keeps, whatever is lost on the way, and nothing twice', async () => {
    const topic = fc.constantFrom('t/a', 't/b');
    const value = fc.integer({ min: 1, max: 3 });
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('publish' as const), topic, value }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('commit', 'fail', 'crash', 'away', 'back') }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        world = new World();
        ingest = gatewayOn(world);
        const kept = new Map<string, number>();
        let isThere = true;
        const send = (topic: string, value: number, retain: boolean): string | undefined =>
          kinds(relayed(`{"temperature":${value}}`, { topic, retain }))[0];
        const back = (): void => {
          isThere = true;
          for (const [topic, value] of kept) send(topic, value, true);
        };
        for (const each of steps) {
          if ('topic' in each) {
            kept.set(each.topic, each.value);
            if (isThere) send(each.topic, each.value, false);
          } else if (each.do === 'commit') await world.commit();
          else if (each.do === 'away') isThere = false;
          else if (each.do === 'back') back();
          else {
            // What was not acknowledged is not: the connection ends, and the broker repeats what it keeps.
            await world.fail();
            if (each.do === 'crash') ingest = gatewayOn(world);
            isThere = false;
          }
        }
        back();
        await world.commit();
        const lastStored = new Map(
          world.lines.map((line) => {
            const [, device = '', text = ''] = /device=(\w+) temperature=(\d+)/.exec(line) ?? [];
            return [`t/${device}`, Number(text)] as const;
          }),
        );
        expect(lastStored).toEqual(kept);
        for (const [topic, value] of kept) expect(send(topic, value, true)).toBe('duplicate');
        ingest = gatewayOn(world);
        for (const [topic, value] of kept) expect(send(topic, value, true), 'restarted').toBe('duplicate');
      }),
      { numRuns: 200 },
    );
  });
});

describe('ingest, of what goes on to another broker', () => {
  const RAW = createForwards([{ name: 'up', topics: ['#'], send: 'raw', prefix: '' }]);

  it('puts it into the group of its readings', async () => {
    const world = new World();
    const ingest = gatewayOn(world, { forwards: RAW });
    for (const payload of [ONE, '{', ONE]) ingest.ingest(relayed(payload));
    ingest.ingest(relayed('x', { topic: 'other' }));
    expect(world.out).toEqual([]);
    await world.commit();
    expect(world.out).toEqual([`up t/kitchen ${ONE}`, 'up t/kitchen {', `up t/kitchen ${ONE}`, 'up other x']);
  });

  it('does not put it there again where it comes again', async () => {
    const world = new World();
    const ingest = gatewayOn(world, { forwards: RAW });
    ingest.ingest(relayed(ONE, qos1(7)));
    ingest.ingest(relayed(ONE, qos1(7, { dup: true })));
    ingest.ingest(relayed(ONE, RETAINED));
    await world.commit();
    expect(world.out).toEqual([`up t/kitchen ${ONE}`]);
  });

  it('does not acknowledge what no schema claims while it cannot be kept, and counts it as refused', () => {
    const world = new World();
    world.isFull = true;
    const other = relayed('x', { topic: 'other', relay: null });
    expect(() => gatewayOn(world, { forwards: RAW }).ingest(other)).toThrow('no room');
    expect(world.later).toEqual(['client:upstream refused 1']);
    expect(gatewayOn(world).ingest(other).outcomes).toMatchObject([{ kind: 'forwarded' }]);
    expect(world.later[1]).toBe('client:upstream forwarded 1');
  });
});

describe('ingest, on the store itself', () => {
  it('knows a repetition after a restart, and finds what waits to go out', async () => {
    const dir = temporaryFolder('other-brokers');
    const deps = { clock: systemClock, events: { emit: () => undefined } };
    const forwards = createForwards([{ name: 'up', topics: ['t/#'], send: 'raw', prefix: 'x/' }]);
    const kinds: (string | undefined)[] = [];
    for (let start = 0; start < 2; start += 1) {
      const store = await openLmdbStore({ dir, minFreeDiskBytes: 0 }, deps);
      const outbox = store.openOutbox('up', { maxBacklogBytes: 2 ** 20, whenFull: 'block' });
      const retained = createRetainedReplays();
      retained.restore(store.lastPayloads);
      const ingest = gatewayOn(new World(), { store, retained, forwards });
      for (const message of [relayed(ONE, RETAINED), relayed('{', { ...RETAINED, topic: 't/attic' })]) {
        const { outcomes, committed } = ingest.ingest(message);
        kinds.push(outcomes[0]?.kind);
        await committed;
      }
      const waiting = outbox.read(null, { maxMessages: 10, maxBytes: 10_000 })?.messages ?? [];
      expect(waiting.map(({ topic, payload }) => `${topic} ${payload.toString()}`)).toEqual([
        `x/t/kitchen ${ONE}`,
        'x/t/attic {',
      ]);
      expect(store.account().sources.upstream).toMatchObject({ received: 2 + 2 * start });
      await store.close();
    }
    expect(kinds).toEqual(['stored', 'rejected', 'duplicate', 'duplicate']);
  });
});
