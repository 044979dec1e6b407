import { describe, expect, it } from 'vitest';
import { NOW_MS } from '../readings/under-test.ts';
import { deferred } from '../sources/mqtt-broker/support/fake-ingest.ts';
import { delivered, shared } from './peered-gateway.ts';
import { FOREIGN, gateway, OWN, passOn, reading, taken, tallyOf } from './two-peers.ts';

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

  it('cannot be taken while there is no room for it: nothing is, and senders try again', async () => {
    const attic = gateway('attic', { maxBacklogBytes: 4_096 });
    let seq = 0;
    const fill = async (): Promise<void> => {
      for (; seq < 200; seq += 1) await attic.take(shared(FOREIGN, reading(seq))).committed;
    };
    await expect(fill()).rejects.toMatchObject({
      code: 'store-full',
      message: expect.stringContaining('peer/cellar'),
    });
    expect(seq).toBeGreaterThan(3);
    const waiting = attic.waitingFor('cellar').length;
    expect(waiting).toBe(seq);
    const again = shared(FOREIGN, reading(seq));
    expect(() => attic.take(again)).toThrow('peer/cellar');
    expect(() => attic.take(shared(OWN, reading(1)))).toThrow('peer/cellar');
    expect(attic.waitingFor('cellar')).toHaveLength(waiting);
    expect(attic.lines()).toEqual([]);
    expect(attic.store.account().total.forwarded).toBe(waiting);

    await attic.sent('cellar');
    const { transfer } = again;
    const resent = { ...again, transfer: transfer === null ? null : { ...transfer, dup: true } };
    expect(await taken(attic, resent), 'it was refused, so it is news').toEqual(['forwarded']);
    expect(attic.waitingFor('cellar')).toHaveLength(1);
    expect(tallyOf(attic.store)).toMatchObject({ forwarded: waiting + 1, refused: 3, stored: 0 });
  });
});
