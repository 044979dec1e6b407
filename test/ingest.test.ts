import { beforeEach, describe, expect, it } from 'vitest';
import { createArrivalClock } from '../gateway/clocks/arrival-clock.ts';
import type { Clock, Ingest, Message } from '../gateway/contracts.ts';
import { createFormats } from '../gateway/formats/formats.ts';
import { createInterpret } from '../gateway/ingest/interpret.ts';
import { createKeep } from '../gateway/ingest/keep.ts';
import { createRepeats } from '../gateway/ingest/repeats.ts';
import { createRetainedReplays } from '../gateway/ingest/retained-replays.ts';
import { createIngest } from '../gateway/ingest.ts';
import type { Judgement, Ledgers } from '../gateway/ledger-contract.ts';
import { createTopicsSeen } from '../gateway/operations/topics-seen.ts';
import { loadReadings } from '../gateway/readings/load-schemas.ts';
import { createMemoryStore } from '../gateway/store/memory-store.ts';
import type { Store } from '../gateway/store-contract.ts';
import { messageOn } from './support/message.ts';
import { ledgersWith } from './support/no-ledgers.ts';

const NOW_MS = 1_750_000_000_000;
const clock: Clock = { nowMs: () => NOW_MS, monotonicMs: () => 0, sleep: () => new Promise(() => undefined) };
const TOPIC = 'sensors/kitchen/environment';

function message(payload: string | Buffer, rest: Partial<Message> = {}): Message {
  return messageOn(TOPIC, payload, rest);
}

describe('ingest', () => {
  let store: Store;
  let ingest: Ingest;

  function build(
    options: { unrouted?: 'forward' | 'reject'; maxBytes?: number; ledgers?: Partial<Ledgers> } = {},
  ): void {
    const { readings } = loadReadings(`${import.meta.dirname}/../schemas/readings`);
    const formats = createFormats();
    store = createMemoryStore(
      { maxBytes: options.maxBytes ?? 64 * 2 ** 20 },
      { clock, events: { emit: () => undefined } },
    );
    ingest = createIngest({
      readings,
      keep: createKeep({ formats, ledgers: ledgersWith(options.ledgers), versionOf: () => 'v1' }),
      interpret: createInterpret({ formats, maxPayloadBytes: 1_000 }),
      store,
      repeats: createRepeats(clock),
      retained: createRetainedReplays(),
      forwards: null,
      homes: null,
      arrival: createArrivalClock(clock, 0),
      topics: createTopicsSeen(),
      clock,
      unrouted: options.unrouted ?? 'forward',
      maxPayloadBytes: 1_000,
    });
  }

  beforeEach(() => build());

  it('stores a good reading as the line that the database will get', async () => {
    const { outcomes, committed } = ingest.ingest(message('{"temperature":21.5,"humidity":40}'));
    expect(outcomes).toEqual([{ kind: 'stored', receipt: null }]);
    await committed;
    const slice = store.reader().read(0, store.status().lastSeq, { maxPoints: 10, maxBytes: 1_000 });
    expect(slice?.lines.toString()).toBe(
      `environment,device=kitchen temperature=21.5,humidity=40 ${NOW_MS}000000\n`,
    );
    expect(store.account().devices.get('kitchen')).toMatchObject({ stored: 1, rejected: 0 });
  });

  it('keeps a bad reading with its raw bytes and every reason, and says so', async () => {
    const payload = '{"temperature":"21.5", "seq":7}';
    const { outcomes, committed } = ingest.ingest(message(payload));
    await committed;
    expect(outcomes).toMatchObject([{ kind: 'rejected', code: 'invalid', seq: 7 }]);
    const [kept] = store.rejections({});
    expect(kept).toMatchObject({
      code: 'invalid',
      device: 'kitchen',
      schema: 'environment.v1',
      topic: TOPIC,
      index: null,
    });
    expect(kept?.payload.toString()).toBe(payload);
    expect(kept?.violations[0]?.pointer).toBe('/temperature');
  });

  it('settles the elements of a list one by one, and keeps of a bad one its own bytes alone', async () => {
    const { outcomes, committed } = ingest.ingest(
      message('[{"temperature":1}, {"temperature":"x"} ,{"temperature":2}]'),
    );
    await committed;
    expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'rejected', 'stored']);
    expect(store.account().total).toMatchObject({ stored: 2, rejected: 1 });
    const [kept] = store.rejections({});
    expect(kept).toMatchObject({ index: 1 });
    expect(kept?.payload.toString()).toBe(' {"temperature":"x"} ');
  });

  it('takes a message that could not be kept for new when it is sent again', async () => {
    let isBroken: boolean = true;
    build({
      ledgers: {
        keep: () => {
          if (isBroken) throw new Error('broken');
        },
      },
    });
    const transfer = { packetId: 7, qos: 1, dup: false, connection: 1 } as const;
    expect(() => ingest.ingest(message('{"temperature":1}', { transfer }))).toThrow('broken');
    isBroken = false;
    const again = message('{"temperature":1}', { transfer: { ...transfer, dup: true } });
    expect(ingest.ingest(again).outcomes).toMatchObject([{ kind: 'stored' }]);
  });

  it.each([
    ['undecodable', '{"temperature":'],
    ['undecodable', ''],
    ['too-large', ' '.repeat(1_001)],
    ['invalid', '[]'],
    ['time-out-of-range', '{"temperature":1,"ts":12}'],
  ])('rejects as %s what cannot be taken, under the device of its topic', async (code, payload) => {
    const { outcomes, committed } = ingest.ingest(message(payload));
    await committed;
    expect(outcomes).toMatchObject([{ kind: 'rejected', code }]);
    expect(store.account().devices.get('kitchen')).toMatchObject({ rejected: 1 });
  });

  it('forwards a topic that no schema claims, or rejects it where that is configured', async () => {
    expect(ingest.ingest(message('x', { topic: 'a/b' })).outcomes).toMatchObject([{ kind: 'forwarded' }]);
    expect(
      ingest.ingest(message('x', { topic: 'a/b', source: 'serial', device: 'shed' })).outcomes,
      'what a serial port sent would be acknowledged and be nowhere',
    ).toMatchObject([{ kind: 'rejected', code: 'no-route' }]);
    build({ unrouted: 'reject' });
    expect(ingest.ingest(message('x', { topic: 'a/b' })).outcomes).toMatchObject([
      { kind: 'rejected', code: 'no-route' },
    ]);
  });

  it('takes the empty retained message for what it is in MQTT: no reading, but the clearing of one', () => {
    expect(ingest.ingest(message('', { retain: true })).outcomes).toMatchObject([{ kind: 'forwarded' }]);
  });

  it('counts a repeat as a duplicate, stores it once, and acknowledges it not before the original', async () => {
    const transfer = { packetId: 1, qos: 1 as const, dup: false, connection: 1 };
    const first = ingest.ingest(message('{"temperature":1}', { transfer }));
    const again = ingest.ingest(
      message('{"temperature":1}', { transfer: { ...transfer, dup: true, connection: 2 } }),
    );
    expect(again.outcomes).toMatchObject([{ kind: 'duplicate' }]);
    const order: string[] = [];
    await Promise.all([
      first.committed.then(() => order.push('original')),
      again.committed.then(() => order.push('repeat')),
    ]);
    expect(order).toEqual(['original', 'repeat']);
    expect(store.account().total).toMatchObject({ stored: 1, duplicate: 1 });
  });

  it('takes a resend without DUP for a repeat only where the reading carries its own time', async () => {
    const timed = `{"temperature":1,"ts":${NOW_MS}}`;
    const send = (payload: string, packetId: number, connection: number) =>
      ingest.ingest(message(payload, { transfer: { packetId, qos: 1, dup: false, connection } })).outcomes[0]
        ?.kind;
    expect([send(timed, 1, 1), send('{"temperature":1}', 2, 1)]).toEqual(['stored', 'stored']);
    expect([send(timed, 1, 2), send('{"temperature":1}', 2, 2)]).toEqual(['duplicate', 'stored']);
  });

  it('refuses when the store is full, counts the readings it refused, and lets ordinary MQTT go on', async () => {
    build({ maxBytes: 256 * 1024 });
    store.openSink('away', { maxBacklogBytes: null, whenFull: 'block' });
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 10_000; i += 1) await ingest.ingest(message('{"temperature":1}')).committed;
    };
    await expect(fill()).rejects.toMatchObject({ code: 'store-full' });
    const list = message('[{"temperature":1},{"temperature":2}]');
    expect(() => ingest.ingest(list)).toThrow(expect.objectContaining({ code: 'store-full' }));
    const forwarded = ingest.ingest(message('x', { topic: 'a/b' }));
    expect(forwarded.outcomes).toMatchObject([{ kind: 'forwarded' }]);
    await forwarded.committed;
    await store.close();
    expect(store.account().total).toMatchObject({ refused: 3, forwarded: 1 });
  });

  describe('what the ledgers decide', () => {
    const duplicate = (original: Promise<void> | null): Judgement => ({ kind: 'duplicate', original });

    it('counts a known identity as a duplicate and acknowledges it not before its original', async () => {
      let originalCommitted = (): void => undefined;
      const original = new Promise<void>((resolve) => {
        originalCommitted = resolve;
      });
      build({ ledgers: { judge: () => duplicate(original) } });
      const { outcomes, committed } = ingest.ingest(message('{"temperature":1}'));
      expect(outcomes).toMatchObject([{ kind: 'duplicate' }]);
      const order: string[] = [];
      const done = committed.then(() => order.push('repeat'));
      await store.close();
      order.push('original');
      originalCommitted();
      await done;
      expect(order).toEqual(['original', 'repeat']);
      expect(store.account().total).toMatchObject({ received: 1, stored: 0, duplicate: 1 });
    });

    it('does not acknowledge a duplicate whose original was not committed', async () => {
      const original = Promise.reject(new Error('not committed'));
      original.catch(() => undefined);
      build({ ledgers: { judge: () => duplicate(original) } });
      await expect(ingest.ingest(message('{"temperature":1}')).committed).rejects.toThrow('not committed');
    });

    it('keeps what a ledger objects to as a rejection with its words, beside the good ones', async () => {
      const violations = [{ pointer: '/temperature', message: 'is stored as an integer already' }];
      build({
        ledgers: {
          judge: ({ line }) =>
            line.includes('temperature=2') ? { kind: 'bad', code: 'type-conflict', violations } : null,
        },
      });
      const { outcomes, committed } = ingest.ingest(message('[{"temperature":1},{"temperature":2}]'));
      await committed;
      expect(outcomes).toMatchObject([{ kind: 'stored' }, { kind: 'rejected', code: 'type-conflict' }]);
      const [kept] = store.rejections({});
      expect(kept).toMatchObject({ code: 'type-conflict', index: 1, violations, schemaVersion: 'v1' });
      expect(store.account().total).toMatchObject({ received: 2, stored: 1, rejected: 1 });
    });

    it('tells the ledgers of each reading once, with its outcome', () => {
      const seen: string[] = [];
      build({
        ledgers: { saw: (reading, device, outcome) => seen.push(`${reading.kind} ${device} ${outcome}`) },
      });
      ingest.ingest(message('[{"temperature":1},{"temperature":"x"}]'));
      ingest.ingest(message('{"temperature":3}'));
      expect(seen).toEqual(['point kitchen stored', 'bad kitchen rejected', 'point kitchen stored']);
    });
  });

  it('gives a receipt of what was taken where somebody waits for one', () => {
    expect(
      ingest.ingest(message('{"temperature":1,"seq":7}', { receipts: true, relay: null })).outcomes,
    ).toEqual([{ kind: 'stored', receipt: { atMs: NOW_MS, seq: 7, bySchema: false } }]);
  });

  it('takes nothing once the store is closed', async () => {
    await store.close();
    expect(() => ingest.ingest(message('{"temperature":1}'))).toThrow(
      expect.objectContaining({ code: 'stopping' }),
    );
  });
});
