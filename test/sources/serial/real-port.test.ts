/** The source on ports of the kernel's own: what fakes cannot show. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/clocks/clock.ts';
import { openPort } from '../../../gateway/sources/serial/open-port.ts';
import { createSerialSource, type SerialSource } from '../../../gateway/sources/serial.ts';
import { start, until } from '../../support/processes.ts';
import { type PtyPair, startPtyPair, writeLines } from '../../support/pty-pair.ts';
import { describeWith } from '../../support/services.ts';
import { FakeIngest } from '../mqtt-broker/support/fake-ingest.ts';
import { RecordedEvents } from '../mqtt-broker/support/harness.ts';
import { watchLoop } from '../mqtt-broker/support/loop-watch.ts';
import { ENTRY } from './support/fake-serial.ts';

const SETTINGS = { baudRate: 115_200, dataBits: 8, parity: 'none', stopBits: 1, rtscts: false } as const;

const ROUNDS = 2;
/** `E2E_NOISE_SECONDS=30` is the full length. */
const NOISE_SECONDS = Number(process.env.E2E_NOISE_SECONDS ?? 1);

const cables: PtyPair[] = [];
const sources: SerialSource[] = [];
afterEach(async () => {
  for (const source of sources.splice(0)) await source.stop(0);
  for (const cable of cables.splice(0)) await cable.unplug();
});

async function plugged(): Promise<PtyPair> {
  const cable = await startPtyPair();
  cables.push(cable);
  return cable;
}

async function startOn(
  path: string,
  ack = false,
): Promise<{ source: SerialSource; ingest: FakeIngest; events: RecordedEvents }> {
  const ingest = new FakeIngest();
  const events = new RecordedEvents();
  const source = createSerialSource([{ ...ENTRY, path, ack }], { ingest, events, clock: systemClock });
  sources.push(source);
  await source.start();
  await until('it is open', () => source.connections() === 1, { everyMs: 5 });
  return { source, ingest, events };
}

describeWith(['socat'], 'a real port', () => {
  test('carries lines in and answers out', async () => {
    const cable = await plugged();
    const { ingest } = await startOn(cable.path, true);
    const answers: string[] = [];
    cable.device().onLine = (line) => answers.push(line);
    cable.device().write('one\ntwo\n');
    await until('two answers', () => answers.length === 2);
    expect(ingest.messages.map(({ payload }) => payload.toString())).toEqual(['one', 'two']);
    expect(answers).toEqual(['ACK #1', 'ACK #2']);
  });

  test('takes what the device is slow to read, whole and in order', async () => {
    const cable = await plugged();
    const port = await openPort(cable.path, SETTINGS);
    const text = Array.from({ length: 10_000 }, (_, i) => `line ${i}`).join('\n');
    let lines = 0;
    cable.device().onLine = (line) => {
      expect(line).toBe(`line ${lines}`);
      lines += 1;
    };
    port.listen({ data: () => undefined, lost: () => undefined });
    await port.write(Buffer.from(`${text}\n`));
    expect(port.waitingBytes).toBe(0);
    await until('it has arrived', () => lines === 10_000);
    await port.close(true);
    await expect(port.write(Buffer.from('x'))).rejects.toThrow('closed');
  });

  test('that is pulled out fails what waits to be written, and reports its loss once', async () => {
    const cable = await plugged();
    const port = await openPort(cable.path, SETTINGS);
    const lost: string[] = [];
    port.listen({ data: () => undefined, lost: (reason) => lost.push(reason) });
    const writes = Promise.allSettled([
      port.write(Buffer.alloc(2_000_000, 'x')),
      port.write(Buffer.from('y')),
    ]);
    await cable.unplug();
    expect((await writes).map(({ status }) => status)).toContain('rejected');
    await until('it is lost', () => lost.length > 0);
    await port.close(true);
    await sleep(50);
    expect(lost).toHaveLength(1);
  });

  test('is ours alone while it is open, and free after', async () => {
    const cable = await plugged();
    const port = await openPort(cable.path, SETTINGS);
    await expect(openPort(cable.path, SETTINGS)).rejects.toThrow(/lock/);
    const { source } = {
      source: createSerialSource([{ ...ENTRY, path: cable.path }], {
        ingest: new FakeIngest(),
        events: new RecordedEvents(),
        clock: systemClock,
      }),
    };
    sources.push(source);
    await source.start();
    await until('it says who has it', () => source.ports()[0]?.reason?.includes(`(process ${process.pid})`));
    await port.close(true);
    await until('it is open', () => source.connections() === 1);
  });

  test('that sends noise without end and without a delimiter never holds the event loop for long', {
    timeout: 20_000 + NOISE_SECONDS * 1000,
  }, async () => {
    const cable = await plugged();
    const { source, ingest } = await startOn(cable.path);
    const noise = start('sh', ['-c', `exec tr -d '\\n' < /dev/urandom > ${cable.path}-device`]);
    await until('it comes', () => (source.ports()[0]?.bytes ?? 0) > 100_000);
    const loop = watchLoop();
    await sleep(NOISE_SECONDS * 1000);
    loop.stop();
    await noise.kill();
    const [port] = source.ports();
    expect(loop.longestMs).toBeLessThan(50);
    expect(port?.bytes).toBeGreaterThan(NOISE_SECONDS * 500_000);
    expect(port?.discardedBytes).toBeGreaterThan((port?.bytes ?? 0) * 0.9);
    expect(ingest.messages).toEqual([]);
  });

  for (const perSecond of [100, 5000]) {
    test(`pulled out at ${perSecond} lines/s is noticed, and back when it is back`, {
      timeout: 60_000,
    }, async () => {
      const cable = await plugged();
      const { source, ingest, events } = await startOn(cable.path);
      for (let round = 0; round < ROUNDS; round += 1) {
        let on = true;
        const writing = writeLines(cable.device(), {
          perSecond,
          line: (n) => `${round} ${n} ${n * 7}\n`,
          while: () => on,
        });
        await sleep(150 + Math.random() * 200);
        await cable.unplug();
        on = false;
        await writing;
        await until('it is noticed', () => source.connections() === 0, { timeoutMs: 1000, everyMs: 5 });
        await cable.plug();
        await until('it is back', () => source.connections() === 1, { timeoutMs: 3000, everyMs: 5 });
      }
      const payloads = ingest.messages.map(({ payload }) => payload.toString());
      for (let round = 0; round < ROUNDS; round += 1) {
        const lines = payloads.filter((payload) => payload.startsWith(`${round} `));
        expect(lines.length).toBeGreaterThan(0);
        expect(lines).toEqual(lines.map((_, n) => `${round} ${n} ${n * 7}`));
      }
      expect(payloads.filter((payload) => !/^[01] /.test(payload))).toEqual([]);
      expect(events.named('serial.lost')).toHaveLength(ROUNDS);
      expect(events.named('hook.failed')).toEqual([]);
    });
  }
});
