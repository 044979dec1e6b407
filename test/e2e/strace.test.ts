/** What the system calls say: no PUBACK leaves before a sync that began after its PUBLISH was read has returned. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Packet, parser } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway-process.ts';
import { loadWith, RawMqtt } from '../support/raw-mqtt.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';

interface Call {
  readonly name: string;
  /** The descriptor and how often it was closed before: a number of its own for each connection. */
  readonly fd: string;
  readonly bytes: Buffer;
  /** Places in the trace. */
  readonly began: number;
  readonly returned: number;
}

const CALL = /^(\d+) +(\w+)\((.*)$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/;
const SYNCS = new Set(['fdatasync', 'fsync', 'msync']);

/** The finished calls of a trace made by `strace -f -xx`. */
function callsOf(trace: string): Call[] {
  const open = new Map<string, { name: string; text: string; began: number }>();
  const calls: Call[] = [];
  const closed = new Map<string, number>();
  const finish = (name: string, text: string, began: number, returned: number): void => {
    const result = /= (-?\d+)(?: .*)?$/.exec(text)?.[1] ?? '-1';
    if (Number(result) < 0) return;
    const fd = /^(\d+)/.exec(text)?.[1] ?? '';
    const earlier = closed.get(fd) ?? 0;
    if (name === 'close') closed.set(fd, earlier + 1);
    const bytes = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
      Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
    );
    calls.push({ name, fd: `${fd}#${earlier}`, bytes: Buffer.concat(bytes), began, returned });
  };
  for (const [place, line] of trace.split('\n').entries()) {
    const resumed = RESUMED.exec(line);
    if (resumed !== null) {
      const [, thread = '', name = '', rest = ''] = resumed;
      const begun = open.get(thread);
      open.delete(thread);
      if (begun !== undefined) finish(name, begun.text + rest, begun.began, place);
      continue;
    }
    const [, thread = '', name = '', rest = ''] = CALL.exec(line) ?? [];
    if (name === '') continue;
    if (rest.endsWith('<unfinished ...>')) {
      open.set(thread, { name, text: rest.slice(0, -'<unfinished ...>'.length), began: place });
    } else finish(name, rest, place, place);
  }
  return calls;
}

/** Packets of one kind in a stream of calls, each with the place of the call that completed it. */
function packetsOf(
  calls: readonly Call[],
  cmd: Packet['cmd'],
  place: (call: Call) => number,
): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const parsers = new Map<string, { feed: (call: Call) => void }>();
  for (const call of calls) {
    let stream = parsers.get(call.fd);
    if (stream === undefined) {
      const parse = parser();
      let at = 0;
      let broken = false;
      parse.on('error', () => {
        broken = true;
      });
      parse.on('packet', (packet: Packet) => {
        if (packet.cmd !== cmd) return;
        const key = `${call.fd}/${packet.messageId ?? 0}`;
        found.set(key, [...(found.get(key) ?? []), at]);
      });
      stream = {
        feed: (next) => {
          at = place(next);
          if (!broken) parse.parse(next.bytes);
        },
      };
      parsers.set(call.fd, stream);
    }
    stream.feed(call);
  }
  return found;
}

describeWith(['strace'], 'seen by strace', () => {
  test('no PUBACK leaves before the sync that covers its reading returned', async () => {
    const trace = join(temporaryFolder('strace'), 'trace');
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
        sinks: [{ type: 'embedded' }],
      },
      under: [
        ...['strace', '-f', '--seccomp-bpf', '-xx', '-s', '100000', '-o', trace],
        ...['-e', 'trace=close,read,write,writev,sendto,sendmsg,fdatasync,fsync,msync', '--'],
      ],
      readyTimeoutMs: 40_000,
    });
    const startMs = Date.now() - 60_000;
    await Promise.all(
      [0, 1, 2].map(async (k) => {
        const client = await RawMqtt.connect({ port: gateway.port, clientId: `dev-${k}` });
        const load = await loadWith(client, {
          count: 60,
          window: 1 + 4 * k,
          reading: (seq) => environmentReading(`dev-${k}`, seq, startMs),
        });
        expect(load.broken).toBe(false);
        client.destroy();
      }),
    );
    await gateway.stop();

    const calls = callsOf(readFileSync(trace, 'latin1'));
    const syncs = calls.filter(({ name }) => SYNCS.has(name));
    const writes = new Set(['write', 'writev', 'sendto', 'sendmsg']);
    const published = packetsOf(
      calls.filter(({ name }) => name === 'read'),
      'publish',
      ({ returned }) => returned,
    );
    const acknowledged = packetsOf(
      calls.filter(({ name }) => writes.has(name)),
      'puback',
      ({ began }) => began,
    );
    let checked = 0;
    for (const [key, pubacks] of acknowledged) {
      const publishes = published.get(key) ?? [];
      for (const [i, left] of pubacks.entries()) {
        const read = publishes[i];
        expect(read, `the PUBLISH of ${key}`).toBeDefined();
        if (read === undefined) continue;
        const covering = syncs.filter(({ began, returned }) => began > read && returned < left);
        expect(covering.length, `syncs between PUBLISH ${read} and PUBACK ${left} of ${key}`).toBeGreaterThan(
          0,
        );
        checked += 1;
      }
    }
    expect(checked).toBe(180);
  });
});
