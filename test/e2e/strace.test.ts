/** What the system calls say: a reading's line is written, then synced, and only then its PUBACK leaves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Packet, parser } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway-process.ts';
import { freePort } from '../support/processes.ts';
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
const FILE_WRITES = new Set(['pwrite64', 'pwritev', 'write', 'writev']);
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

interface Seen {
  readonly place: number;
  readonly packet: Packet;
}

/** Packets of one kind by connection and packet id, each with the place of the call that completed it. */
function packetsOf(
  calls: readonly Call[],
  cmd: Packet['cmd'],
  place: (call: Call) => number,
): Map<string, Seen[]> {
  const found = new Map<string, Seen[]>();
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
        found.set(key, [...(found.get(key) ?? []), { place: at, packet }]);
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

/** How the reading of a PUBLISH looks in the store. */
function lineOf(packet: Packet): RegExp {
  if (packet.cmd !== 'publish') throw new Error('no PUBLISH');
  const device = packet.topic.split('/')[1] ?? '';
  const seq = /"seq":(\d+)/.exec(packet.payload.toString())?.[1] ?? '';
  return new RegExp(`environment,device=${device} [^\\n]*seq=${seq}i`);
}

describeWith(['strace'], 'seen by strace', () => {
  test('no PUBACK leaves before its reading was written and a sync begun after that has returned', async () => {
    const trace = join(temporaryFolder('strace'), 'trace');
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
        // Nobody there: the embedded database would sync too, and pass for the store.
        sinks: [{ type: 'influxdb', url: `http://127.0.0.1:${await freePort()}`, version: 1, database: 't' }],
      },
      under: [
        ...['strace', '-f', '--seccomp-bpf', '-xx', '-s', '100000', '-o', trace],
        ...[
          '-e',
          'trace=close,read,write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync,msync',
          '--',
        ],
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
    const fileWrites = calls.filter(({ name }) => FILE_WRITES.has(name));
    let checked = 0;
    for (const [key, pubacks] of acknowledged) {
      const publishes = published.get(key) ?? [];
      for (const [i, { place: left }] of pubacks.entries()) {
        const read = publishes[i];
        if (read === undefined) throw new Error(`no PUBLISH was read before the PUBACK of ${key}`);
        const line = lineOf(read.packet);
        const written = fileWrites.find(
          ({ began, bytes }) => began > read.place && line.test(bytes.toString('latin1')),
        );
        if (written === undefined) throw new Error(`${line.source} was never written`);
        const covering = syncs.filter(({ began, returned }) => began > written.returned && returned < left);
        expect(covering.length, `syncs between the write and the PUBACK of ${line.source}`).toBeGreaterThan(
          0,
        );
        checked += 1;
      }
    }
    expect(checked).toBe(180);
  });
});
