/** Real firmware on an emulated board, over a cable, through the whole gateway into a database. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { loadConfig } from '../../gateway/config/load-config.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import type { GatewayStatus, SerialPortStatus } from '../../gateway/operations-contract.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { createFramer } from '../../gateway/sources/framing/create-framer.ts';
import { serialEntries } from '../../gateway/wiring/serial-entries.ts';
import { AvrBoard, BoardOnCable } from '../support/avr-board.ts';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { type PtyPair, startPtyPair } from '../support/pty-pair.ts';
import { type InfluxServer, startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';

const FOLDER = join(PACKAGE_ROOT, 'examples/arduino');
const VOLTS = [0.72, 2.05];
const LF = 0x0a;
const FIRST_OF_HEADER = 0xa5;
/** Of a line that floats while somebody touches the cable. */
const GLITCH = Buffer.from('00ff80fe7f00c3', 'hex');
/** Longer than any frame. */
const STORM = Buffer.alloc(20_000, 0xfe);
const KILL_ROUNDS = Number(process.env.E2E_KILL_ROUNDS ?? 3);

interface Row {
  readonly boot: number;
  readonly seq: number;
  readonly temperature: number;
  readonly humidity: number;
}

interface Bench {
  readonly gateway: GatewayProcess;
  readonly influx: InfluxServer;
  readonly cable: PtyPair;
  readonly board: AvrBoard;
  stored(): Promise<readonly Row[]>;
  stop(): Promise<void>;
}

/** The entry of the example's configuration for a port, on this cable. */
async function startBench(device: string, sketch: string, speed: number): Promise<Bench> {
  const { serial } = loadConfig({ file: 'gateway.yaml', cwd: FOLDER, environment: {} });
  const entry = serial.find(({ name }) => name === device);
  if (entry === undefined) throw new Error(`no port ${device}`);
  const cable = await startPtyPair();
  const influx = await startInfluxd();
  await influx.createDatabase('t');
  const { name, topic, framing, format, ack } = entry;
  const gateway = await startGateway({
    config: {
      schemas: join(FOLDER, 'schemas'),
      sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      serial: [{ name, path: cable.path, topic, framing, ack, ...(format === null ? {} : { format }) }],
    },
  });
  const board = new AvrBoard(join(FOLDER, sketch, `${sketch}.hex`), { volts: VOLTS, speed });
  return {
    gateway,
    influx,
    cable,
    board,
    async stored() {
      await untilDrained(gateway);
      const rows = await influx.query(
        `SELECT boot, seq, temperature, humidity FROM board_air WHERE device = '${device}'`,
        't',
      );
      return rows.map(({ boot, seq, temperature, humidity }) => ({
        boot: Number(boot),
        seq: Number(seq),
        temperature: Number(temperature),
        humidity: Number(humidity),
      }));
    },
    async stop() {
      board.stop();
      expect(await gateway.stop()).toBe(0);
      await influx.stop();
      await cable.unplug();
    },
  };
}

async function portOf(gateway: GatewayProcess): Promise<SerialPortStatus> {
  // The shape is the program's own; a wrong one fails the test that reads it.
  const { sources } = (await gateway.get('/api/status')) as GatewayStatus;
  const port = sources.find(({ name }) => name === 'serial')?.ports?.[0];
  if (port === undefined) throw new Error('the gateway has no port');
  return port;
}

async function untilOpen(gateway: GatewayProcess): Promise<void> {
  await until('the port is open', async () => (await portOf(gateway)).state === 'open');
}

function keyOf({ boot, seq }: { readonly boot: number; readonly seq: number }): string {
  return `${boot}/${seq}`;
}

function byKey(a: Row, b: Row): number {
  return a.boot - b.boot || a.seq - b.seq;
}

describeWith(['socat', 'influxd'], 'a board on a cable', () => {
  test('that is reset, and disturbed in the middle of lines, has each whole line stored and nothing glued', async () => {
    const { gateway, cable, board, stored, stop } = await startBench('window', 'json-line', 8);
    await untilOpen(gateway);
    const link = new BoardOnCable(board, cable, (_, before) => before === LF);
    const whole: Row[] = [];
    link.onSent = (bytes) => {
      const text = bytes.toString('latin1');
      if (text.trim() !== '') whole.push(JSON.parse(text));
    };
    board.start();
    const disturbances = [
      { after: 9, noise: GLITCH, reset: false },
      { after: 25, noise: Buffer.alloc(0), reset: true },
      { after: 40, noise: GLITCH, reset: true },
      { after: 14, noise: STORM, reset: false },
    ];
    for (const disturbance of disturbances) {
      const before = whole.length;
      await until('lines were sent', () => whole.length >= before + 2);
      link.disturb(disturbance);
      await until('the disturbance is over', () => link.isCalm);
    }
    const before = whole.length;
    await until('lines were sent', () => whole.length >= before + 2);
    board.stop();
    link.onSent(link.rest().at(-1) === LF ? link.rest() : Buffer.alloc(0));
    // A line that was being sent when the board stopped.
    const cut = link.rest().length > 0 && link.rest().at(-1) !== LF ? 1 : 0;
    cable.device().write('\n');
    await until('all has come', async () => {
      const { frames } = await portOf(gateway);
      return frames >= whole.length + 3 + cut && cable.device().waitingBytes === 0;
    });
    const rows = await stored();
    expect([...rows].sort(byKey)).toEqual([...whole].sort(byKey));
    expect(new Set(rows.map(({ boot }) => boot))).toEqual(new Set([0, 1, 2]));
    // Each was one line that is none; the storm was no line at all.
    const { sources, codes } = await accountOf(gateway);
    expect(sources.serial).toMatchObject({ stored: rows.length, duplicate: 0, refused: 0 });
    expect(codes.undecodable).toBe(3 + cut);
    expect(sources.serial).toMatchObject({ rejected: codes.undecodable });
    const { discarded } = await portOf(gateway);
    expect(discarded['too-long']).toBeGreaterThanOrEqual(STORM.length);
    await stop();
  });

  test(`that sends until it is acknowledged loses nothing and doubles nothing when the gateway is killed ${KILL_ROUNDS} times`, {
    timeout: 120_000,
  }, async () => {
    const { gateway, cable, board, stored, stop } = await startBench('cellar', 'binary-crc', 3);
    await untilOpen(gateway);
    const [entry] = serialEntries(
      loadConfig({ file: 'gateway.yaml', cwd: FOLDER, environment: {} }).serial.filter(
        ({ name }) => name === 'cellar',
      ),
    );
    if (entry === undefined) throw new Error('no port cellar');
    const format = createFormats().get(entry.format ?? '');
    const sent = new Map<string, number>();
    /** Of each seq, the start that last sent it: an answer is for that one. */
    const bootOf = new Map<number, number>();
    const framer = createFramer(entry.framing, {
      frame: (frame) => {
        const reading = format?.decode(frame) as Row;
        sent.set(keyOf(reading), (sent.get(keyOf(reading)) ?? 0) + 1);
        bootOf.set(reading.seq, reading.boot);
      },
      discarded: () => undefined,
    });
    const link = new BoardOnCable(board, cable, (byte) => byte === FIRST_OF_HEADER);
    link.onByte = (byte) => framer.push(Buffer.of(byte));
    const acknowledged = new Set<string>();
    link.onAnswer = (line) => {
      const seq = Number(/^ACK (\d+)$/.exec(line)?.[1] ?? Number.NaN);
      const boot = bootOf.get(seq);
      if (boot === undefined) return true;
      const key = keyOf({ boot, seq });
      // Some answers are lost, so that what is stored comes again.
      const isLost = seq % 4 === 0 && !acknowledged.has(key);
      acknowledged.add(key);
      return !isLost;
    };
    board.start();
    for (let round = 0; round < KILL_ROUNDS; round += 1) {
      const before = acknowledged.size;
      await until('readings are acknowledged', () => acknowledged.size >= before + 8, { timeoutMs: 30_000 });
      link.disturb({ after: 6, noise: randomBytes(40), reset: round === 1 });
      await until('the disturbance is over', () => link.isCalm);
      await sleep(Math.random() * 200);
      await gateway.kill('SIGKILL');
      await gateway.restart();
    }
    const before = acknowledged.size;
    await until('readings are acknowledged again', () => acknowledged.size >= before + 8, {
      timeoutMs: 30_000,
    });
    board.stop();
    const { frames } = await portOf(gateway);
    expect(frames).toBeGreaterThan(0);
    const rows = await stored();
    const keys = rows.map(keyOf);
    expect(new Set(keys).size, 'nothing twice').toBe(keys.length);
    const missing = [...acknowledged].filter((key) => !keys.includes(key));
    expect(missing, 'acknowledged and missing').toEqual([]);
    expect(rows.every(({ temperature, humidity }) => temperature === 21.78 && humidity === 40.19)).toBe(true);
    expect(
      [...sent.values()].some((times) => times > 1),
      'something was sent again',
    ).toBe(true);
    const { total } = await accountOf(gateway);
    expect(total).toMatchObject({ rejected: 0, refused: 0, stored: rows.length });
    expect(total.duplicate, 'what was stored came again').toBeGreaterThan(0);
    await stop();
  });
});
