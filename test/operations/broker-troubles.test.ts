import { expect, test } from 'vitest';
import { brokerTroubles } from '../../gateway/operations/broker-troubles.ts';
import type { BrokerStatus } from '../../gateway/operations-contract.ts';

const WELL: BrokerStatus = {
  name: 'house',
  url: 'mqtt://h',
  state: 'connected',
  reason: null,
  sinceMs: Date.UTC(2026, 0, 2),
  messages: 1,
  dropped: 0,
  inFlight: 0,
  reconnected: 0,
  sessionPresent: true,
  sessionsLost: 0,
  refusedFilters: [],
};

test('a broker that is not read is told of: which, since when, why', () => {
  expect(brokerTroubles(WELL)).toEqual([]);
  expect(brokerTroubles({ ...WELL, state: 'stopped' })).toEqual([]);
  expect(brokerTroubles({ ...WELL, state: 'retrying', reason: 'nobody listens at h:1883' })).toEqual([
    'broker house is retrying since 2026-01-02T00:00:00.000Z: nobody listens at h:1883',
  ]);
  expect(brokerTroubles({ ...WELL, state: 'connecting' })).toHaveLength(1);
  const refused = { filter: 'a/#', words: 'not authorised', grantedQos: null };
  const lowered = { filter: 'b/#', words: 'at QoS 0 only', grantedQos: 0 } as const;
  expect(brokerTroubles({ ...WELL, refusedFilters: [refused, lowered] })).toEqual([
    'broker house refuses the topic filter a/#: not authorised',
    'broker house takes the topic filter b/# at QoS 0 only',
  ]);
});
