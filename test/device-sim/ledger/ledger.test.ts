import { appendFileSync, cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  MQTT_FAULTS,
  PAYLOAD_FAULTS,
  type PlannedReading,
  SERIAL_FAULTS,
} from '../../../device-sim/contracts.ts';
import { createLedger } from '../../../device-sim/ledger/create-ledger.ts';
import { summariseLedger } from '../../../device-sim/ledger/ledger-command.ts';
import { openLedger } from '../../../device-sim/ledger/read-ledger.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { headerOf, plannedReading, START_MS } from './readings.ts';

const FILES = ['measurements.ndjson', 'payloads.bin', 'sent.bin', 'acks.bin'] as const;

const digest = fc.record({ high: fc.nat(0xffff_ffff), low: fc.nat(0xffff_ffff) });
const planned: fc.Arbitrary<PlannedReading> = fc.record({
  device: fc.nat(2),
  n: fc.nat(0xffff_ffff),
  topic: fc.constant('t'),
  payload: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  fault: fc.option(fc.constantFrom(...PAYLOAD_FAULTS)),
  fate: fc.constantFrom('stored', 'rejected', 'either'),
  expected: fc.option(
    fc.record({
      measurement: fc.string({ unit: 'binary', maxLength: 8 }),
      fields: digest,
      time: fc.option(
        fc.record({
          ns: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
          base: fc.constantFrom('start', 'epoch', 'arrival'),
        }),
      ),
    }),
  ),
  recognisable: fc.boolean(),
});
const wayFault = fc.option(fc.constantFrom(...MQTT_FAULTS, ...SERIAL_FAULTS));
const steps = fc.array(
  fc.record({ planned, offsetUs: fc.nat(1e12), wayFault, answer: fc.constantFrom('none', 'ack', 'refuse') }),
  { maxLength: 30 },
);

describe('a ledger', () => {
  it('gives back all that was put into it', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const folder = join(temporaryFolder('ledger'), 'l');
        let nowMs = START_MS;
        const writer = createLedger(folder, headerOf(3), () => nowMs);
        const answers: unknown[] = [];
        for (const [i, step] of all.entries()) {
          nowMs += 3;
          expect(writer.sent(step.planned, step.offsetUs, step.wayFault)).toBe(i);
          if (step.answer === 'ack') writer.acknowledged(i);
          if (step.answer === 'refuse') writer.refused(i);
          if (step.answer !== 'none') {
            const kind = step.answer === 'ack' ? 'acknowledged' : 'refused';
            answers.push({ number: i, kind, offsetMs: nowMs - START_MS });
          }
        }
        await writer.close();
        const ledger = openLedger(folder);
        expect(ledger.count).toBe(all.length);
        const read = [...ledger.readings()];
        for (const [i, { planned: given, offsetUs, wayFault: fault }] of all.entries()) {
          const { expected, ...reading } = read[i] ?? {};
          expect(reading).toMatchObject({
            number: i,
            device: given.device,
            n: given.n,
            offsetUs,
            fate: given.fate,
            payloadFault: given.fault,
            wayFault: fault,
            recognisable: given.recognisable,
          });
          expect(expected ?? null).toEqual(
            given.expected === null ? null : { ...given.expected, measurement: expected?.measurement },
          );
          if (given.expected !== null) {
            expect(ledger.measurements[expected?.measurement ?? -1]).toBe(given.expected.measurement);
          }
        }
        expect([...ledger.answers()]).toEqual(answers);
      }),
      { numRuns: 40 },
    );
  });

  it('is usable wherever its writer was killed: whole readings are there, answers only for them', async () => {
    const whole = join(temporaryFolder('ledger'), 'l');
    const writer = createLedger(whole, headerOf(2), () => START_MS + 5);
    for (let n = 0; n < 40; n += 1) {
      writer.sent(plannedReading(n % 2, n, n), n * 1000, null);
      writer.acknowledged(n);
    }
    await writer.close();
    const sizes = FILES.map((name) => statSync(join(whole, name)).size);
    // Files are appended to in this order, so a kill leaves a beginning of each, and none is ahead of those before it.
    const cuts = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3));
    await fc.assert(
      fc.asyncProperty(cuts, async ([share, torn]) => {
        const folder = join(temporaryFolder('ledger'), 'l');
        cpSync(whole, folder, { recursive: true });
        for (const [i, name] of FILES.entries()) {
          if (i < torn || name === 'measurements.ndjson') continue;
          truncateSync(join(folder, name), Math.floor((sizes[i] ?? 0) * share));
        }
        const ledger = openLedger(folder);
        const readings = [...ledger.readings()];
        expect(readings).toHaveLength(ledger.count);
        expect(readings.map(({ n }) => n)).toEqual(readings.map((_, n) => n));
        for (const { number } of ledger.answers()) expect(number).toBeLessThan(ledger.count);
        expect(summariseLedger(folder).sent).toBe(ledger.count);
      }),
      { numRuns: 50 },
    );
  });

  it('has a reading before its acknowledgement, and both at the end of the turn', async () => {
    const folder = join(temporaryFolder('ledger'), 'l');
    const writer = createLedger(folder, headerOf(1));
    writer.sent(plannedReading(0, 0, 1), 0, null);
    writer.acknowledged(0);
    writer.acknowledged(17);
    await new Promise((resolve) => setImmediate(resolve));
    const ledger = openLedger(folder);
    expect(ledger.count).toBe(1);
    expect([...ledger.answers()]).toHaveLength(1);
    await writer.close();
  });

  it('times answers from the start of the run, also where the clock was set since the process began', async () => {
    const setBackMs = Date.now() - 3_600_000;
    const clock = vi.spyOn(Date, 'now').mockReturnValue(setBackMs);
    onTestFinished(() => clock.mockRestore());
    const folder = join(temporaryFolder('ledger'), 'l');
    const writer = createLedger(folder, headerOf(1, { startMs: setBackMs }));
    writer.sent(plannedReading(0, 0, 1), 0, null);
    writer.acknowledged(0);
    await writer.close();
    const [answer] = openLedger(folder).answers();
    expect(answer?.offsetMs).toBeLessThan(600_000);
  });

  it('says the same of two runs that sent the same, whenever they ran, and another of others', async () => {
    const write = async (startMs: number, value: number): Promise<string> => {
      const folder = join(temporaryFolder('ledger'), 'l');
      const writer = createLedger(folder, headerOf(2, { startMs }));
      for (let n = 0; n < 100; n += 1) {
        const reading = plannedReading(n % 2, n, n + value, { offsetNs: BigInt(n) });
        // The time of day is in the payload.
        writer.sent({ ...reading, payload: Buffer.from(String(startMs + n)) }, n * 1000, null);
        if (n % 7 !== startMs % 7) writer.acknowledged(n);
      }
      await writer.close();
      return folder;
    };
    const [first, second, other] = [
      await write(START_MS, 0),
      await write(START_MS + 999, 0),
      await write(START_MS, 1),
    ];
    const bytes = (folder: string): Buffer => readFileSync(join(folder, 'sent.bin'));
    expect(bytes(second).equals(bytes(first))).toBe(true);
    expect(summariseLedger(second).sha256).toBe(summariseLedger(first).sha256);
    expect(summariseLedger(other).sha256).not.toBe(summariseLedger(first).sha256);
  });

  it('keeps no secret of the address', async () => {
    const folder = join(temporaryFolder('ledger'), 'l');
    await createLedger(folder, headerOf(1)).close();
    expect(readFileSync(join(folder, 'run.json'), 'utf8')).not.toContain('secret');
  });

  it('is not written over', async () => {
    const folder = join(temporaryFolder('ledger'), 'l');
    await createLedger(folder, headerOf(1)).close();
    expect(() => createLedger(folder, headerOf(1))).toThrow('holds a ledger already');
  });

  it('tells damage in the middle from a torn end', async () => {
    const folder = join(temporaryFolder('ledger'), 'l');
    const writer = createLedger(folder, headerOf(1));
    for (let n = 0; n < 3; n += 1) writer.sent(plannedReading(0, n, n), n, null);
    await writer.close();
    appendFileSync(join(folder, 'sent.bin'), 'torn');
    expect(openLedger(folder).count).toBe(3);
    const bytes = readFileSync(join(folder, 'sent.bin'));
    bytes.writeUInt8(bytes.readUInt8(60) ^ 1, 60);
    writeFileSync(join(folder, 'sent.bin'), bytes);
    expect(() => [...openLedger(folder).readings()]).toThrow('reading 1');
  });

  it.each([['sent.bin'], ['payloads.bin']])(
    'is not taken for whole where %s has lost its end',
    async (name) => {
      const folder = join(temporaryFolder('ledger'), 'l');
      const writer = createLedger(folder, headerOf(1));
      for (let n = 0; n < 3; n += 1) {
        writer.sent(plannedReading(0, n, n), n, null);
        writer.acknowledged(n);
      }
      await writer.close();
      truncateSync(join(folder, name), 0);
      expect(() => [...openLedger(folder).answers()]).toThrow('has lost its end');
    },
  );

  it('tells whoever writes on when it cannot be written', async () => {
    const folder = join(temporaryFolder('ledger'), 'l');
    const writer = createLedger(folder, headerOf(1));
    await writer.close();
    expect(() => writer.sent(plannedReading(0, 0, 1), 0, null)).toThrow('closed');
    expect(() => writer.acknowledged(0)).not.toThrow();
  });
});
