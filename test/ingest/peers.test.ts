import { describe, expect, it } from 'vitest';
import type { Message } from '../../gateway/contracts.ts';
import { isGatewayError } from '../../gateway/errors.ts';
import { NOW_MS } from '../readings/under-test.ts';
import { deferred } from '../sources/mqtt-broker/support/fake-ingest.ts';
import { messageOn } from '../support/message.ts';
import { delivered, type PeerGateway, type PeerOptions, shared } from './peered-gateway.ts';
import { FOREIGN, gateway, OWN, passOn, reading, TIMED, taken, tallyOf } from './two-peers.ts';

const FULL: Partial<PeerOptions> = { schema: TIMED, maxBacklogBytes: 4_096 };

/** The attic, with as much for the cellar as may wait for it. */
async function fullGateway(some: Partial<PeerOptions> = {}): Promise<{
  readonly attic: PeerGateway;
  readonly waiting: number;
  readonly first: Message;
  readonly last: Message;
}> {
  const attic = gateway('attic', { ...FULL, ...some });
  return { attic, ...(await filled(attic, 'cellar', FOREIGN)) };
}

async function filled(
  by: PeerGateway,
  peer: string,
  topic: string,
): Promise<{ readonly waiting: number; readonly first: Message; readonly last: Message }> {
  const first = shared(topic, reading(0));
  let last = first;
  const before = by.waitingFor(peer).length;
  let waiting = before;
  for (; !by.store.outboxIsFull(`peer/${peer}`) && waiting < 200; waiting += 1) {
    if (waiting > before) last = shared(topic, reading(waiting));
    await taken(by, last);
  }
  expect(by.waitingFor(peer)).toHaveLength(waiting);
  expect(waiting).toBeGreaterThan(3);
  return { waiting, first, last };
}

/** A topic for each home, as the attic sees it. */
async function topicsByHome(others: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const attic = gateway('attic', { others });
  const topics = new Map<string, string>();
  for (let i = 0; i < 60; i += 1) {
    await taken(attic, shared(`t/dev-${i}`, reading(1)));
    const home = others.find((each) => attic.waitingFor(each).length > 0) ?? 'attic';
    topics.set(home, `t/dev-${i}`);
    for (const each of others) await attic.sent(each);
  }
  return topics;
}

/** The code with which it is not taken; null: it is. */
function refusalOf(by: PeerGateway, message: Message): string | null {
  try {
    by.take(message);
    return null;
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    return error.code;
  }
}

function resent(message: Message): Message {
  const { transfer } = message;
  return { ...message, transfer: transfer === null ? null : { ...transfer, dup: true } };
}

describe('a reading that has its home elsewhere', () => {
  it('is forwarded, for each reading under its device, and lies in the outbox of its home and nowhere else', async () => {
    const attic = gateway('attic', { forwardsRaw: true });
    const list = `[${reading(1)},${reading(2)},{"seq":3}]`;
    expect(await taken(attic, shared(FOREIGN, list))).toEqual(['forwarded', 'forwarded', 'forwarded']);
    expect(attic.waitingFor('cellar')).toHaveLength(1);
    expect(attic.waitingFor('up'), 'forward: is for its home to do').toEqual([]);
    expect(attic.lines()).toEqual([]);
    expect(attic.store.rejections({})).toEqual([]);
    expect(tallyOf(attic.store)).toMatchObject({ received: 3, forwarded: 3 });
    const device = FOREIGN.slice('t/'.length);
    expect(attic.store.account().devices.get(device)).toMatchObject({ received: 3, forwarded: 3 });
    expect(attic.store.account().sources.house).toMatchObject({ received: 3, forwarded: 3 });
  });

  it('is passed on as it came, on the topic that names who passes it on, with the time of its arrival', async () => {
    const attic = gateway('attic', { nowMs: NOW_MS + 0.5 });
    const message = shared(FOREIGN, reading(1));
    const relay = { contentType: 'application/json', userProperties: new Map([['a', 'b']]), isShared: true };
    await taken(attic, { ...message, relay });
    const [parcel] = attic.waitingFor('cellar');
    expect(parcel?.topic).toBe('gateway/peers/attic');
    const home = parcel === undefined ? null : delivered(parcel, 'attic');
    expect(home).toMatchObject({ topic: FOREIGN, relay: { ...relay, arrivedMs: NOW_MS } });
    expect(home?.payload.toString()).toBe(reading(1));
  });

  it('is acknowledged with the group that holds it: not before it is on disk', async () => {
    const sync = deferred();
    const attic = gateway('attic', { synced: () => sync.promise });
    const own = attic.take(shared(OWN, reading(1)));
    const foreign = attic.take(shared(FOREIGN, reading(1)));
    expect(foreign.committed).toBe(own.committed);
    let isAcknowledged = false;
    const acknowledged = foreign.committed.then(() => {
      isAcknowledged = true;
    });
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(isAcknowledged).toBe(false);
    expect(attic.waitingFor('cellar'), 'and nobody is sent what may not be kept').toEqual([]);
    sync.resolve();
    await acknowledged;
    expect(attic.waitingFor('cellar')).toHaveLength(1);
    expect(attic.lines()).toHaveLength(1);
  });

  it('is nowhere, and not acknowledged, where its group could not be committed; and new when it comes again', async () => {
    const attic = gateway('attic');
    attic.storage.fail = new Error('the disk fails');
    await expect(attic.take(shared(FOREIGN, reading(1), { packetId: 9 })).committed).rejects.toThrow();
    expect(attic.waitingFor('cellar')).toEqual([]);
    attic.storage.fail = null;
    const restarted = gateway('attic', { storage: attic.storage });
    const resent = shared(FOREIGN, reading(1), { packetId: 9, dup: true, connection: 2 });
    expect(await taken(restarted, resent)).toEqual(['forwarded']);
    expect(restarted.waitingFor('cellar')).toHaveLength(1);
  });

  it.each([
    ['with DUP', { dup: true, connection: 2 }],
    ['over another connection, by its identity', { connection: 2 }],
  ])(
    'is a duplicate where its transfer comes again %s, and not sent again, also after a restart',
    async (_, how) => {
      const attic = gateway('attic');
      const list = `[${reading(1)},${reading(2)}]`;
      const message = shared(FOREIGN, list, { packetId: 9 });
      const resent = shared(FOREIGN, list, { packetId: 9, ...how });
      expect(await taken(attic, message)).toEqual(['forwarded', 'forwarded']);
      expect(await taken(attic, resent)).toEqual(['duplicate', 'duplicate']);
      const restarted = gateway('attic', { storage: attic.storage });
      expect(await taken(restarted, resent)).toEqual(['duplicate', 'duplicate']);
      expect(restarted.waitingFor('cellar')).toHaveLength(1);
      expect(tallyOf(restarted.store)).toMatchObject({ received: 6, forwarded: 2, duplicate: 4 });
    },
  );

  it('is a duplicate where the broker repeats what it keeps, also after a restart', async () => {
    const attic = gateway('attic');
    await taken(attic, shared(FOREIGN, reading(1)));
    const kept = { ...shared(FOREIGN, reading(1)), retain: true };
    expect(await taken(attic, kept)).toEqual(['duplicate']);
    const restarted = gateway('attic', { storage: attic.storage });
    expect(await taken(restarted, kept)).toEqual(['duplicate']);
    expect(restarted.waitingFor('cellar')).toHaveLength(1);
  });

  it('that is said once more, as another message, goes home as well: only there it is known', async () => {
    const [attic, cellar] = [gateway('attic'), gateway('cellar')];
    expect(await taken(attic, shared(FOREIGN, reading(1)))).toEqual(['forwarded']);
    expect(await taken(attic, shared(FOREIGN, reading(1)))).toEqual(['forwarded']);
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(['stored', 'duplicate']);
  });

  it('cannot be taken while there is no room for it: its sender tries again, and then it is news', async () => {
    const { attic, waiting } = await fullGateway();
    const again = shared(FOREIGN, reading(1_000));
    for (let i = 0; i < 2; i += 1)
      expect(() => attic.take(again)).toThrow('what waits for peer cellar is at its limit (maxBacklog)');
    expect(refusalOf(attic, shared(FOREIGN, `[${reading(1_001)},{"seq":2}]`)), 'a list').toBe('store-full');
    expect(refusalOf(attic, shared(FOREIGN, '{"seq":3}')), 'what is rejected').toBe('store-full');
    expect(refusalOf(attic, { ...again, transfer: null }), 'at QoS 0').toBe('store-full');
    expect(attic.waitingFor('cellar')).toHaveLength(waiting);

    await attic.sent('cellar');
    expect(await taken(attic, resent(again))).toEqual(['forwarded']);
    expect(attic.waitingFor('cellar')).toHaveLength(1);
    expect(attic.store.rejections({})).toEqual([]);
    const refused = { forwarded: waiting + 1, refused: 6, stored: 0, rejected: 0 };
    expect(tallyOf(attic.store)).toMatchObject(refused);
    expect(attic.store.account().devices.get(FOREIGN.slice('t/'.length))).toMatchObject(refused);
    expect(attic.store.account().sources.house).toMatchObject(refused);
  });

  it('is news when it comes again, though the same bytes under the same packet id were taken before', async () => {
    const attic = gateway('attic', FULL);
    const said = (): Message => shared(FOREIGN, '{"seq":3}', { packetId: 9 });
    expect(await taken(attic, said()), 'it will be rejected').toEqual(['forwarded']);
    await filled(attic, 'cellar', FOREIGN);
    const again = said();
    expect(refusalOf(attic, again)).toBe('store-full');
    await attic.sent('cellar');
    const { transfer } = resent(again);
    expect(await taken(attic, { ...again, transfer: transfer && { ...transfer, connection: 2 } })).toEqual([
      'forwarded',
    ]);
  });

  it('keeps nothing else from being taken while there is no room for it', async () => {
    const others = ['cellar', 'shed'];
    const topics = await topicsByHome(others);
    const attic = gateway('attic', { ...FULL, others });
    const { waiting } = await filled(attic, 'cellar', topics.get('cellar') ?? '');
    expect(refusalOf(attic, shared(topics.get('cellar') ?? '', reading(1_000)))).toBe('store-full');
    expect(await taken(attic, shared(topics.get('shed') ?? '', reading(1))), 'for another').toEqual([
      'forwarded',
    ]);
    expect(await taken(attic, shared(topics.get('attic') ?? '', reading(2)))).toEqual(['stored']);
    expect(await taken(attic, shared(FOREIGN, reading(1, { seq: undefined, ts: NOW_MS })))).toEqual([
      'stored',
    ]);
    expect(await taken(attic, messageOn(FOREIGN, reading(3))), 'of a client of its own').toEqual(['stored']);
    expect(await taken(attic, shared('elsewhere', 'on')), 'ordinary MQTT').toEqual(['forwarded']);
    const cellar = gateway('cellar', { schema: TIMED });
    await taken(cellar, shared(OWN, reading(4)));
    expect(await passOn(cellar, attic, ['cellar', 'attic'])).toEqual(['stored']);
    expect(attic.lines()).toHaveLength(4);
    expect(attic.store.status().state).toBe('open');
    expect(attic.waitingFor('cellar')).toHaveLength(waiting);
    tallyOf(attic.store);
  });

  it('has been taken where it came before there was no room: what is sent again is a duplicate', async () => {
    const { attic, first, last } = await fullGateway();
    expect(await taken(attic, resent(first))).toEqual(['duplicate']);
    expect(await taken(attic, { ...last, transfer: null, retain: true }), 'as is what is kept').toEqual([
      'duplicate',
    ]);
  });
});

describe('two gateways that are full of readings for each other', () => {
  it('take them from each other, and then everything else', async () => {
    const { attic, waiting } = await fullGateway();
    const cellar = gateway('cellar', FULL);
    const { waiting: there } = await filled(cellar, 'attic', OWN);
    expect(refusalOf(attic, shared(FOREIGN, reading(9_000)))).toBe('store-full');
    expect(refusalOf(cellar, shared(OWN, reading(9_000)))).toBe('store-full');
    const stored = (n: number): string[] => Array.from({ length: n }, () => 'stored');
    expect(await passOn(attic, cellar, ['attic', 'cellar'])).toEqual(stored(waiting));
    expect(await passOn(cellar, attic, ['cellar', 'attic'])).toEqual(stored(there));
    await attic.sent('cellar');
    await cellar.sent('attic');
    expect(await taken(attic, shared(FOREIGN, reading(9_000)))).toEqual(['forwarded']);
    expect(await taken(cellar, shared(OWN, reading(9_000)))).toEqual(['forwarded']);
    for (const { store } of [attic, cellar]) tallyOf(store);
  });
});
