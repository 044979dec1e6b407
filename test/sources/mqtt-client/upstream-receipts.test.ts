import { expect, test } from 'vitest';
import type { BrokerSession } from '../../../gateway/broker-link/broker-session.ts';
import { UpstreamReceipts } from '../../../gateway/sources/mqtt-client/upstream-receipts.ts';
import { LeapingClock } from '../../support/leaping-clock.ts';
import { rejected } from '../mqtt-broker/support/fake-ingest.ts';

test('a device whose name no topic can have is told of under the name of the broker, what is held back included', async () => {
  const sent: string[] = [];
  const session: BrokerSession = {
    number: 1,
    sessionPresent: false,
    limits: { receiveMaximum: 1, maxPacketBytes: null, maxQos: 2, retain: true },
    closed: false,
    subscribe: async () => [],
    unsubscribe: async () => undefined,
    publish: (topic, payload) => sent.push(`${topic} ${String(payload)}`),
  };
  const clock = new LeapingClock();
  const receipts = new UpstreamReceipts('answers', 'house', clock);
  const send = (device: string): void => receipts.send(session, device, 't', [rejected('r')]);
  send('kitchen');
  send('a\u0001');
  expect(sent.map((each) => each.split(' ')[0])).toEqual(['answers/kitchen', 'answers/house']);
  for (let i = 0; i < 24; i += 1) send(`${i}+`);
  expect(sent).toHaveLength(21);
  send('kitchen');
  expect(sent.at(-1), 'has an allowance of its own').toMatch(/^answers\/kitchen (?!.*suppressed)/);
  const second = clock.sleep(1000);
  await clock.pass(1000);
  await second;
  send('x'.repeat(2000));
  expect(sent.at(-1)).toMatch(/^answers\/house .*"suppressed":5\}$/);
});
