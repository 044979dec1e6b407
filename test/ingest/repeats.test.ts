import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock, Message, Transfer } from '../../gateway/contracts.ts';
import { createRepeats, DEFAULT_REPEAT_LIMITS } from '../../gateway/ingest/repeats.ts';
import { hashTransfer } from '../../gateway/ingest/transfer-hash.ts';
import type { Group, TransferKey } from '../../gateway/store-contract.ts';
import { messageOn } from '../support/message.ts';

function manualClock(): Clock & { advance(ms: number): void } {
  let nowMs = 1_700_000_000_000;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.resolve(),
    advance(ms) {
      nowMs += ms;
    },
  };
}

interface TestGroup extends Group {
  readonly keys: TransferKey[];
  commit(): Promise<void>;
  fail(): Promise<void>;
}

function group(): TestGroup {
  let resolve = (): void => undefined;
  let reject = (_: Error): void => undefined;
  const committed = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  committed.catch(() => undefined);
  const keys: TransferKey[] = [];
  return {
    committed,
    keys,
    receive: () => undefined,
    identify: () => undefined,
    resolve: () => undefined,
    note: () => undefined,
    rememberLast: () => undefined,
    forward: () => undefined,
    markProvisional: () => undefined,
    count: () => undefined,
    point: () => undefined,
    reject: () => 'r1',
    remember: (key) => keys.push(key),
    arrivedAt: () => undefined,
    commit: async () => {
      resolve();
      await committed;
    },
    fail: async () => {
      reject(new Error('no room'));
      await committed.catch(() => undefined);
      await Promise.resolve();
    },
  };
}

function send(transfer: Partial<Transfer> & { payload?: string; client?: string }): [Message, Transfer] {
  const {
    payload = '{"temperature":21.5}',
    client = 'a',
    packetId = 7,
    qos = 1,
    dup = false,
    connection = 1,
  } = transfer;
  const made: Transfer = { packetId, qos, dup, connection };
  return [messageOn('sensors/a/environment', payload, { client, transfer: made }), made];
}

describe('repeats', () => {
  function taken(transfer: Parameters<typeof send>[0]) {
    const clock = manualClock();
    const repeats = createRepeats(clock);
    const first = group();
    const [message, made] = send(transfer);
    expect(repeats.find(message, made)).toBeNull();
    repeats.remember(message, made, 1, first);
    return { repeats, first, clock };
  }

  it('a QoS 1 resend that says DUP is recognised', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    expect(repeats.find(...send({ dup: true }))).toEqual({ certainty: 'sure', readings: 1, original: null });
  });

  it('an equal payload under the same id on the same connection is a new reading', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    expect(repeats.find(...send({}))).toBeNull();
  });

  it('a resend without DUP after a reconnect is a repeat only if the reading can be told apart', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    expect(repeats.find(...send({ connection: 2 }))?.certainty).toBe('if-recognisable');
  });

  it('the same id with another payload is new, with or without DUP', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    expect(repeats.find(...send({ dup: true, payload: '{"temperature":22}' }))).toBeNull();
    expect(repeats.find(...send({ connection: 2, payload: '{"temperature":22}' }))).toBeNull();
  });

  it('one client never answers for another', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    expect(repeats.find(...send({ dup: true, client: 'b' }))).toBeNull();
  });

  it('a QoS 2 transfer is one message until its PUBREL, and a new one after it', async () => {
    const { repeats, first } = taken({ qos: 2 });
    await first.commit();
    expect(repeats.find(...send({ qos: 2 }))?.certainty).toBe('sure');
    expect(repeats.find(...send({ qos: 2, connection: 2 }))?.certainty).toBe('sure');
    const second = group();
    expect(repeats.isOpen('a', 7)).toBe(true);
    repeats.release('a', 7, second);
    expect(second.keys).toMatchObject([{ client: 'a', packetId: 7, state: 0 }]);
    await second.commit();
    expect(repeats.isOpen('a', 7)).toBe(false);
    expect(repeats.find(...send({ qos: 2, connection: 2 }))).toBeNull();
  });

  it('a PUBREL that could not be committed leaves the transfer open, as it is on disk', async () => {
    const { repeats, first } = taken({ qos: 2 });
    await first.commit();
    const second = group();
    repeats.release('a', 7, second);
    expect(repeats.isOpen('a', 7)).toBe(true);
    await second.fail();
    expect(repeats.isOpen('a', 7)).toBe(true);
    expect(repeats.find(...send({ qos: 2, connection: 2 }))?.certainty).toBe('sure');
  });

  it('a PUBREL ends every transfer that a client left open under its id, also across a restart', async () => {
    const clock = manualClock();
    const repeats = createRepeats(clock);
    const first = group();
    for (const payload of ['1', '2']) {
      const [message, transfer] = send({ qos: 2, payload });
      repeats.find(message, transfer);
      repeats.remember(message, transfer, 1, first);
    }
    repeats.release('a', 7, first);
    await first.commit();
    const restarted = createRepeats(clock);
    restarted.restore(first.keys);
    for (const each of [repeats, restarted]) {
      expect(each.isOpen('a', 7)).toBe(false);
      expect(each.find(...send({ qos: 2, payload: '1', connection: 2 }))).toBeNull();
    }
  });

  it('an id that was used again since answers for nothing older: a loss could not be seen', async () => {
    const { repeats, first } = taken({ payload: '21.5' });
    const [other, transfer] = send({ payload: '21.6' });
    repeats.find(other, transfer);
    repeats.remember(other, transfer, 1, first);
    await first.commit();
    expect(repeats.find(...send({ payload: '21.5', dup: true, connection: 2 }))).toBeNull();
    expect(repeats.find(...send({ payload: '21.6', dup: true, connection: 2 }))?.certainty).toBe('sure');
  });

  it('an equal reading whose group failed is not taken for the one before it that was stored', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    const second = group();
    const [message, transfer] = send({});
    repeats.find(message, transfer);
    repeats.remember(message, transfer, 1, second);
    await second.fail();
    expect(repeats.find(...send({ dup: true, connection: 2 }))).toBeNull();
  });

  it('nor is one that was refused at the door', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    repeats.refused(...send({}));
    expect(repeats.find(...send({ dup: true, connection: 2 }))).toBeNull();
  });

  it('a repeat that was refused is still a repeat when it comes again', async () => {
    const { repeats, first } = taken({});
    await first.commit();
    repeats.refused(...send({ dup: true }));
    repeats.refused(...send({ connection: 2 }));
    expect(repeats.find(...send({ dup: true, connection: 3 }))?.certainty).toBe('sure');
  });

  it('another payload under an open QoS 2 id is taken, because a double can be seen and a loss cannot', async () => {
    const { repeats, first } = taken({ qos: 2 });
    await first.commit();
    expect(repeats.find(...send({ qos: 2, payload: '{"temperature":1}' }))).toBeNull();
  });

  it('a repeat of what is not committed yet waits for the commit of the original', () => {
    const { repeats, first } = taken({});
    expect(repeats.find(...send({ dup: true }))?.original).toBe(first.committed);
  });

  it('what a failed group carried was never taken: its resend is stored', async () => {
    const { repeats, first } = taken({ qos: 2 });
    await first.fail();
    expect(repeats.find(...send({ qos: 2, dup: true }))).toBeNull();
  });

  it('a clean session ends open QoS 2 transfers', async () => {
    const { repeats, first } = taken({ qos: 2 });
    await first.commit();
    repeats.sessionCleared('a');
    expect(repeats.isOpen('a', 7)).toBe(false);
    expect(repeats.find(...send({ qos: 2, connection: 2 }))?.certainty).toBe('if-recognisable');
  });

  it.each([1, 2] as const)(
    'a lost session ends all of it at QoS %i, also after a restart, and of this client alone',
    async (qos) => {
      const { repeats, first } = taken({ qos });
      repeats.find(...send({ qos, client: 'b' }));
      repeats.remember(...send({ qos, client: 'b' }), 1, first);
      // Also what is still under way.
      repeats.sessionLost('a', first);
      const after = createRepeats(manualClock());
      after.restore(first.keys);
      for (const each of [repeats, after]) {
        expect(each.isOpen('a', 7)).toBe(false);
        expect(each.find(...send({ qos, dup: true, connection: 2 }))).toBeNull();
        expect(each.find(...send({ qos, client: 'b', dup: true, connection: 2 }))?.certainty).toBe('sure');
      }
      await first.commit();
      expect(repeats.find(...send({ qos, dup: true, connection: 2 }))).toBeNull();
      repeats.remember(...send({ qos, dup: true, connection: 2 }), 1, first);
      expect(repeats.find(...send({ qos, dup: true, connection: 3 }))?.certainty).toBe('sure');
    },
  );

  it('everything is recognised again after a restart, PUBRELs included', async () => {
    const clock = manualClock();
    const before = createRepeats(clock);
    const first = group();
    for (const packetId of [1, 2, 3]) {
      const [message, transfer] = send({ qos: 2, packetId });
      before.find(message, transfer);
      before.remember(message, transfer, packetId, first);
    }
    before.release('a', 2, first);
    const after = createRepeats(clock);
    after.restore(first.keys);
    expect(after.find(...send({ qos: 2, packetId: 1, connection: 9 }))).toMatchObject({
      certainty: 'sure',
      readings: 1,
    });
    expect(after.find(...send({ qos: 2, packetId: 2, connection: 9 }))).toBeNull();
    expect(after.find(...send({ qos: 2, packetId: 3, connection: 9 }))).toMatchObject({
      certainty: 'sure',
      readings: 3,
    });
  });

  it('finds exactly the last transfer under each id of a client, whatever was sent', () => {
    const sent = fc.record({
      packetId: fc.integer({ min: 1, max: 40 }),
      payload: fc.constantFrom('1', '2', '3'),
    });
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 300 }), sent, (transfers, probe) => {
        const maxPerClient = 64;
        const repeats = createRepeats(manualClock(), { ...DEFAULT_REPEAT_LIMITS, maxPerClient });
        const first = group();
        for (const transfer of transfers) {
          const [message, made] = send(transfer);
          repeats.find(message, made);
          repeats.remember(message, made, 1, first);
        }
        const last = transfers.slice(-maxPerClient).findLast(({ packetId }) => packetId === probe.packetId);
        const known = last?.payload === probe.payload;
        expect(repeats.find(...send({ ...probe, dup: true })) !== null).toBe(known);
      }),
    );
  });

  it('stays within its bound: the client idle for longest is forgotten first', () => {
    const clock = manualClock();
    const repeats = createRepeats(clock, { maxPerClient: 16, maxSlots: 160, keepMs: 1_000 });
    const first = group();
    for (let i = 0; i < 200; i += 1) {
      clock.advance(1_000);
      const [message, transfer] = send({ client: `c${i}` });
      repeats.find(message, transfer);
      repeats.remember(message, transfer, 1, first);
    }
    const known = (i: number): boolean => repeats.find(...send({ client: `c${i}`, dup: true })) !== null;
    expect(known(199)).toBe(true);
    expect(known(0)).toBe(false);
    expect(Array.from({ length: 200 }, (_, i) => i).filter(known).length).toBeLessThanOrEqual(10);
  });
});

describe('the transfer hash', () => {
  it('tells apart payloads and topics that differ in a byte or in where they divide', () => {
    const hash = (topic: string, payload: string): string => {
      const into = { high: 0, low: 0 };
      hashTransfer(topic, Buffer.from(payload), into);
      return `${into.high}:${into.low}`;
    };
    const seen = new Set<string>();
    for (let i = 0; i < 100_000; i += 1) seen.add(hash('sensors/a/environment', `{"temperature":${i / 10}}`));
    expect(seen.size).toBe(100_000);
    expect(hash('a', 'bc')).not.toBe(hash('ab', 'c'));
    expect(hash('a', '')).not.toBe(hash('', 'a'));
    expect(hash('a', 'x')).toBe(hash('a', 'x'));
  });
});
