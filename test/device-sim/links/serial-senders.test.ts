import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SERIAL_FAULTS, type SerialFault } from '../../../device-sim/contracts.ts';
import { AnswerLines, isNotTaken, seqIn } from '../../../device-sim/links/serial-answers.ts';
import {
  isStructured,
  lineProblem,
  noiseLine,
  withBytesDropped,
} from '../../../device-sim/links/serial-lines.ts';
import {
  type SerialSender,
  SerialWithAck,
  SerialWithoutAck,
} from '../../../device-sim/links/serial-senders.ts';
import { seededRandom } from '../../../device-sim/random.ts';

/** What the gateway makes of lines: JSON is stored, the rest rejected, each answered (docs/serial.md). */
class GatewayModel {
  readonly stored: string[] = [];
  rejected = 0;
  readonly answers: string[] = [];
  #rest = '';
  #frames = 0;

  take(bytes: Buffer): void {
    const lines = (this.#rest + bytes.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') continue;
      this.#frames += 1;
      try {
        const reading: { seq?: number } = JSON.parse(line);
        this.stored.push(line);
        this.answers.push(`ACK ${reading.seq ?? `#${this.#frames}`}\n`);
      } catch {
        this.rejected += 1;
        this.answers.push(`NAK #${this.#frames} undecodable\n`);
      }
    }
  }

  /** Half a line is no frame of the next connection, and nothing is said about the old ones. */
  reopen(): void {
    this.#rest = '';
    this.#frames = 0;
    this.answers.length = 0;
  }
}

const noted = (acknowledged: number[], refused: number[]) => ({
  onReady: () => undefined,
  onAcknowledged: (token: number) => void acknowledged.push(token),
  onRefused: (token: number) => void refused.push(token),
  onLost: () => undefined,
  onReceipt: () => undefined,
});

const fault = fc.option(fc.constantFrom<SerialFault>(...SERIAL_FAULTS), { freq: 2 });

describe('a serial sender with acknowledgements', () => {
  it('gets every line stored and acknowledged once, whatever is spoilt, late or lost on the way', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ fault, hasSeq: fc.boolean() }), { minLength: 1, maxLength: 25 }),
        fc.nat(),
        (lines, seed) => {
          const random = seededRandom(seed);
          const acknowledged: number[] = [];
          const refused: number[] = [];
          const sender: SerialSender = new SerialWithAck(noted(acknowledged, refused), random);
          const gateway = new GatewayModel();
          const reader = new AnswerLines();
          let nowMs = 0;
          lines.forEach((line, token) => {
            const payload = Buffer.from(line.hasSeq ? `{"seq":${token}}` : `{"value":${token}}`);
            sender.take({ token, topic: '', payload, fault: line.fault }, nowMs);
            for (let turns = 0; sender.size > 0 && turns < 10_000; turns += 1) {
              if (sender.turn({ write: (bytes) => gateway.take(bytes) }, nowMs) || random.next() < 0.01) {
                gateway.reopen();
                sender.lost();
                sender.opened(nowMs);
              }
              nowMs += 100;
              const answer = random.next() < 0.7 ? gateway.answers.shift() : undefined;
              if (answer === undefined) continue;
              for (const each of reader.push(Buffer.from(answer))) {
                sender.answered(each, isNotTaken(each), nowMs);
                // Acknowledged means stored, at that very moment.
                for (const done of acknowledged) {
                  const text = lines[done]?.hasSeq ? `{"seq":${done}}` : `{"value":${done}}`;
                  expect(gateway.stored).toContain(text);
                }
              }
            }
            expect(acknowledged).toHaveLength(token + 1);
          });
          expect(acknowledged).toEqual(lines.map((_, token) => token));
          expect(refused).toEqual([]);
          expect(new Set(gateway.stored).size).toBe(lines.length);
        },
      ),
    );
  });

  it('sends again what was not taken, and is content with a rejection that is on disk', () => {
    const acknowledged: number[] = [];
    const sender = new SerialWithAck(noted(acknowledged, []), seededRandom(1));
    const written: string[] = [];
    const output = { write: (bytes: Buffer) => void written.push(bytes.toString()) };
    sender.take({ token: 5, topic: '', payload: Buffer.from('{"seq":7}'), fault: null }, 0);
    sender.turn(output, 0);
    sender.answered({ n: '7', code: 'store-full' }, true, 10);
    sender.turn(output, 500);
    sender.turn(output, 1000);
    expect([written, acknowledged]).toEqual([['\n{"seq":7}\n', '\n{"seq":7}\n'], []]);
    sender.answered({ n: '8', code: null }, false, 1010);
    expect(acknowledged).toEqual([]);
    sender.answered({ n: '7', code: 'invalid' }, false, 1020);
    expect([acknowledged, sender.size, sender.resent]).toEqual([[5], 0, 1]);
  });

  it('gives a line up that nobody answers, after a minute and eight copies', () => {
    const refused: number[] = [];
    const sender = new SerialWithAck(noted([], refused), seededRandom(1));
    let written = 0;
    sender.take({ token: 5, topic: '', payload: Buffer.from('{"seq":7}'), fault: null }, 0);
    let nowMs = 0;
    const output = {
      write: () => {
        written += 1;
      },
    };
    for (; sender.size > 0; nowMs += 100) sender.turn(output, nowMs);
    expect(refused).toEqual([5]);
    expect(written).toBeGreaterThanOrEqual(8);
    expect(nowMs).toBeGreaterThan(60_000);
  });
});

describe('a serial sender without acknowledgements', () => {
  it('spoils no line but those that it tells of, and sends each once', () => {
    fc.assert(
      fc.property(fc.array(fault, { minLength: 1, maxLength: 40 }), fc.nat(), (faults, seed) => {
        const acknowledged: number[] = [];
        const refused: number[] = [];
        const sender: SerialSender = new SerialWithoutAck(noted(acknowledged, refused), seededRandom(seed));
        const gateway = new GatewayModel();
        const random = seededRandom(seed + 1);
        let nowMs = 0;
        const turn = (): void => {
          while (sender.turn({ write: (bytes) => gateway.take(bytes) }, nowMs)) {
            sender.left();
            gateway.reopen();
            sender.lost();
            sender.opened(nowMs);
          }
          nowMs += random.below(700);
          if (random.next() < 0.5) sender.left();
        };
        faults.forEach((each, token) => {
          sender.take({ token, topic: '', payload: Buffer.from(`{"seq":${token}}`), fault: each }, nowMs);
          turn();
        });
        while (sender.size > 0) {
          nowMs += 1000;
          turn();
        }
        const all = faults.map((_, token) => token);
        expect([...acknowledged, ...refused].sort((a, b) => a - b)).toEqual(all);
        const stored = gateway.stored.map((line) => Number(seqIn(Buffer.from(line))));
        expect(stored.sort((a, b) => a - b)).toEqual([...acknowledged].sort((a, b) => a - b));
      }),
    );
  });
});

describe('lines', () => {
  it('that lost bytes or were glued are JSON no more, and noise never is', () => {
    const json = fc
      .oneof(fc.object(), fc.array(fc.jsonValue()))
      .map((value) => Buffer.from(JSON.stringify(value)));
    fc.assert(
      fc.property(json, json, fc.nat(), (a, b, seed) => {
        const random = seededRandom(seed);
        expect(isStructured(a)).toBe(true);
        const spoilt = [withBytesDropped(a, random), Buffer.concat([a, b]), noiseLine(random)];
        for (const bytes of spoilt) expect(() => JSON.parse(bytes.toString())).toThrow();
        expect(spoilt[0]?.length).toBeLessThan(a.length);
        const noise = noiseLine(random);
        expect(noise.indexOf('\n')).toBe(noise.length - 1);
      }),
    );
  });

  it.each([
    ['a line feed', '21.5\n22', 'a line feed'],
    ['nothing', '', 'empty'],
    ['nothing but carriage returns', '\r\r', 'empty'],
    ['more than the gateway takes', 'x'.repeat(8193), '8192 bytes'],
  ])('cannot carry %s', (_, payload, words) => {
    expect(lineProblem(Buffer.from(payload))).toContain(words);
  });

  it.each([
    ['ACK 17\n', '17', null],
    ['ACK #5\r\n', '#5', null],
    ['NAK -3 store-full\n', '-3', 'store-full'],
  ])('of the gateway are understood: %j', (text, n, code) => {
    expect(new AnswerLines().push(Buffer.from(text))).toEqual([{ n, code }]);
  });

  it('of the gateway may come in pieces, and be nonsense', () => {
    const lines = new AnswerLines();
    expect(lines.push(Buffer.from('ACK 1\nboot\nACK x\nNAK 2\nAC'))).toEqual([{ n: '1', code: null }]);
    expect(lines.push(Buffer.from('K 3\n'))).toEqual([{ n: '3', code: null }]);
  });
});
