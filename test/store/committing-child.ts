/**
 * A process that commits and says so, for tests that end it. Arguments: folder, first number. Prints `ack N` when every
 * line up to number N is committed.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../gateway/clocks/clock.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';

const [, , dir = '', first = '1'] = process.argv;
const options = { dir, maxBytes: 2 ** 26, minFreeDiskBytes: 0, foldGroups: 7, upkeepEveryMs: 50 };
const store = await openLmdbStore(options, { clock: systemClock, events: { emit: () => undefined } });
store.openOutbox('up', { maxBacklogBytes: 2 ** 24, whenFull: 'block' });
store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });

let number = Number(first);
let open: string | null = null;
for (;;) {
  const group = store.group();
  const last = number + 1 + Math.trunc(Math.random() * 100);
  for (; number < last; number += 1) {
    const client = `c${number % 5}`;
    group.point(`m,device=${client} v=${number} ${number}\n`);
    group.forward('up', client, Buffer.from(String(number)));
    group.rememberLast({ high: 1, low: number % 50 }, { high: 0, low: number });
    group.receive('mqtt', client, 1);
    group.count('mqtt', client, 'stored', 1);
    group.identify(client, { high: number, low: 7 });
    const transfer = {
      packetId: number % 65_536,
      hashHigh: number,
      hashLow: 1,
      readings: 1,
      state: 1,
    } as const;
    group.remember({ client, ...transfer });
  }
  // Each group ends the rejection of the one before, and says in a document how far it is.
  if (open !== null) group.resolve(open, 'stored');
  group.note('number', String(number - 1));
  open = group.reject({
    code: 'invalid',
    source: 'mqtt',
    topic: 't',
    client: 'c',
    device: null,
    schema: null,
    index: null,
    atMs: number,
    payload: Buffer.from(String(last - 1)),
    violations: [],
    sink: null,
    username: null,
    format: null,
    relay: null,
    schemaVersion: null,
  });
  group.receive('mqtt', 'c', 1);
  group.count('mqtt', 'c', 'rejected', 1);
  await group.committed;
  writeSync(1, `ack ${last - 1}\n`);
}
