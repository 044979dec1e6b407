/** `serial` and `serial sniff` as a shell runs them, on pseudo terminals. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PortsReport } from '../../gateway/commands/serial-ports.ts';
import type { SniffReport } from '../../gateway/commands/sniff-text.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import { serialProblems } from '../../gateway/wiring/serial-entries.ts';
import { GATEWAY_MAIN, startGateway } from '../support/gateway-process.ts';
import { start, until } from '../support/processes.ts';
import { startPtyPair } from '../support/pty-pair.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Sniffing {
  readonly report: SniffReport;
  readonly text: string;
  readonly code: number | string;
}

/** Listens at a cable into which `send(n)` goes all the time. */
async function sniff(send: (n: number) => string | Buffer, ...args: readonly string[]): Promise<Sniffing> {
  const cwd = temporaryFolder('sniff');
  const cable = await startPtyPair('tty', false);
  const child = start(
    process.execPath,
    [GATEWAY_MAIN, 'serial', 'sniff', cable.path, '--seconds', '2', ...args],
    { cwd },
  );
  let n = 0;
  const timer = setInterval(() => {
    cable.device().write(send(n));
    n += 1;
  }, 20);
  const code = await child.exited;
  clearInterval(timer);
  await cable.unplug();
  expect(child.stderr()).toBe('');
  const text = child.stdout();
  return { report: args.includes('--json') ? JSON.parse(text) : null, text, code };
}

function checked(sentence: string): string {
  let sum = 0;
  for (const byte of Buffer.from(sentence)) sum ^= byte;
  return `$${sentence}*${sum.toString(16).toUpperCase().padStart(2, '0')}\r\n`;
}

function pms5003(n: number): Buffer {
  const frame = Buffer.alloc(32);
  frame.writeUInt32BE(0x424d001c);
  frame.writeUInt16BE(n, 12);
  frame.writeUInt16BE(
    frame.subarray(0, 30).reduce((sum, byte) => sum + byte, 0),
    30,
  );
  return frame;
}

const DEVICES: readonly {
  readonly kind: string;
  readonly send: (n: number) => string | Buffer;
  readonly framing: string;
  readonly format: unknown;
  readonly schema: string | null;
}[] = [
  {
    kind: 'json',
    send: (n) => `{"temperature":${20 + n / 10},"humidity":40}\r\n`,
    ...{ framing: 'line', format: 'json', schema: 'environment.v1' },
  },
  {
    kind: 'csv-header',
    send: (n) => `${n % 20 === 0 ? 'temperature;humidity\n' : ''}${20 + n / 10};40\n`,
    ...{ framing: 'line', format: 'csv', schema: 'environment.v1' },
  },
  {
    kind: 'plotter',
    send: (n) => `left:${n}\tright:${n * 2}\r\n`,
    ...{ framing: 'line', format: 'plotter', schema: null },
  },
  {
    kind: 'nmea',
    send: (n) => checked(`GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,${n},M,46.9,M,,`),
    ...{ framing: 'nmea', format: 'nmea', schema: 'gps-position.v1' },
  },
  { kind: 'pms5003', send: pms5003, framing: 'pms5003', format: 'pms5003', schema: 'air-quality.v1' },
  {
    kind: 'slip',
    send: (n) => Buffer.from([0xc0, 1, n & 0x3f, 0xdb, 0xdc, 4, 5, 0xc0]),
    framing: 'slip',
    format: { binary: expect.anything() },
    schema: null,
  },
];

describeWith(['socat'], 'serial sniff', () => {
  test.each(DEVICES)('tells $kind, and prints configuration that works as it stands', async (device) => {
    const { report, code } = await sniff(device.send, '--json');
    expect(report).toMatchObject({ kind: device.kind, schema: device.schema, baudRateMatters: false });
    expect(code).toBe(0);
    const { serial } = parseConfig(report.config ?? '', { file: 'gateway.yaml', cwd: '/', environment: {} });
    expect(serial).toHaveLength(1);
    expect(serial[0]).toMatchObject({ framing: { kind: device.framing }, format: device.format });
    expect(serialProblems(serial)).toEqual([]);
  });

  test('tells people what they need, and nothing that does not print', async () => {
    const { text } = await sniff((n) => `t=${n} note=\u001b[2J\u202eabc\n`);
    expect(text).toContain('a pseudo terminal has no baud rate: 115200 is assumed');
    expect(text).toContain('lines of key=value');
    expect(text).toContain('format: key-value');
    expect(text).toContain('"$id": "my-board.v1"');
    expect(text).toContain('\\x1b[2J');
    expect(text).not.toMatch(/[^\n\x20-\x7e]/);
  });

  test('ends with 1 where nothing makes sense, and says so', async () => {
    let state = 1;
    const noise = (): Buffer =>
      Buffer.from(
        Uint8Array.from({ length: 64 }, () => {
          state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
          return state >>> 16;
        }),
      );
    const { text, code } = await sniff(noise);
    expect(code).toBe(1);
    expect(text).toContain('bytes that make no sense');
  });

  test('refuses a port that the gateway or another program has open; `serial` says who', async () => {
    const cable = await startPtyPair();
    const gateway = await startGateway({
      config: { serial: [{ name: 'shed', path: cable.path, topic: 'sensors/{device}/environment' }] },
    });
    const other = await startPtyPair('other');
    await until('the port is open', async () => {
      const { stdout } = await gateway.command('serial', '--json');
      const { ports }: PortsReport = JSON.parse(stdout);
      return ports.find(({ entries }) => entries.includes('shed'))?.gateway === 'shed';
    });
    const held = await gateway.command('serial', 'sniff', cable.path);
    expect(held).toMatchObject({ code: 1, stdout: '' });
    expect(held.stderr).toContain('the running gateway has it open, as shed');

    const taken = await gateway.command('serial', 'sniff', other.path);
    expect(taken).toMatchObject({ code: 1, stdout: '' });
    expect(taken.stderr).toContain(`in use by`);
    expect(taken.stderr).toContain(`(process ${process.pid})`);

    const gone = await gateway.command('serial', 'sniff', join(gateway.dir, 'nope'));
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining('is not there') });
    const file = join(gateway.dir, 'file');
    writeFileSync(file, '');
    const noPort = await gateway.command('serial', 'sniff', file);
    expect(noPort).toMatchObject({ code: 1, stderr: expect.stringContaining('it is no serial port') });

    const { stdout } = await gateway.command('serial');
    expect(stdout).toMatch(/entry +shed\n +state +open by this gateway, as shed\n/);
    expect(await gateway.stop()).toBe(0);
    await cable.unplug();
    await other.unplug();
  });
});
