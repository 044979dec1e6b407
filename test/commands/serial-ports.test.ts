import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { portUsers } from '../../gateway/commands/port-users.ts';
import { reportPorts } from '../../gateway/commands/serial-ports.ts';
import { portsText } from '../../gateway/commands/serial-text.ts';
import type { SerialPortConfig } from '../../gateway/config/gateway-config.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import type { GatewayStatus, SerialPortStatus } from '../../gateway/operations-contract.ts';
import { FakeSystem } from '../sources/serial/support/fake-system.ts';

const CH340 = { vendorId: '1a86', productId: '7523', product: 'USB Serial' };

function machine(): FakeSystem {
  const fake = new FakeSystem();
  fake.usb('ttyUSB0', {
    ...CH340,
    socket: '1-1',
    serialNumber: 'A1\u001b[2J',
    byId: 'usb-one',
    byPath: 'pci-1',
  });
  fake.usb('ttyUSB1', { ...CH340, socket: '1-2', byPath: 'pci-2' });
  return fake;
}

function configured(text: string): readonly SerialPortConfig[] {
  return parseConfig(`serial:\n${text}`, { file: 'gateway.yaml', cwd: '/', environment: {} }).serial;
}

function entryFor(name: string, path: string): string {
  return `  - { name: ${name}, path: "${path}", topic: "a/{device}" }\n`;
}

/** A program that has a file open. */
function opens(fake: FakeSystem, pid: number, descriptor: number, target: string, tty?: number): void {
  const folder = join(fake.roots.proc, String(pid));
  for (const part of ['fd', 'fdinfo']) mkdirSync(join(folder, part), { recursive: true });
  symlinkSync(target, join(folder, 'fd', String(descriptor)));
  writeFileSync(join(folder, 'comm'), 'picocom\n');
  writeFileSync(
    join(folder, 'fdinfo', String(descriptor)),
    tty === undefined ? 'pos:\t0\n' : `pos:\t0\ntty-index:\t${tty}\n`,
  );
}

function running(pid: number, port: Partial<SerialPortStatus>): GatewayStatus {
  const ports = [{ port: 'shed', device: 'shed', path: null, state: 'open', reason: null, ...port }];
  // What is looked at of it.
  return {
    pid,
    sources: [
      { name: 'mqtt', connections: 0 },
      { name: 'serial', connections: 1, ports },
    ],
  } as unknown as GatewayStatus;
}

describe('the ports of a machine', () => {
  test('tell what is behind them, which entry means them, and which entry has none', async () => {
    const fake = machine();
    const serial = configured(
      entryFor('shed', join(fake.roots.dev, 'serial/by-id/usb-one')) + entryFor('attic', '/dev/none'),
    );
    const report = await reportPorts(serial, null, fake.roots);
    expect(report.missing).toEqual(['attic']);
    expect(report.ports.map(({ path, entries, trouble }) => [basename(path), entries, trouble])).toEqual([
      ['ttyUSB0', ['shed'], null],
      ['ttyUSB1', [], null],
    ]);
    const text = portsText(report);
    expect(text).toContain('1a86:7523  serial number A1\\x1b[2J  USB Serial\n');
    expect(text).toMatch(
      / {2}by-id {4}\S*usb-one\n {2}by-path {2}\S*pci-1\n {2}entry {4}shed\n {2}state {4}free\n\n/,
    );
    expect(text).toContain('attic of the configuration: its port is not there\n');
    expect(portsText({ ports: [], missing: [] })).toBe('no serial ports here\n');
  });

  test('tell who has them open: this gateway, or another program', async () => {
    const fake = machine();
    const [one, two] = ['ttyUSB0', 'ttyUSB1'].map((name) => join(fake.roots.dev, name));
    opens(fake, 41, 3, one ?? '');
    opens(fake, 42, 3, two ?? '');
    const { ports } = await reportPorts([], running(41, { path: one ?? '' }), fake.roots);
    expect(ports.map(({ gateway, heldBy, trouble }) => ({ gateway, heldBy, trouble }))).toEqual([
      { gateway: 'shed', heldBy: [], trouble: null },
      { gateway: null, heldBy: [{ pid: 42, command: 'picocom' }], trouble: 'in use by picocom (process 42)' },
    ]);
    expect(portsText({ ports, missing: [] })).toContain('open by this gateway, as shed');
    const lost = await reportPorts([], running(41, { path: one ?? '', state: 'retrying' }), fake.roots);
    expect(lost.ports[0]).toMatchObject({ gateway: null, trouble: 'in use by picocom (process 41)' });
  });

  test('tell of two that one entry means', async () => {
    const fake = machine();
    const serial = configured(entryFor('shed', join(fake.roots.dev, 'ttyUSB*')));
    const { ports } = await reportPorts(serial, null, fake.roots);
    for (const { trouble } of ports)
      expect(trouble).toBe('2 ports match shed: name one, or write each: true');
  });

  test('include one that is configured and is no device the system tells of', async () => {
    const fake = machine();
    const path = join(fake.roots.dev, 'ptmx-made');
    writeFileSync(path, '');
    const { ports } = await reportPorts(configured(entryFor('virtual', path)), null, fake.roots);
    expect(ports.at(-1)).toMatchObject({ path, entries: ['virtual'], vendorId: null, trouble: null });
  });

  test('of a pseudo terminal do not count the program that made it', async () => {
    const fake = machine();
    mkdirSync(join(fake.roots.dev, 'pts'));
    const path = join(fake.roots.dev, 'pts/7');
    writeFileSync(path, '');
    opens(fake, 50, 3, path);
    opens(fake, 50, 4, '/dev/ptmx', 7);
    opens(fake, 51, 3, path);
    opens(fake, 51, 4, '/dev/ptmx', 8);
    expect((await portUsers(path, fake.roots)).map(({ pid }) => pid)).toEqual([51]);
  });
});
