import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { MAX_SAMPLE_BYTES, sniffPort, USUAL_BAUD_RATES } from '../../gateway/sniff/sniff-port.ts';
import type { OpenPort, OpenPortFunction, PortListener } from '../../gateway/sources/serial/open-port.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { readAtRate } from '../support/uart-rates.ts';

const LINE = Buffer.from('{"temperature":21.5,"humidity":40}\n');

/** Sends `chunk()` every 100 ms while it is open. */
class TalkingPort implements OpenPort {
  readonly waitingBytes = 0;
  readonly #clock: LeapingClock;
  readonly #chunk: () => Buffer | null;
  readonly #over = new AbortController();

  constructor(clock: LeapingClock, chunk: () => Buffer | null) {
    this.#clock = clock;
    this.#chunk = chunk;
  }

  get isClosed(): boolean {
    return this.#over.signal.aborted;
  }

  listen(listener: PortListener): void {
    void this.#talk(listener);
  }

  async #talk(listener: PortListener): Promise<void> {
    for (;;) {
      await this.#clock.sleep(100, this.#over.signal);
      if (this.isClosed) return;
      const chunk = this.#chunk();
      if (chunk === null) {
        listener.lost('the device hung up');
        return;
      }
      if (chunk.length > 0) listener.data(chunk);
    }
  }

  write(): Promise<void> {
    throw new Error('sniffing does not write');
  }

  close(): Promise<void> {
    this.#over.abort();
    return Promise.resolve();
  }
}

interface World {
  /** What comes every 100 ms, at a rate. */
  readonly chunk: (baudRate: number) => Buffer | null;
  readonly signal?: AbortSignal;
  readonly listenMs?: number;
  readonly baudRates?: readonly number[];
}

async function sniff({
  chunk,
  signal = new AbortController().signal,
  listenMs = 5000,
  baudRates = USUAL_BAUD_RATES,
}: World) {
  const clock = new LeapingClock();
  const ports: TalkingPort[] = [];
  const openPort: OpenPortFunction = async (_, { baudRate }) => {
    const port = new TalkingPort(clock, () => chunk(baudRate));
    ports.push(port);
    return port;
  };
  let isOver = false;
  const sniffing = sniffPort('/dev/tty', { listenMs, baudRates }, { openPort, clock, signal }).finally(() => {
    isOver = true;
  });
  await clock.until(() => isOver);
  const sniffed = await sniffing;
  expect(ports.every(({ isClosed }) => isClosed)).toBe(true);
  return { ...sniffed, spentMs: clock.monotonicMs() };
}

describe('sniffing a port', () => {
  test.each(USUAL_BAUD_RATES)('finds the rate of a board that sends at %i', async (rate) => {
    const { guess, baudRate, tried } = await sniff({ chunk: (readAt) => readAtRate(LINE, rate, readAt) });
    expect(guess).toMatchObject({ kind: 'json' });
    expect(baudRate).toBe(rate);
    expect(tried).toEqual(USUAL_BAUD_RATES.slice(0, USUAL_BAUD_RATES.indexOf(rate) + 1));
  });

  test.each(USUAL_BAUD_RATES)(
    'is not misled by short lines that are always the same, at %i',
    async (rate) => {
      for (const line of ['0\r\n', '1\n', '21.5\n', 't:21.5 h:40\r\n', '3.14159\n']) {
        const sent = Buffer.from(line.repeat(20));
        const { guess, baudRate } = await sniff({ chunk: (readAt) => readAtRate(sent, rate, readAt) });
        expect(baudRate, line).toBe(rate);
        expect(guess.kind).toMatch(/^(?:csv|plotter)$/);
      }
    },
  );

  test('listens at the rate that was asked for, and at no other', async () => {
    const { guess, tried } = await sniff({
      chunk: (readAt) => readAtRate(LINE, 9600, readAt),
      baudRates: [4800],
    });
    expect(guess.explainedBytes).toBe(0);
    expect(tried).toEqual([4800]);
  });

  test('of a silent port tries no other rate', async () => {
    const { guess, tried, spentMs } = await sniff({ chunk: () => Buffer.alloc(0) });
    expect(guess.kind).toBe('nothing');
    expect(tried).toEqual([115_200]);
    expect(spentMs).toBe(5000);
  });

  test('that makes no sense at any rate, tells what it first heard', async () => {
    let state = 1;
    const { guess, tried, baudRate, beginning } = await sniff({
      chunk: () =>
        Buffer.from(
          Uint8Array.from({ length: 100 }, () => {
            state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
            return state >>> 16;
          }),
        ),
    });
    expect(guess.kind).toBe('binary');
    expect(baudRate).toBe(115_200);
    expect(tried).toEqual(USUAL_BAUD_RATES);
    expect(beginning).toHaveLength(64);
  });

  test('keeps no more than its sample of a flood, and ends with it', async () => {
    const flood = Buffer.concat(Array.from({ length: 2000 }, () => LINE));
    const { guess, spentMs } = await sniff({ chunk: () => flood });
    expect(guess.bytes).toBe(MAX_SAMPLE_BYTES);
    expect(guess.kind).toBe('json');
    expect(spentMs).toBeLessThan(5000);
  });

  test('that is unplugged or stopped tells what has come by then', async () => {
    let n = 0;
    const unplugged = await sniff({
      chunk: () => {
        n += 1;
        return n > 3 ? null : LINE;
      },
    });
    expect(unplugged.guess).toMatchObject({ kind: 'json', frames: 3 });
    const stopping = new AbortController();
    const stopped = await sniff({
      chunk: () => {
        stopping.abort();
        return LINE;
      },
      signal: stopping.signal,
    });
    expect(stopped.guess).toMatchObject({ kind: 'json', frames: 1 });
  });

  test('passes on why a port cannot be opened', async () => {
    const openPort = async () => {
      throw new GatewayError('optional-missing', 'no serialport');
    };
    const { signal } = new AbortController();
    const deps = { openPort, clock: new LeapingClock(), signal };
    await expect(sniffPort('/dev/tty', { listenMs: 1, baudRates: [9600] }, deps)).rejects.toThrow(
      'no serialport',
    );
  });
});
