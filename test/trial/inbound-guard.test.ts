import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { guardInbound } from '../../gateway/trial/inbound-guard.ts';
import { streamPair } from '../support/stream-pair.ts';

const CONNACK = generate({ cmd: 'connack', sessionPresent: false, returnCode: 0 });
const MAX_PACKET_BYTES = 300;

interface Let {
  readonly through: Buffer;
  readonly tooLarge: number;
  readonly noBroker: readonly string[];
}

/** What comes out of a guard that these chunks go into. */
async function guarded(chunks: readonly Buffer[]): Promise<Let> {
  const [wire, broker] = streamPair();
  const through: Buffer[] = [];
  const noBroker: string[] = [];
  let tooLarge = 0;
  const stream = guardInbound(wire, {
    maxPacketBytes: MAX_PACKET_BYTES,
    onNoBroker(words) {
      noBroker.push(words);
      wire.destroy();
    },
    onTooLarge() {
      tooLarge += 1;
    },
  });
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.on('data', (chunk: Buffer) => through.push(chunk));
  for (const chunk of chunks) broker.write(chunk);
  broker.end();
  stream.once('end', () => stream.destroy());
  await closed;
  return { through: Buffer.concat(through), tooLarge, noBroker };
}

function chunked(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

test('lets every packet through but messages that are too large, however the bytes are cut', async () => {
  const message = fc.integer({ min: 0, max: 600 }).map((length) =>
    generate({
      cmd: 'publish',
      topic: 't',
      payload: Buffer.alloc(length),
      qos: 0,
      dup: false,
      retain: false,
    }),
  );
  const packet = fc.oneof(message, fc.constant(generate({ cmd: 'pingresp' })));
  await fc.assert(
    fc.asyncProperty(
      fc.array(packet, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
      async (packets, sizes) => {
        const kept = packets.filter(({ length }) => length <= MAX_PACKET_BYTES);
        expect(await guarded(chunked(Buffer.concat([CONNACK, ...packets]), sizes))).toEqual({
          through: Buffer.concat([CONNACK, ...kept]),
          tooLarge: packets.length - kept.length,
          noBroker: [],
        });
      },
    ),
    { numRuns: 200 },
  );
});

test('lets nothing in from what is no broker', async () => {
  for (const size of [1, 1000])
    expect(await guarded(chunked(Buffer.from('HTTP/1.1 200 OK\r\n'), [size]))).toEqual({
      ...{ through: Buffer.alloc(0), tooLarge: 0 },
      noBroker: [expect.stringContaining('no MQTT broker answers there')],
    });
});
