import { generate } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { PartialBudget } from '../../../gateway/sources/mqtt-broker/packet-reader.ts';
import { Intake, type IntakeOwner } from '../../../gateway/sources/mqtt-client/intake.ts';
import { until } from '../../support/processes.ts';
import { streamPair } from '../../support/stream-pair.ts';

test('a connection reads on when what an earlier one had taken could not be committed', async () => {
  const intakes: Intake[] = [];
  const taken: string[] = [];
  let isFull = false;
  const owner: IntakeOwner = {
    protocolVersion: 4,
    maxInFlight: 10,
    maxPacketBytes: 1000,
    partial: new PartialBudget(10_000),
    isFull: () => isFull,
    onConnack: () => undefined,
    onPublish: (from, { topic }) => {
      taken.push(topic);
      from.hold();
    },
    onPubrel: () => undefined,
    onBroken: () => undefined,
    onRefused: () => undefined,
    onFlushed: () => intakes.at(-1)?.pump(),
  };
  function connect(topic: string): Intake {
    const [theirs, ours] = streamPair();
    const intake = new Intake(theirs, intakes.length + 1, owner);
    intakes.push(intake);
    ours.write(
      generate({ cmd: 'publish', topic, payload: '1', qos: 1, messageId: 1, dup: false, retain: false }),
    );
    return intake;
  }

  const first = connect('a');
  await until('the first has taken its message', () => taken.length === 1);
  isFull = true;
  first.close();
  connect('b');
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(taken).toEqual(['a']);

  isFull = false;
  first.refuse('the disk fails');
  expect(taken).toEqual(['a', 'b']);
});
