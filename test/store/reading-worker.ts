/** A thread that reads the log while the main thread writes it: sums up what it was told to read. */
import { parentPort, workerData } from 'node:worker_threads';
import { openLogReader } from '../../gateway/store/log-reader.ts';

const path: unknown = workerData;
if (typeof path !== 'string' || parentPort === null) throw new Error('started without a path');
const port = parentPort;
const reader = openLogReader(path);
let cursor = 0;
let points = 0;
let sum = 0;

port.on('message', (throughSeq: number) => {
  if (throughSeq === 0) {
    void reader.close().then(() => port.close());
    return;
  }
  for (;;) {
    const slice = reader.read(cursor, throughSeq, { maxPoints: 5000, maxBytes: 2 ** 20 });
    if (slice === null) break;
    cursor = slice.lastSeq;
    points += slice.points;
    for (const [, value] of slice.lines.toString().matchAll(/ (\d+)\n/g)) sum += Number(value);
  }
  port.postMessage({ cursor, points, sum });
});
