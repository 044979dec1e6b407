import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../gateway/config/load-config.ts';
import type { Format } from '../../gateway/contracts.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { loadReadings } from '../../gateway/readings/load-schemas.ts';
import { createFramer } from '../../gateway/sources/framing/create-framer.ts';
import type { SerialEntry } from '../../gateway/sources/serial/serial-entry.ts';
import { serialEntries } from '../../gateway/wiring/serial-entries.ts';
import { AvrBoard } from '../support/avr-board.ts';
import { run } from '../support/processes.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const FOLDER = join(PACKAGE_ROOT, 'examples/arduino');
/** 21.78 °C and 40.19 %, as far as ten bits tell. */
const VOLTS = [0.72, 2.05];
const MEASURED = { temperature: 21.78, humidity: 40.19 };

const config = loadConfig({ file: 'gateway.yaml', cwd: FOLDER, environment: {} });
const entries = serialEntries(config.serial);
const formats = createFormats();

function entryOf(name: string): SerialEntry {
  const entry = entries.find((each) => each.name === name);
  if (entry === undefined) throw new Error(`no entry ${name}`);
  return entry;
}

function formatOf({ format }: SerialEntry): Format {
  const found = formats.get(format ?? 'json');
  if (found === null) throw new Error(`no format ${format}`);
  return found;
}

/** A board whose bytes are read as the gateway would by this entry. */
function boardFor(
  name: string,
  hexFile: string,
): { board: AvrBoard; readings: unknown[]; discarded: () => number } {
  const entry = entryOf(name);
  const format = formatOf(entry);
  const readings: unknown[] = [];
  let discarded = 0;
  const framer = createFramer(entry.framing, {
    frame: (frame) => readings.push(format.decode(frame)),
    discarded: ({ bytes }) => {
      discarded += bytes;
    },
  });
  const board = new AvrBoard(hexFile, { volts: VOLTS });
  board.onByte = (byte) => framer.push(Buffer.of(byte));
  return { board, readings, discarded: () => discarded };
}

function hexOf(sketch: string): string {
  return join(FOLDER, sketch, `${sketch}.hex`);
}

describe('the example for boards', () => {
  test('is configuration and a schema that work, and the schema takes what each port brings', () => {
    const { readings, problems } = loadReadings(config.schemasDir);
    expect(problems).toEqual([]);
    expect(entries.map(({ name }) => name)).toEqual(['window', 'cellar']);
    for (const { topic, device } of entries)
      expect(readings.route(topic.replaceAll('{device}', device)), topic).not.toBeNull();
  });

  test('json-line prints a reading a second, and counts its starts and its readings', () => {
    const { board, readings, discarded } = boardFor('window', hexOf('json-line'));
    board.run(2.5);
    board.reset();
    board.run(1.5);
    expect(readings).toEqual([
      { boot: 0, seq: 0, ...MEASURED },
      { boot: 0, seq: 1, ...MEASURED },
      { boot: 0, seq: 2, ...MEASURED },
      { boot: 1, seq: 0, ...MEASURED },
      { boot: 1, seq: 1, ...MEASURED },
    ]);
    expect(discarded()).toBe(0);
  });

  test('json-line ends a line that a reset cut off', () => {
    const { board, readings } = boardFor('window', hexOf('json-line'));
    let sent = 0;
    const { onByte } = board;
    board.onByte = (byte) => {
      onByte(byte);
      sent += 1;
      if (sent === 30) board.reset();
    };
    expect(() => board.run(0.5)).toThrow(/not JSON/);
    board.run(1.5);
    expect(readings).toEqual([
      { boot: 1, seq: 0, ...MEASURED },
      { boot: 1, seq: 1, ...MEASURED },
    ]);
  });

  test('binary-crc sends what is not acknowledged again, and forgets what is', () => {
    const { board, readings, discarded } = boardFor('cellar', hexOf('binary-crc'));
    const seqs = (): unknown[] => {
      const all = readings.splice(0);
      for (const each of all) expect(each).toMatchObject({ boot: 0, ...MEASURED });
      return all.map((each) => (each as { seq: number }).seq);
    };
    // Quiet at first, so that answers to the start before are over.
    board.receive('ACK 0\n');
    board.run(1.9);
    expect(seqs()).toEqual([]);
    board.run(0.5);
    expect(seqs()).toEqual([0, 1]);
    board.run(1);
    const unanswered = seqs();
    expect(unanswered.filter((seq) => seq === 0)).toHaveLength(1);
    board.receive('ACK 0\nNAK 1 invalid\nNAK 2 store-full\nACK 99\nACK\nNAK #5 undecodable\n\nACK 3');
    board.run(1.2);
    const answered = seqs();
    for (const seq of [0, 1, 2]) expect(answered).not.toContain(seq);
    expect(answered).toContain(3);
    board.receive(`\n${'x'.repeat(100)}\n`);
    board.run(5);
    const later = seqs();
    expect(later).not.toContain(3);
    expect(later).toContain(2);
    expect(discarded()).toBe(0);
  });
});

describeWith(['avr-gcc'], 'the sketches', () => {
  test('compile, to what is beside them', async () => {
    const folder = temporaryFolder('sketches');
    const { code, stderr } = await run(join(FOLDER, 'build.sh'), [folder]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const { stdout: version } = await run('avr-gcc', ['-dumpversion']);
    for (const sketch of ['json-line', 'binary-crc']) {
      const built = join(folder, `${sketch}.hex`);
      // Another compiler makes other code of it, which must run as well.
      if (version.trim() === '5.4.0')
        expect(readFileSync(built, 'utf8'), sketch).toBe(readFileSync(hexOf(sketch), 'utf8'));
      const { board, readings } = boardFor(sketch === 'json-line' ? 'window' : 'cellar', built);
      board.run(2.1);
      expect(readings[0]).toEqual({ boot: 0, seq: 0, ...MEASURED });
    }
  });
});
