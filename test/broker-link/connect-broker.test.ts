import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { generate, type Packet, parser } from 'mqtt-packet';
import { describe, expect, test } from 'vitest';
import type { BrokerConnection } from '../../gateway/broker-link/broker-connection.ts';
import type { BrokerSession, LinkMessage, PublishResult } from '../../gateway/broker-link/broker-session.ts';
import {
  type BrokerLink,
  type BrokerLinkOptions,
  connectBroker,
} from '../../gateway/broker-link/connect-broker.ts';
import { currentPassword } from '../../gateway/broker-link/current-password.ts';
import { probeBroker } from '../../gateway/broker-link/probe-broker.ts';
import type { Clock } from '../../gateway/contracts.ts';
import { ScriptedBroker } from '../sources/mqtt-client/scripted-broker.ts';
import { CONNECTION } from '../support/broker-connection.ts';
import { until } from '../support/processes.ts';
import { streamPair } from '../support/stream-pair.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Notes how long it was asked to wait, and does not; `ticksMs` pass with each look at it. */
class NotingClock implements Clock {
  readonly waits: number[] = [];
  #ms = 0;
  readonly #ticksMs: number;

  constructor(ticksMs = 0) {
    this.#ticksMs = ticksMs;
  }

  nowMs(): number {
    return 1_700_000_000_000;
  }

  monotonicMs(): number {
    this.#ms += this.#ticksMs;
    return this.#ms;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.waits.push(ms);
    await new Promise((resolve) => setTimeout(resolve, signal?.aborted === true ? 0 : 1));
  }
}

/** Notes the pauses between connections; a connection lasts only once somebody says so. */
class LastingClock extends NotingClock {
  lasts: boolean = false;

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms !== 10_000) await super.sleep(ms, signal);
    else await until('it is over', () => this.lasts || signal?.aborted === true, { everyMs: 1 });
  }
}

function broker(connackCode = 0, protocolVersion: 4 | 5 = 4): ScriptedBroker {
  return new ScriptedBroker({
    protocolVersion,
    messages: [],
    window: 1,
    chunkBytes: () => 100,
    cuts: () => false,
    onAnswer: () => undefined,
    connackCode,
  });
}

function link(
  clock: Clock,
  options: Partial<BrokerLinkOptions>,
  connection: Partial<BrokerConnection> = {},
): BrokerLink {
  const made = connectBroker({ ...CONNECTION, ...connection }, { clock, random: () => 1, ...options });
  made.start();
  return made;
}

describe('a connection to a broker', () => {
  test('is tried again for ever, after pauses that grow to a minute', async () => {
    const clock = new NotingClock();
    const away = link(clock, { open: () => Promise.reject(new Error('nobody is there')) });
    await until('it tried ten times', () => clock.waits.length >= 10);
    expect(clock.waits.slice(0, 10)).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000,
    ]);
    expect(away.status()).toMatchObject({
      state: 'retrying',
      reason: 'nobody is there',
      sessionPresent: null,
    });
    await away.stop(10);
    expect(away.status()).toMatchObject({ state: 'stopped', reason: null });
  });

  test('with jitter is never tried again at once', async () => {
    const clock = new NotingClock();
    const away = link(clock, { random: () => 0, open: () => Promise.reject(new Error('no')) });
    await until('it tried', () => clock.waits.length >= 5);
    expect(new Set(clock.waits.slice(0, 5))).toEqual(new Set([100]));
    await away.stop(10);
  });

  test.each([
    [1, 'refused'],
    [2, 'refused'],
    [3, 'retrying'],
    [4, 'refused'],
    [5, 'refused'],
  ] as const)('that is answered with CONNACK %i is %s', async (code, state) => {
    const clock = new NotingClock();
    const made = link(clock, { open: broker(code).open });
    await until('it tried thrice', () => clock.waits.length >= 3);
    expect(made.status().state).toBe(state);
    expect(clock.waits.slice(0, 3)).toEqual(
      state === 'refused' ? [60_000, 120_000, 240_000] : [500, 1000, 2000],
    );
    await made.stop(10);
  });

  test('for which a file is missing waits for somebody to act, and names it', async () => {
    const clock = new NotingClock();
    const made = link(
      clock,
      {},
      { url: 'mqtts://127.0.0.1:9', tls: { ...CONNECTION.tls, caFile: '/nowhere/ca.pem' } },
    );
    await until('it tried', () => clock.waits.length >= 1);
    expect(made.status()).toMatchObject({ state: 'refused' });
    expect(made.status().reason).toMatch(/^\/nowhere\/ca\.pem cannot be read/);
    await made.stop(10);
  });

  test('for which a file holds something else waits for somebody to act, and names it', async () => {
    const file = join(temporaryFolder(), 'some.pem');
    writeFileSync(file, 'nothing\n');
    for (const [wrong, words] of [
      [{ caFile: file }, `${file} holds no certificate in PEM`],
      [{ certFile: file, keyFile: file }, `${file} holds no certificate in PEM`],
      [{ keyFile: file }, `${file} holds no private key in PEM without a password`],
    ] as const) {
      const clock = new NotingClock();
      const made = link(clock, {}, { url: 'mqtts://127.0.0.1:9', tls: { ...CONNECTION.tls, ...wrong } });
      await until('it tried', () => clock.waits.length >= 1);
      expect(made.status()).toMatchObject({ state: 'refused', reason: words });
      await made.stop(10);
    }
  });

  test('is made with the password that its file has then, and not without it', async () => {
    const file = join(temporaryFolder(), 'password');
    writeFileSync(file, 'first\n');
    const clock = new NotingClock();
    const the = broker();
    const made = link(
      clock,
      { open: the.open },
      { username: 'u', password: 'as it was read at the start', passwordFile: file },
    );
    await until('it is connected', () => the.connections === 1);
    expect(String(the.connect?.password)).toBe('first');
    writeFileSync(file, 'second\n');
    made.drop('for a test');
    await until('it is connected again', () => the.connections === 2);
    expect(String(the.connect?.password)).toBe('second');
    for (const [change, words] of [
      [() => writeFileSync(file, ' \n'), `${file} is empty: it is to hold the password`],
      [() => writeFileSync(file, 'x'.repeat(70_000)), `${file} is larger than 64 KiB and so is no secret`],
      [() => rmSync(file), `${file} cannot be read: `],
    ] as const) {
      change();
      made.drop('for a test');
      await until(words, () => made.status().reason?.startsWith(words) === true);
      expect(made.status().state).toBe('refused');
      expect(the.connections).toBe(2);
    }
    writeFileSync(file, 'third');
    await until('it is connected once more', () => the.connections === 3);
    expect(String(the.connect?.password)).toBe('third');
    await made.stop(10);
    // Nothing can be read a second time from what is no file.
    expect(await currentPassword({ password: 'from a pipe', passwordFile: '/dev/null' })).toBe('from a pipe');
  });

  test('that worked for a while is made again soon, one that did not after ever longer', async () => {
    for (const [ticksMs, waits] of [
      [0, [500, 1000, 2000]],
      [20_000, [500, 500, 500]],
    ] as const) {
      const clock = new NotingClock(ticksMs);
      const there = broker();
      const made = link(clock, { open: there.open, onConnected: () => there.cut() });
      await until('it was cut thrice', () => clock.waits.length >= 3);
      expect(clock.waits.slice(0, 3)).toEqual(waits);
      await made.stop(10);
    }
  });

  test('over which something came that could not be taken is made again within seconds, however often that is', async () => {
    const clock = new LastingClock();
    const made: BrokerLink = link(clock, {
      open: broker().open,
      onConnected: () => made.drop('no room', 'refused'),
    });
    await until('it was dropped seven times', () => clock.waits.length >= 7);
    expect(clock.waits.slice(0, 7)).toEqual([500, 1000, 2000, 4000, 5000, 5000, 5000]);
    await made.stop(10);
  });

  test('to a broker that goes away is made again slowly, whatever could not be taken in between', async () => {
    const clock = new LastingClock();
    const there = broker();
    const away = async (): Promise<never> => {
      throw new Error('nobody is there');
    };
    const days = [away, away, away, there.open, there.open, away, there.open, away];
    const made: BrokerLink = link(clock, {
      open: () => (days.shift() ?? away)(),
      onConnected: () => made.drop('no room', 'refused'),
    });
    await until('all of that has happened', () => clock.waits.length >= 8);
    expect(clock.waits.slice(0, 8)).toEqual([500, 1000, 2000, 500, 1000, 4000, 2000, 8000]);
    await made.stop(10);
  });

  test('says what could not be taken, and since when, until a connection lasts: not "connected" in between', async () => {
    const clock = new LastingClock();
    const states: string[] = [];
    let isFull: boolean = true;
    let connections = 0;
    const made: BrokerLink = link(clock, {
      open: broker().open,
      onConnected() {
        connections += 1;
        if (isFull) made.drop('no room', 'refused');
      },
      onState: ({ state, reason }) => states.push(`${state}: ${reason}`),
    });
    await until('it was dropped four times', () => connections >= 4);
    isFull = false;
    const before = connections;
    await until('it is there', () => connections > before || made.session() !== null);
    expect(made.status()).toMatchObject({ state: 'retrying', reason: 'no room' });
    clock.lasts = true;
    await until('it has lasted', () => made.status().state === 'connected');
    expect(states).toEqual(['connected: null', 'retrying: no room', 'connected: null']);
    await made.stop(10);
  });

  test('that the broker ends at once time and again may have the client id of another: it says so', async () => {
    const reasons: (string | null)[] = [];
    const there = broker();
    const made = link(new NotingClock(), {
      open: there.open,
      onConnected: () => there.cut(),
      onState: ({ state, reason }) => state === 'retrying' && reasons.push(reason),
    });
    await until('it was cut four times', () => reasons.length >= 4);
    await made.stop(10);
    const closed = 'the broker closed the connection';
    expect(reasons.slice(0, 2)).toEqual([closed, closed]);
    expect(reasons[2]).toMatch(
      /^the broker closed the connection soon after .* another client has the id x, or it has no room for what it is sent$/,
    );
  });

  test('that was simply away at first, and goes away again, is not said to have the client id of another', async () => {
    const reasons: (string | null)[] = [];
    const clock = new NotingClock();
    const there = broker();
    const away = async (): Promise<never> => {
      throw new Error('nobody is there');
    };
    const days = [away, away, away, there.open, away, there.open, away, there.open];
    const made = link(clock, {
      open: () => (days.shift() ?? away)(),
      onConnected: () => there.cut(),
      onState: ({ state, reason }) => state === 'retrying' && reasons.push(reason),
    });
    await until('all of that has happened', () => clock.waits.length >= 9);
    await made.stop(10);
    expect(new Set(reasons)).toEqual(new Set(['nobody is there', 'the broker closed the connection']));
  });

  test.each([0, 135])(
    'over which a message was answered (%i) is made again within seconds, never at once',
    async (reasonCode) => {
      for (const [random, waits] of [
        [1, [1000, 1000, 2000, 4000, 5000, 5000]],
        [0, [1000, 1000, 1000, 1000, 1000, 1000]],
      ] as const) {
        const clock = new NotingClock();
        const open = async (): Promise<Duplex> => {
          const [theirs, ours] = streamPair();
          const parse = parser({ protocolVersion: 5 });
          const send = (packet: Packet): boolean => ours.write(generate(packet, { protocolVersion: 5 }));
          parse.on('packet', (packet: Packet) => {
            if (packet.cmd === 'connect') send({ cmd: 'connack', sessionPresent: false, reasonCode: 0 });
            if (packet.cmd === 'publish')
              send({ cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode });
          });
          ours.on('data', (chunk: Buffer) => parse.parse(chunk));
          wire = ours;
          return theirs;
        };
        let wire: Duplex | null = null;
        const made = link(
          clock,
          {
            open,
            random: () => random,
            onConnected: ({ publish }) =>
              publish('t', Buffer.from('1'), { qos: 1, retain: false }, () => wire?.destroy()),
          },
          { protocolVersion: 5 },
        );
        await until('it was cut six times', () => clock.waits.length >= 6);
        expect(clock.waits.slice(0, 6)).toEqual(waits);
        await made.stop(10);
      }
    },
  );

  test('over which a message waits for its answer, as it did before, is made again ever later', async () => {
    const clock = new NotingClock();
    const there = broker();
    const made = link(clock, {
      open: there.open,
      onConnected({ publish }) {
        publish('t', Buffer.from('0'), { qos: 0, retain: false }, () => undefined);
        publish('t', Buffer.from('1'), { qos: 1, retain: false }, () => undefined);
        setImmediate(() => there.cut());
      },
    });
    await until('it was cut six times', () => clock.waits.length >= 6);
    expect(clock.waits.slice(0, 6)).toEqual([500, 1000, 2000, 4000, 8000, 16_000]);
    await made.stop(10);
  });

  test('to a broker that names another server says which, whatever that name holds', async () => {
    const said = async (packets: readonly Packet[]): Promise<string | undefined> => {
      const reasons: string[] = [];
      const made = link(
        new NotingClock(),
        {
          onState: ({ reason }) => reason !== null && reasons.push(reason),
          open: async () => {
            const [theirs, ours] = streamPair();
            ours.once('data', () => {
              for (const packet of packets) ours.write(generate(packet, { protocolVersion: 5 }));
              setTimeout(() => ours.destroy(), 5);
            });
            return theirs;
          },
        },
        { protocolVersion: 5 },
      );
      await until('it has ended', () => reasons.length >= 1);
      await made.stop(10);
      return reasons[0];
    };
    const refusal = (reasonCode: number, serverReference: string): Packet => ({
      cmd: 'connack',
      sessionPresent: false,
      reasonCode,
      properties: { serverReference },
    });
    expect(await said([refusal(0x9c, 'other.example:8883')])).toBe(
      'the broker refused: another server is to be used (it names other.example:8883)',
    );
    expect(await said([refusal(0x9d, `a\n\u001b[31m${'x'.repeat(5000)}`)])).toMatch(
      /^the broker refused: it has moved to another server \(it names a\\n\\x1b\[31mx{190,200}…\)$/,
    );
    expect(
      await said([
        { cmd: 'connack', sessionPresent: false, reasonCode: 0 },
        { cmd: 'disconnect', reasonCode: 0x9d, properties: { serverReference: 'new.example' } },
      ]),
    ).toBe('the broker disconnected: it has moved to another server (it names new.example)');
  });

  test('tells each publisher once what became of it, also when it is cut', async () => {
    const there = broker();
    const results: PublishResult[] = [];
    let session: BrokerSession | null = null;
    const made = link(new NotingClock(), {
      open: there.open,
      onConnected(connected) {
        session ??= connected;
        connected.publish('t', Buffer.from('1'), { qos: 0, retain: false }, (result) => results.push(result));
        connected.publish('t', Buffer.from('2'), { qos: 1, retain: false }, (result) => results.push(result));
      },
    });
    await until('it was sent', () => there.got.filter((cmd) => cmd === 'publish').length >= 2);
    expect(results).toEqual([{ ok: true }]);
    made.drop('enough');
    await until('it was told', () => results.length >= 2);
    expect(results.slice(1)).toEqual([expect.objectContaining({ ok: false, reasonCode: null })]);
    await made.stop(10);
    expect(made.session()).toBeNull();
    const late: PublishResult[] = [];
    const first = session as BrokerSession | null;
    first?.publish('t', Buffer.from('3'), { qos: 1, retain: false }, (result) => late.push(result));
    expect(late).toEqual([{ ok: false, reasonCode: null, words: 'not connected' }]);
  });

  test('over which comes what is no packet, or answers nothing, is made again, and says why', async () => {
    for (const [bytesTo, words] of [
      [() => Buffer.of(0x36, 0x05, 0, 1, 0x74, 0, 1), /QoS/],
      [(id: number) => Buffer.of(0xb0, 0x02, id >> 8, id & 255), /unsuback does not answer the publish/],
    ] as const) {
      const states: string[] = [];
      const there = broker();
      const made = link(new NotingClock(), {
        open: there.open,
        onConnected({ number, publish }) {
          if (number === 1) publish('t', Buffer.from('1'), { qos: 1, retain: false }, () => undefined);
        },
        onState: ({ state, reason }) => states.push(`${state}: ${reason}`),
      });
      await until('something came', () => there.publishedId > 0);
      there.write(bytesTo(there.publishedId));
      await until('it is made again', () => there.connections === 2 && made.status().state === 'connected');
      expect(states).toEqual(['connected: null', expect.stringMatching(words), 'connected: null']);
      there.cut();
      await until('it is cut', () => states.length >= 4);
      expect(states[3]).toBe('retrying: the broker closed the connection');
      await made.stop(10);
    }
  });

  test('survives what its listeners throw', async () => {
    const failures: string[] = [];
    const there = broker();
    const message = { cmd: 'publish', topic: 't', payload: 'm', qos: 0, dup: false, retain: false } as const;
    const mine = (hook: string) => (): never => {
      throw new Error(hook);
    };
    const made = link(new NotingClock(), {
      open: there.open,
      onConnected: mine('one'),
      onState: mine('two'),
      onMessage: mine('three'),
      onFailure: (hook, error) => failures.push(`${hook}: ${String(error)}`),
    });
    await until('it is connected', () => made.status().state === 'connected' && failures.length > 1);
    for (let i = 0; i < 2; i += 1) there.write(generate(message));
    await until('they came', () => failures.length > 3);
    expect(failures).toEqual([
      'broker state: Error: two',
      'broker connected: Error: one',
      ...['broker message: Error: three', 'broker message: Error: three'],
    ]);
    expect([made.status().state, there.connections]).toEqual(['connected', 1]);
    await made.stop(10);
  });
});

describe('a message', () => {
  test('brings its content type and user properties, within bounds', async () => {
    const there = broker(0, 5);
    const came: LinkMessage[] = [];
    const made = link(
      new NotingClock(),
      { open: there.open, onMessage: (message) => came.push(message) },
      { protocolVersion: 5 },
    );
    await until('it is connected', () => made.status().state === 'connected');
    const long = 'x'.repeat(257);
    const userProperties = { site: ['south', 'north'], note: long, [long]: 'x' };
    const bare = { cmd: 'publish', topic: 't', payload: 'm', qos: 0, dup: false, retain: false } as const;
    for (const properties of [{ contentType: 'text/csv', userProperties }, { contentType: long }, undefined])
      there.write(generate({ ...bare, ...(properties && { properties }) }, { protocolVersion: 5 }));
    await until('they came', () => came.length >= 3);
    expect(came.map(({ relay }) => relay)).toEqual([
      {
        contentType: 'text/csv',
        userProperties: new Map([['site', 'north']]),
        unread: { names: new Map([['note', 'too-long']]), others: null },
      },
      { contentType: null, userProperties: new Map() },
      { contentType: null, userProperties: new Map() },
    ]);
    await made.stop(10);
  });
});

describe('a look at a broker', () => {
  test('leaves no will and no session, under an id that every broker has to take', async () => {
    const there = broker();
    const { connect } = there;
    const look = { clock: new NotingClock(), signal: AbortSignal.timeout(5_000), open: there.open };
    for (const random of [() => 0, () => 0.999_999]) {
      expect(await probeBroker({ ...CONNECTION, cleanStart: false }, { ...look, random })).toBeNull();
      expect(there.connect).toMatchObject({ clean: true });
      expect(there.connect?.clientId).toMatch(/^[0-9a-z]{1,23}$/i);
      expect(there.connect).not.toBe(connect);
    }
  });
});
