import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { copyOf } from '../store/copy-of.ts';
import { bench, noted, put, quiet, upTo } from './forwarder-bench.ts';

const NOT_AUTHORISED = 0x87;
const QUOTA_EXCEEDED = 0x97;
const PAYLOAD_FORMAT_INVALID = 0x99;

describe('a forwarder', () => {
  it('sends what lies there and what comes, in order, never more unacknowledged than allowed', async () => {
    const { store, broker, outbox, deps } = bench();
    await put(store, upTo(25));
    expect(broker.sent).toEqual([]);
    broker.open();
    expect(broker.texts).toEqual(upTo(10));
    broker.acknowledge(3);
    expect(broker.texts).toEqual(upTo(13));
    await put(store, upTo(30, 25));
    while (broker.unanswered.length > 0) broker.acknowledge(7);
    await noted(deps);
    expect(broker.texts).toEqual(upTo(30));
    expect(outbox.ledger()).toMatchObject({ taken: 30, sent: 30, pending: 0 });
    await put(store, ['late']);
    expect(broker.texts.at(-1)).toBe('late');
  });

  it('keeps to what the broker allows in flight, and retains only where the broker can', async () => {
    const { store, broker } = bench({ retain: true });
    await put(store, upTo(5));
    broker.limits = { receiveMaximum: 2, maxPacketBytes: null, maxQos: 2, retain: false };
    broker.open();
    expect(broker.sent.map(({ retain }) => retain)).toEqual([false, false]);
    broker.cut('gone');
    broker.limits = { ...broker.limits, receiveMaximum: 9, retain: true };
    broker.open();
    expect(broker.sent.at(-1)?.retain).toBe(true);
  });

  it('is done with nothing that was not acknowledged, whatever the order of the answers', async () => {
    const { store, broker, outbox, deps } = bench();
    await put(store, upTo(6));
    broker.open();
    for (const i of [5, 3, 1]) broker.unanswered[i]?.answer({ ok: true });
    await quiet();
    expect(outbox.ledger()).toMatchObject({ sent: 0, pending: 6 });
    broker.acknowledge(1);
    await noted(deps);
    expect(outbox.ledger()).toMatchObject({ sent: 2, pending: 4 });
    broker.cut('gone');
    broker.open();
    expect(broker.texts.slice(6)).toEqual(upTo(6, 2));
  });

  it('sends again after a restart from what was noted as acknowledged', async () => {
    const { store, broker, storage, deps } = bench();
    await put(store, upTo(9));
    broker.open();
    broker.acknowledge(4);
    await noted(deps);
    const later = bench({}, storage);
    later.broker.open();
    expect(later.broker.texts).toEqual(upTo(9, 4));
  });

  it('waits with what the broker has no quota for, and sends everything again in order from there', async () => {
    const { store, broker, outbox, deps, forwarder } = bench();
    await put(store, upTo(4));
    broker.open();
    broker.acknowledge(1);
    broker.refuse(QUOTA_EXCEEDED, 'quota exceeded');
    broker.acknowledge(9);
    await put(store, ['4']);
    expect(broker.texts).toEqual(upTo(4));
    expect(forwarder.status()).toMatchObject({ state: 'retrying', reason: 'quota exceeded (topic t)' });
    deps.clock.advance(1_000);
    await quiet();
    expect(broker.texts).toEqual([...upTo(4), ...upTo(5, 1)]);
    expect(forwarder.status()).toMatchObject({ state: 'connected', reason: null });
    expect(broker.dropped).toBe(0);
    broker.acknowledge(9);
    await noted(deps);
    expect(outbox.ledger()).toMatchObject({ sent: 5, dropped: 0, pending: 0 });
  });

  it('says that one is dropped once, when it is: not each time while it waits behind another', async () => {
    const { store, broker, outbox, deps } = bench();
    broker.limits = { receiveMaximum: 100, maxPacketBytes: 100, maxQos: 1, retain: true };
    await put(store, ['0', 'x'.repeat(200)]);
    broker.open();
    for (let i = 0; i < 3; i += 1) {
      broker.refuse(NOT_AUTHORISED, 'not authorised');
      deps.clock.advance(600_000);
      await quiet();
    }
    expect(outbox.ledger()).toMatchObject({ dropped: 0, pending: 2 });
    expect(deps.events.count('forward.refused-message')).toBe(0);
    broker.acknowledge(1);
    await noted(deps);
    expect(outbox.ledger()).toMatchObject({ sent: 1, dropped: 1, pending: 0 });
    expect(deps.events.count('forward.refused-message')).toBe(1);
  });

  it('says who has to act where it is not authorised, loses nothing, and does not spin', async () => {
    const { store, broker, outbox, deps, forwarder } = bench();
    await put(store, upTo(2));
    broker.open();
    for (let i = 0; i < 5; i += 1) {
      broker.refuse(NOT_AUTHORISED, 'not authorised');
      broker.acknowledge(1);
      expect(forwarder.status()).toMatchObject({
        state: 'refused',
        reason: 'not authorised (topic t): allow this user to publish it there, or take it out of topics',
      });
      deps.clock.advance(10_000);
      await quiet();
      expect(forwarder.status().state).toBe('refused');
      deps.clock.advance(60_000);
      await quiet();
    }
    expect(deps.events.count('forward.refused')).toBe(5);
    expect(outbox.ledger()).toMatchObject({ sent: 0, dropped: 0, pending: 2 });
    expect(broker.sent.length).toBeLessThan(20);
  });

  it('lets go of what the broker refuses and the configuration no longer wants', async () => {
    const { store, broker, outbox, deps } = bench({ topics: ['wanted/#'], prefix: 'site/' });
    await put(store, ['old'], 'site/unwanted');
    await put(store, ['new'], 'site/wanted/1');
    broker.open();
    broker.refuse(NOT_AUTHORISED);
    broker.acknowledge(1);
    await noted(deps);
    expect(outbox.ledger()).toMatchObject({ sent: 1, dropped: 1, pending: 0 });
  });

  it('lets go of the others of such a topic without sending them: each would cost a connection', async () => {
    const { store, broker, outbox, deps, forwarder } = bench({ topics: ['wanted/#'], prefix: 'site/' });
    await put(store, upTo(2_000), 'site/unwanted');
    await put(store, ['other'], 'site/unwanted/too');
    await put(store, ['new'], 'site/wanted/1');
    const refuseAndCut = async (): Promise<void> => {
      broker.open();
      broker.refuse(NOT_AUTHORISED, 'not authorised');
      broker.cut('the broker closed the connection');
      await quiet();
    };
    await refuseAndCut();
    expect(forwarder.status()).toMatchObject({
      state: 'retrying',
      reason: 'not authorised (topic site/unwanted), and no longer configured',
    });
    broker.sent.length = 0;
    broker.open();
    await quiet();
    expect(broker.texts).toEqual(['other', 'new']);
    broker.refuse(NOT_AUTHORISED, 'not authorised');
    broker.acknowledge(1);
    await noted(deps);
    expect(outbox.ledger()).toMatchObject({ taken: 2_002, sent: 1, dropped: 2_001, pending: 0 });
    expect(deps.events.count('forward.refused-message')).toBe(2_001);
    expect(forwarder.status()).toMatchObject({ state: 'connected', reason: null });
  });

  it('sends again what is wanted, however often its topic was refused, and keeps its turn', async () => {
    const { store, broker, outbox, deps } = bench({ topics: ['wanted/#'] });
    await put(store, upTo(3), 'wanted/1');
    for (let i = 0; i < 4; i += 1) {
      broker.open();
      broker.refuse(NOT_AUTHORISED, 'not authorised');
      broker.cut('the broker closed the connection');
      deps.clock.advance(60_000);
      await quiet();
    }
    broker.sent.length = 0;
    broker.open();
    broker.acknowledge(3);
    await noted(deps);
    expect([broker.texts, outbox.ledger()]).toMatchObject([upTo(3), { sent: 3, dropped: 0, pending: 0 }]);
  });

  it('goes on saying the refusal while the broker ends the connection after it, until the trouble is another', async () => {
    const { store, broker, deps, forwarder } = bench();
    await put(store, upTo(3));
    const refusal = {
      state: 'refused',
      reason: 'not authorised (topic t): allow this user to publish it there, or take it out of topics',
    };
    for (let i = 0; i < 4; i += 1) {
      broker.open();
      broker.refuse(NOT_AUTHORISED, 'not authorised');
      expect(forwarder.status()).toMatchObject(refusal);
      deps.clock.advance(2);
      broker.cut('the broker closed the connection');
      await quiet();
      expect(forwarder.status()).toMatchObject(refusal);
      // The pause of the link may be longer than that of the refusal.
      deps.clock.advance(90_000);
      await quiet();
      expect(forwarder.status()).toMatchObject(refusal);
    }
    const lost = deps.events.all.filter(({ name }) => name === 'forward.lost').at(-1);
    expect(lost?.fields?.reason).toContain(
      'it has refused a message, and ended the connection: not authorised',
    );
    broker.fail('connection refused');
    expect(forwarder.status()).toMatchObject({ state: 'retrying', reason: 'connection refused' });
    broker.open();
    broker.acknowledge(1);
    broker.cut('the broker closed the connection');
    await quiet();
    expect(forwarder.status().reason).toBe('the broker closed the connection');
  });

  it('waits with what is no longer wanted, too, where the broker only has no room for it', async () => {
    const { store, broker, outbox, deps } = bench({ topics: ['wanted/#'] });
    await put(store, ['old'], 'unwanted');
    broker.open();
    broker.refuse(QUOTA_EXCEEDED, 'quota exceeded');
    await quiet();
    expect(outbox.ledger()).toMatchObject({ dropped: 0, pending: 1 });
    deps.clock.advance(1_000);
    await quiet();
    broker.acknowledge(1);
    await noted(deps);
    expect(outbox.ledger()).toMatchObject({ sent: 1, dropped: 0, pending: 0 });
  });

  it('counts as dropped, and tells, what the broker can never take, and goes on', async () => {
    const { store, broker, outbox, deps } = bench();
    broker.limits = { receiveMaximum: 100, maxPacketBytes: 100, maxQos: 1, retain: true };
    await put(store, ['0']);
    await put(store, ['bad topic'], 'a/+/b');
    await put(store, ['x'.repeat(200), '1', '2']);
    broker.open();
    expect(broker.texts).toEqual(upTo(3));
    broker.acknowledge(1);
    broker.refuse(PAYLOAD_FORMAT_INVALID);
    broker.acknowledge(1);
    await noted(deps);
    expect(outbox.ledger()).toMatchObject({ taken: 5, sent: 2, dropped: 3, pending: 0 });
    expect(deps.events.count('forward.refused-message')).toBe(3);
  });

  it.each<[string, string, boolean]>([
    ['longer than we take ourselves, for its prefix', `${'a/'.repeat(600)}b`, true],
    ['as long as MQTT allows', 'a'.repeat(65_535), true],
    ['longer than MQTT allows', 'a'.repeat(65_536), false],
    ['empty', '', false],
    ['with a control character', 'a\u0001', false],
  ])('sends, or lets go of, a topic that is %s', async (_, topic, isSent) => {
    const { store, broker, outbox, deps } = bench();
    await put(store, ['x'], topic);
    broker.open();
    broker.acknowledge(1);
    await noted(deps);
    const [sent, dropped] = isSent ? [1, 0] : [0, 1];
    expect([broker.sent.length, outbox.ledger()]).toMatchObject([sent, { sent, dropped, pending: 0 }]);
  });

  it('gives nothing up for a bad network: connections that end late, or get further each time', async () => {
    const { store, broker, outbox, deps } = bench();
    await put(store, upTo(40));
    for (let i = 0; i < 30; i += 1) {
      broker.open();
      if (i % 5 === 4) broker.acknowledge(1);
      deps.clock.advance(i % 2 === 0 ? 50 : 30_000);
      broker.cut('gone');
      await quiet();
    }
    expect(outbox.ledger()).toMatchObject({ dropped: 0 });
  });

  it('connects again where the broker takes messages and never answers, and drops none for it', async () => {
    const { store, broker, outbox, deps } = bench({ maxInFlight: 2 });
    await put(store, upTo(4));
    broker.open();
    for (let minute = 0; minute < 5; minute += 1) {
      deps.clock.advance(60_000);
      broker.acknowledge(minute === 0 ? 1 : 0);
      await quiet();
    }
    expect([broker.dropped, broker.texts.slice(0, 3)]).toEqual([1, ['0', '1', '2']]);
    broker.sent.length = 0;
    broker.open();
    broker.acknowledge(2);
    broker.acknowledge(1);
    await noted(deps);
    expect(broker.texts).toEqual(['1', '2', '3']);
    expect(outbox.ledger()).toMatchObject({ sent: 4, dropped: 0, pending: 0 });
  });

  it('tries again to note what was sent while the store cannot, and loses nothing by it', async () => {
    const { store, broker, outbox, deps, storage } = bench();
    await put(store, upTo(3));
    broker.open();
    storage.fail = new Error('no disk');
    broker.acknowledge(3);
    await quiet();
    expect(deps.events.count('forward.unsettled')).toBe(1);
    expect(outbox.ledger().pending).toBe(3);
    storage.fail = null;
    deps.clock.advance(1_000);
    await quiet();
    expect(outbox.ledger()).toMatchObject({ sent: 3, pending: 0 });
  });

  it('ends in order: waits for what is under way, notes it, sends nothing new', async () => {
    const { store, broker, outbox, forwarder } = bench({ maxInFlight: 3 });
    await put(store, upTo(9));
    broker.open();
    const stopped = forwarder.stop(10_000);
    broker.acknowledge(3);
    await stopped;
    expect(broker.texts).toEqual(upTo(3));
    expect(outbox.ledger()).toMatchObject({ sent: 3, pending: 6 });
    expect(broker.stopped).toBe(true);
  });

  it('notes at its end also what is acknowledged while it closes the connection', async () => {
    const { store, broker, outbox, forwarder } = bench({ maxInFlight: 3 });
    await put(store, upTo(9));
    broker.open();
    // It waits with the last of them, so nothing is waited for.
    broker.unanswered[2]?.answer({ ok: false, reasonCode: QUOTA_EXCEEDED, words: 'quota exceeded' });
    broker.atStop = () => broker.acknowledge(2);
    await forwarder.stop(10_000);
    expect(outbox.ledger()).toMatchObject({ sent: 2, pending: 7 });
  });

  it('says loudly where its outbox cannot be read, skips nothing, and goes on when it can', async () => {
    const { store, broker, forwarder, storage, deps } = bench();
    await put(store, upTo(3));
    const whole = new Map([...storage.entries('outbox')].map(({ key, value }) => [key, Buffer.from(value)]));
    await storage.commit((writes) => {
      for (const key of whole.keys()) writes.put('outbox', key, Buffer.from('nonsense'));
    });
    broker.open();
    await put(store, ['3']);
    expect(broker.sent).toEqual([]);
    expect(forwarder.status()).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('damaged'),
    });
    await storage.commit((writes) => {
      for (const [key, value] of whole) writes.put('outbox', key, value);
    });
    deps.clock.advance(60_000);
    await quiet();
    expect(broker.texts).toEqual(upTo(4));
    expect(forwarder.status()).toMatchObject({ state: 'connected', reason: null });
  });
});

type Step = 'put' | 'open' | 'cut' | 'first' | 'last' | 'tick' | 'crash';

describe('whatever the other side and the machine do', () => {
  it('everything arrives, the first time in the order in which it was taken', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.constantFrom<Step>(
            'put',
            'put',
            'open',
            'open',
            'cut',
            'first',
            'first',
            'last',
            'tick',
            'crash',
          ),
          { maxLength: 60 },
        ),
        fc.integer({ min: 1, max: 8 }),
        async (steps, maxInFlight) => {
          let storage = new MemoryStorage();
          let under = bench({ maxInFlight }, storage);
          let isOpen = false;
          let count = 0;
          const arrived: string[] = [];
          const acknowledge = (i: number): void => {
            const one = under.broker.unanswered.at(i);
            if (one !== undefined) one.answer({ ok: true });
          };
          const collect = (): void => {
            arrived.push(...under.broker.texts);
            under.broker.sent.length = 0;
          };
          for (const step of steps) {
            if (step === 'put') {
              const n = 1 + (count % 4);
              await put(under.store, upTo(count + n, count));
              count += n;
            } else if (step === 'open') {
              if (!isOpen) under.broker.open();
              isOpen = true;
            } else if (step === 'cut') {
              under.deps.clock.advance(6_000);
              under.broker.cut('gone');
              isOpen = false;
            } else if (step === 'first') acknowledge(0);
            else if (step === 'last') acknowledge(-1);
            else if (step === 'tick') {
              under.deps.clock.advance(300);
              await quiet();
            } else {
              collect();
              // What the one before it goes on to write comes too late.
              storage = await copyOf(storage);
              under.broker.cut('killed');
              under = bench({ maxInFlight }, storage);
              isOpen = false;
            }
            collect();
            expect(under.broker.unanswered.length).toBeLessThanOrEqual(maxInFlight);
          }
          if (!isOpen) under.broker.open();
          for (let i = 0; i < 500 && under.broker.unanswered.length > 0; i += 1) acknowledge(0);
          await noted(under.deps);
          collect();
          expect([...new Set(arrived)]).toEqual(upTo(count));
          expect(under.outbox.ledger()).toMatchObject({ taken: count, sent: count, dropped: 0, pending: 0 });
        },
      ),
      { numRuns: 150 },
    );
  });
});
