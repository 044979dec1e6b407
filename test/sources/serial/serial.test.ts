import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { Outcome } from '../../../gateway/contracts.ts';
import { GatewayError } from '../../../gateway/errors.ts';
import { DUPLICATE, rejected, STORED } from '../mqtt-broker/support/fake-ingest.ts';
import { type SerialBench, startSerial, turns } from './support/fake-serial.ts';
import { FakeSystem } from './support/fake-system.ts';

const one = (dev: string) => [{ path: join(dev, 'A') }];
const acking = (dev: string) => [{ path: join(dev, 'A'), ack: true }];

function stored(seq: number | null): readonly Outcome[] {
  return [{ kind: 'stored', receipt: { atMs: 0, seq, bySchema: false } }];
}

/** An ingest that reads `seq` from JSON, and rejects what is none. */
function answersBySeq({ ingest }: SerialBench): void {
  ingest.outcomeOf = ({ payload }) => {
    try {
      const { seq = null, bad = false } = JSON.parse(payload.toString());
      return bad ? [rejected('r', seq)] : stored(seq);
    } catch {
      return [rejected('r')];
    }
  };
}

describe('what a port sends', () => {
  test('goes to ingest frame by frame, with the port as its client and the configured device', async () => {
    const bench = await startSerial(
      (dev) => [{ path: join(dev, 'A'), name: 'shed', device: 'shed-1', format: '{"csv":{}}', ack: true }],
      { plugged: ['A'] },
    );
    bench.port().send('{"a":1}\r\n{"b"');
    bench.port().send(':2}\n');
    expect(bench.payloads()).toEqual(['{"a":1}', '{"b":2}']);
    expect(bench.ingest.messages[0]).toMatchObject({
      source: 'serial',
      topic: 'sensors/shed-1/environment',
      client: 'shed',
      device: 'shed-1',
      address: join(bench.dev, 'A'),
      format: '{"csv":{}}',
      receipts: true,
      transfer: null,
    });
    expect(bench.source.ports()).toMatchObject([{ state: 'open', frames: 2, bytes: 17 }]);
  });

  test('while the board settles is discarded, counted and shown', async () => {
    const bench = await startSerial(
      (dev) => [{ path: join(dev, 'A'), settleMs: 2000, framing: { kind: 'line' } }],
      {
        plugged: ['A'],
      },
    );
    bench.port().send('boot: v1\n{"half":');
    await bench.pass(2000);
    bench.port().send('1}\n{"a":1}\n');
    expect(bench.payloads()).toEqual(['{"a":1}']);
    const [status] = bench.source.ports();
    expect(status?.discarded).toMatchObject({ settling: 17 });
    expect(Buffer.from(status?.lastDiscardedHex ?? '', 'hex').toString()).toContain('boot: v1\n{"half":');
    await bench.pass(500);
    expect(bench.events.named('serial.discarded')).not.toEqual([]);
  });

  test('is handed to subscribers unless it was rejected or a repeat', async () => {
    const forwarded: string[] = [];
    const bench = await startSerial(one, {
      plugged: ['A'],
      deps: { forward: (topic, payload) => forwarded.push(`${topic} ${payload}`) },
    });
    bench.ingest.outcomeOf = ({ payload }) =>
      payload.toString() === 'bad' ? [rejected('r')] : payload.toString() === 'again' ? DUPLICATE : STORED;
    bench.port().send('good\nbad\nagain\n');
    expect(forwarded).toEqual(['sensors/greenhouse/environment good']);
  });

  test('of CSV with a header line is a row behind its header; a later header counts from there on', async () => {
    const bench = await startSerial((dev) => [{ path: join(dev, 'A'), csvHeader: 'marks' }], {
      plugged: ['A'],
    });
    bench.port().send('1,2\nweather node v2\ntemp,hum\n1,2\n3,\nhum,"temp in C"\n5,6\n');
    expect(bench.payloads()).toEqual([
      '1,2',
      'weather node v2',
      'temp,hum\n1,2',
      'temp,hum\n3,',
      'hum,"temp in C"\n5,6',
    ]);
    bench.port().hangUp();
    await bench.pass(500);
    bench.port().send('7,8\n');
    expect(bench.payloads().at(-1), 'another device may be there now').toBe('7,8');
  });

  test('as a header is known however its names are parted, also with a delimiter behind the last', async () => {
    const bench = await startSerial(
      (dev) => [
        { path: join(dev, 'A'), csvHeader: 'marks' },
        { path: join(dev, 'B'), device: 'b', csvHeader: 'blanks' },
      ],
      { plugged: ['A', 'B'] },
    );
    bench.opened[0]?.send('temp;hum;\n1;2;\n');
    bench.opened[1]?.send('temp  hum\n1 2\n');
    expect(bench.payloads()).toEqual(['temp;hum;\n1;2;', 'temp  hum\n1 2']);
  });
});

describe('a port that is lost', () => {
  test('is opened again with nothing of before glued to what comes then', async () => {
    const bench = await startSerial(one, { plugged: ['A'] });
    bench.port().send('{"a":1}\n{"half":');
    bench.port().hangUp();
    bench.port().hangUp();
    await bench.pass(500);
    expect(bench.opened).toHaveLength(2);
    expect(bench.opened[0]).toMatchObject({ closed: true, discarded: true });
    bench.port().send('{"b":2}\n');
    expect(bench.payloads()).toEqual(['{"a":1}', '{"b":2}']);
    expect(bench.events.named('serial.lost')).toHaveLength(1);
    expect(bench.source.ports()).toMatchObject([{ reopened: 1, discarded: { 'cut-short': 8 } }]);
  });

  test('is noticed within a second where only its path goes away, and opened as soon as it is back', async () => {
    const bench = await startSerial(one, { plugged: ['A'] });
    bench.port().send('x\n');
    bench.unplug('A');
    await bench.pass(1000);
    expect(bench.opened[0]?.closed).toBe(true);
    expect(bench.source.ports()).toMatchObject([{ state: 'waiting', path: null }]);
    expect(bench.source.connections()).toBe(0);
    await bench.pass(120_000);
    expect(bench.opened).toHaveLength(1);
    bench.plug('A');
    await bench.pass(1000);
    expect(bench.opened).toHaveLength(2);
    expect(bench.source.connections()).toBe(1);
  });

  test('is noticed where its path leads to another port', async () => {
    const signatures = { now: 'A 1:1:1 0' };
    const bench = await startSerial(one, { plugged: ['A'], deps: { signatureOf: () => signatures.now } });
    signatures.now = 'A 1:1:1 7';
    await bench.pass(500);
    expect(bench.opened, 'only its rights were changed').toHaveLength(1);
    signatures.now = 'A 1:2:1 8';
    await bench.pass(1500);
    expect(bench.opened).toHaveLength(2);
  });

  test('is opened anew after its time of silence, when that is configured', async () => {
    const bench = await startSerial((dev) => [{ path: join(dev, 'A'), silenceMs: 5000 }], { plugged: ['A'] });
    for (let i = 0; i < 4; i += 1) {
      await bench.pass(4000);
      bench.port().send('x\n');
    }
    expect(bench.opened).toHaveLength(1);
    await bench.pass(6000);
    expect(bench.opened).toHaveLength(2);
    expect(bench.events.named('serial.lost')).toMatchObject([{ reason: 'nothing came for 5 s' }]);
  });
});

describe('a port that cannot be opened', () => {
  test('is tried for ever, with pauses that grow to 30 s', async () => {
    let tries = 0;
    const bench = await startSerial(one, {
      plugged: ['A'],
      deps: {
        openPort: async () => {
          tries += 1;
          throw new Error('Error: Input/output error, cannot open A');
        },
      },
    });
    await bench.pass(10_000);
    expect(tries).toBeGreaterThanOrEqual(4);
    expect(tries).toBeLessThanOrEqual(6);
    await bench.pass(300_000);
    const before = tries;
    await bench.pass(60_000);
    expect(tries - before).toBe(2);
    expect(bench.events.named('serial.cannot-open'), 'told once').toMatchObject([
      { reason: 'Input/output error, cannot open A' },
    ]);
    expect(bench.source.ports()).toMatchObject([{ state: 'retrying' }]);
  });

  test('is tried at once when something else is at its path', async () => {
    const bench = await startSerial(one, { plugged: ['A'] });
    bench.refusal = new Error('Error: Input/output error, cannot open A');
    bench.port().hangUp();
    await bench.pass(60_000);
    bench.refusal = null;
    bench.unplug('A');
    bench.plug('A');
    await bench.pass(1000);
    expect(bench.source.connections()).toBe(1);
  });

  test('that another program reads too says so: a lock does not keep out who asks for none', async () => {
    const { roots } = new FakeSystem();
    for (const [pid, command] of [
      ['41', 'telemetry-gateway'],
      ['4711', 'cat'],
    ] as const) {
      mkdirSync(join(roots.proc, pid, 'fd'), { recursive: true });
      symlinkSync(join(roots.dev, 'A'), join(roots.proc, pid, 'fd/3'));
      writeFileSync(join(roots.proc, pid, 'comm'), `${command}\n`);
    }
    symlinkSync('41', join(roots.proc, 'self'));
    const bench = await startSerial(one, { plugged: ['A'], roots });
    await bench.pass(500);
    await vi.waitFor(() => expect(bench.events.named('serial.shared')).toHaveLength(1));
    expect(bench.events.named('serial.shared')[0]).toMatchObject({ programs: 'cat (process 4711)' });
    expect(bench.source.ports()).toMatchObject([{ state: 'open' }]);
  });

  test('because another entry uses it says so', async () => {
    const bench = await startSerial(
      (dev) => [{ path: join(dev, 'A') }, { path: join(dev, 'A'), name: 'second', device: 'second' }],
      { plugged: ['A'] },
    );
    expect(bench.opened).toHaveLength(1);
    expect(bench.source.ports()[1]).toMatchObject({
      state: 'waiting',
      reason: `${join(bench.dev, 'A')} is used by the port greenhouse already`,
    });
  });
});

describe('several ports for one entry', () => {
  const wild = (dev: string) => [{ path: join(dev, 'ttyUSB*') }];

  test('are an error that names them, and none is opened until one is left', async () => {
    const bench = await startSerial(wild, { plugged: ['ttyUSB0', 'ttyUSB10', 'other'] });
    expect(bench.opened).toEqual([]);
    const [waiting] = bench.events.named('serial.waiting');
    expect(waiting?.reason).toContain(`${join(bench.dev, 'ttyUSB0')}; ${join(bench.dev, 'ttyUSB10')}`);
    expect(waiting?.reason).toContain('each: true');
    bench.unplug('ttyUSB0');
    await bench.pass(500);
    expect(bench.opened.map(({ path }) => path)).toEqual([join(bench.dev, 'ttyUSB10')]);
  });

  test('are read from the system once a tick, however many are waited for', async () => {
    let read = 0;
    const bench = await startSerial(
      () =>
        Array.from({ length: 50 }, (_, i) => ({
          device: `d${i}`,
          match: { vendorId: '1a86', productId: null, serialNumber: String(i) },
        })),
      {
        deps: {
          listPorts: () => {
            read += 1;
            return [];
          },
        },
      },
    );
    await bench.pass(1500);
    expect(read).toBe(4);
  });

  test('with each: true are a device each, also those that come later', async () => {
    const bench = await startSerial((dev) => [{ path: join(dev, 'ttyUSB*'), each: true }], {
      plugged: ['ttyUSB0'],
    });
    bench.plug('ttyUSB1');
    await bench.pass(500);
    for (const port of bench.opened) port.send('x\n');
    expect(bench.ingest.messages.map(({ device, topic }) => [device, topic])).toEqual([
      ['greenhouse-ttyUSB0', 'sensors/greenhouse-ttyUSB0/environment'],
      ['greenhouse-ttyUSB1', 'sensors/greenhouse-ttyUSB1/environment'],
    ]);
    bench.unplug('ttyUSB0');
    await bench.pass(1000);
    bench.plug('ttyUSB0');
    await bench.pass(1000);
    expect(bench.source.connections()).toBe(2);
    expect(bench.source.ports().map(({ device }) => device)).toEqual([
      'greenhouse-ttyUSB0',
      'greenhouse-ttyUSB1',
    ]);
  });
});

describe('firmware that waits for answers', () => {
  test('gets them in order, each after its commit: by seq, or by the number of the frame', async () => {
    const bench = await startSerial(acking, { plugged: ['A'] });
    bench.ingest.automatic = false;
    answersBySeq(bench);
    bench.port().send('{"seq":7}\nnoise\n{"seq":8,"bad":true}\n{}\n');
    await turns();
    expect(bench.port().written).toEqual([]);
    bench.ingest.commit();
    await turns();
    expect(bench.port().written).toEqual(['ACK 7\nNAK #2 invalid\nNAK 8 invalid\nACK #4\n']);
  });

  test('is told that nothing was taken when the store takes nothing, by the seq of the reading', async () => {
    const bench = await startSerial(acking, {
      plugged: ['A'],
      deps: { seqOf: (payload) => JSON.parse(payload.toString()).seq ?? null },
    });
    answersBySeq(bench);
    bench.ingest.automatic = false;
    bench.port().send('{"seq":1}\n');
    bench.ingest.outcomeOf = () => {
      throw new GatewayError('store-full', 'the store is full');
    };
    bench.port().send('{"seq":2}\n{}\n');
    await turns();
    expect(bench.port().written, 'the first is not decided').toEqual([]);
    bench.ingest.commit();
    await turns();
    expect(bench.port().written.join('')).toBe('ACK 1\nNAK 2 store-full\nNAK #3 store-full\n');
    expect(bench.source.ports()).toMatchObject([{ refused: 2 }]);
    expect(bench.events.named('serial.refused')).toHaveLength(2);
  });

  test('is never told ACK for what could not be committed', async () => {
    const bench = await startSerial(acking, { plugged: ['A'] });
    answersBySeq(bench);
    bench.ingest.automatic = false;
    bench.port().send('{"seq":1}\n');
    bench.ingest.failCommit(new GatewayError('store-unavailable', 'the disk'));
    await turns();
    expect(bench.port().written).toEqual(['NAK 1 store-unavailable\n']);
  });

  test('gets no answer to what another connection sent', async () => {
    const bench = await startSerial(acking, { plugged: ['A'] });
    answersBySeq(bench);
    bench.ingest.automatic = false;
    bench.port().send('{"seq":1}\n');
    bench.port().hangUp();
    await bench.pass(500);
    bench.ingest.commit();
    await turns();
    expect(bench.opened.map(({ written }) => written)).toEqual([[], []]);
  });

  test('that does not read them is spared, and memory with it', async () => {
    const bench = await startSerial(acking, { plugged: ['A'] });
    answersBySeq(bench);
    bench.port().stuck = true;
    for (let i = 0; i < 3; i += 1) {
      bench.port().send('{"seq":1}\n'.repeat(15_000));
      await turns();
    }
    expect(bench.port().waitingBytes).toBeLessThan(300_000);
    expect(bench.source.ports()[0]?.unanswered).toBeGreaterThan(0);
  });

  test('gets its last answers when the gateway stops', async () => {
    const bench = await startSerial(acking, { plugged: ['A'] });
    answersBySeq(bench);
    bench.ingest.automatic = false;
    bench.port().send('{"seq":1}\n');
    const stopped = bench.source.stop(1000);
    bench.port().send('{"seq":2}\n');
    bench.ingest.commit();
    await turns();
    await stopped;
    expect(bench.port()).toMatchObject({ written: ['ACK 1\n'], closed: true, discarded: false });
    expect(bench.payloads()).toHaveLength(1);
  });
});

test('what is not on disk is bounded: beyond it frames are refused, counted, and never silently', async () => {
  let refused = 0;
  const bench = await startSerial(one, {
    plugged: ['A'],
    deps: {
      refused: (_, readings) => {
        refused += readings;
      },
    },
  });
  bench.ingest.automatic = false;
  const line = `${'x'.repeat(8000)}\n`;
  for (let i = 0; i < 600; i += 1) bench.port().send(line);
  expect(bench.ingest.messages.length).toBeLessThan(530);
  expect(refused + bench.ingest.messages.length).toBe(600);
  bench.ingest.commit();
  await turns();
  bench.port().send(line);
  expect(bench.source.ports()).toMatchObject([{ frames: 601, refused }]);
  expect(bench.events.named('serial.refused')).toHaveLength(refused);
});

test('a disk that does nothing does not let refusals wait without bound: later ones get no answer', async () => {
  const bench = await startSerial(acking, { plugged: ['A'] });
  bench.ingest.automatic = false;
  bench.port().send('{"seq":1}\n');
  bench.ingest.outcomeOf = () => {
    throw new GatewayError('store-unavailable', 'the disk');
  };
  for (let i = 0; i < 10; i += 1) bench.port().send('{}\n'.repeat(1000));
  bench.ingest.commit();
  await turns();
  const answers = bench.port().written.join('').split('\n').length - 1;
  expect(answers).toBe(1 + 4096);
  expect(bench.source.ports()).toMatchObject([
    { frames: 10_001, refused: 10_000, unanswered: 10_000 - 4096 },
  ]);
  bench.port().send('{}\n');
  expect(bench.port().written.at(-1), 'there is room again').toBe('NAK #10002 store-unavailable\n');
});

describe('downlink', () => {
  const writable = (dev: string) => [{ path: join(dev, 'A'), downlink: ['dashboard'] }];

  test('is written for a client that may, and the result published', async () => {
    const bench = await startSerial(writable, { plugged: ['A'] });
    expect(bench.source.takeDownlink('dashboard', 'greenhouse', Buffer.from('led on\n'))).toBe(true);
    await turns();
    expect(bench.port().written).toEqual(['led on\n']);
    expect(bench.results).toEqual([
      { topic: 'gateway/serial/greenhouse/result', result: { ok: true, bytes: 7 } },
    ]);
  });

  test('is nobody else’s', async () => {
    const bench = await startSerial(writable, { plugged: ['A'] });
    expect(bench.source.takeDownlink('stranger', 'greenhouse', Buffer.from('x'))).toBe(false);
    expect(bench.source.takeDownlink('dashboard', 'constructor', Buffer.from('x'))).toBe(false);
    await turns();
    expect(bench.port().written).toEqual([]);
  });

  test('is refused while the port is closed or settles, and never sent later', async () => {
    const bench = await startSerial((dev) => [{ ...writable(dev)[0], settleMs: 1000 }], { plugged: ['A'] });
    bench.source.takeDownlink('dashboard', 'greenhouse', Buffer.from('1'));
    await bench.pass(1000);
    bench.port().hangUp();
    bench.source.takeDownlink('dashboard', 'greenhouse', Buffer.from('2'));
    await bench.pass(5000);
    expect(bench.opened).toHaveLength(2);
    expect(bench.opened.flatMap(({ written }) => written)).toEqual([]);
    expect(bench.results.map(({ result }) => result)).toEqual([
      { ok: false, error: 'the port has just been opened and is settling' },
      { ok: false, error: 'the port is not open: the device hung up' },
    ]);
  });

  test('is bounded, and fails when the port is lost before it was taken', async () => {
    const bench = await startSerial(writable, { plugged: ['A'] });
    bench.port().stuck = true;
    for (let i = 0; i < 100; i += 1) bench.source.takeDownlink('dashboard', 'greenhouse', Buffer.from('x'));
    await turns();
    expect(bench.results).toHaveLength(36);
    expect(bench.results[0]?.result).toMatchObject({ ok: false, error: expect.stringContaining('too much') });
    bench.source.takeDownlink('dashboard', 'greenhouse', Buffer.alloc(65_537));
    await turns();
    expect(bench.results.pop()?.result).toEqual({
      ok: false,
      error: 'at most 65536 bytes can be written at once',
    });
    bench.port().hangUp();
    await turns();
    expect(bench.results).toHaveLength(100);
    expect(bench.results.every(({ result }) => JSON.stringify(result).includes('"ok":false'))).toBe(true);
  });
});
