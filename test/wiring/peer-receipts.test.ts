import { describe, expect, it } from 'vitest';
import type { Ingested, Message, Relay } from '../../gateway/contracts.ts';
import { withPeerReceipts } from '../../gateway/wiring/peer-receipts.ts';
import { FakeIngest, rejected } from '../sources/mqtt-broker/support/fake-ingest.ts';
import { messageOn } from '../support/message.ts';

const RELAY: Relay = { contentType: null, userProperties: new Map() };

describe('what a peer passes on', () => {
  it.each<[string, Relay | null, boolean]>([
    [
      'and says from which broker, is for that one to tell of',
      { ...RELAY, arrivedMs: 1, broker: 'house' },
      true,
    ],
    ['as an older version, is told of nowhere', { ...RELAY, arrivedMs: 1 }, false],
    ['is not what a bridge brings', RELAY, false],
    ['is not what a client sends', null, false],
  ])('%s', (_, relay, isTold) => {
    const ingest = new FakeIngest();
    ingest.outcomeOf = () => [rejected('r1')];
    const told: [Message, Ingested][] = [];
    const message = messageOn('t/x', '{}', { relay });
    const inner = { ...ingest, ingest: (each: Message) => ingest.ingest(each) };
    const wired = withPeerReceipts(
      {
        ...inner,
        released: async () => undefined,
        sessionCleared: () => undefined,
        sessionLost: async () => undefined,
      },
      (each, ingested) => told.push([each, ingested]),
    );
    const ingested = wired.ingest(message);
    expect(ingested.outcomes).toEqual([rejected('r1')]);
    expect(told).toEqual(isTold ? [[message, ingested]] : []);
    expect(ingest.messages).toHaveLength(1);
  });
});
