/**
 * A program to be killed: writes slices of 50 points into the embedded sink, one after the other, from where the sink
 * says it is, and tells each seq it was told is written. `node embedded-writer.js FILE`
 */
import { createEmbeddedSink } from '../../gateway/sinks/embedded.ts';

const POINTS = 50;
const [, , path] = process.argv;
if (path === undefined) throw new Error('usage: embedded-writer.js FILE');

const sink = createEmbeddedSink({ path, maxBytes: null, maxAgeMs: null });
const never = new AbortController().signal;
let seq = (await sink.open('store', 1_000_000, never)) ?? 0;
process.stdout.write(`open ${seq}\n`);
for (;;) {
  seq += 1;
  let lines = '';
  // Now and then a new column, a new table, a wider type: changes of the tables are killed as well.
  for (let i = 0; i < POINTS; i += 1) {
    const more = seq % 20 === 0 && i === 0 ? `,f${seq}=1` : '';
    lines += `m${seq % 40 === 0 ? seq : ''},device=d${i} seq=${seq}${seq % 30 === 0 ? '.5' : 'i'}${more} ${seq * 1000 + i}\n`;
  }
  const decision = await sink.write(Buffer.from(lines), seq, never);
  if (decision.kind !== 'written') throw new Error(JSON.stringify(decision));
  process.stdout.write(`written ${seq}\n`);
}
