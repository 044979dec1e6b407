import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findPorts, suffixOf } from '../../../gateway/sources/serial/find-ports.ts';
import { describePort, listPorts } from '../../../gateway/sources/serial/port-identity.ts';
import { startSerial } from './support/fake-serial.ts';
import { FakeSystem } from './support/fake-system.ts';

const CH340 = { vendorId: '1a86', productId: '7523', product: 'USB Serial' };
const FTDI = { vendorId: '0403', productId: '6001', product: 'FT232R', serialNumber: 'A9XYZ' };

function system(): FakeSystem {
  const fake = new FakeSystem();
  fake.console('tty0');
  fake.console('ptmx');
  fake.uart('ttyS0', 4);
  fake.uart('ttyS1', 0);
  fake.uart('ttyAMA0', 32);
  fake.usb('ttyUSB0', { ...FTDI, socket: '1-1', byId: 'usb-FTDI_A9XYZ-if00-port0', byPath: 'pci-usb-0:1' });
  fake.usb('ttyUSB2', {
    ...CH340,
    socket: '1-2.1',
    byId: 'usb-1a86_USB_Serial-if00-port0',
    byPath: 'pci-usb-0:2.1',
  });
  fake.usb('ttyUSB10', { ...CH340, socket: '1-2.2', byPath: 'pci-usb-0:2.2' });
  return fake;
}

function found(fake: FakeSystem, wanted: Parameters<typeof findPorts>[0]): string[] {
  return findPorts(wanted, fake.roots).map(({ path }) => basename(path));
}

function match(parts: { vendorId?: string; productId?: string; serialNumber?: string }) {
  return { path: null, match: { vendorId: null, productId: null, serialNumber: null, ...parts } };
}

describe('the ports of a machine, without udevadm', () => {
  test('are those with a device behind them, with what it says of itself', () => {
    const fake = system();
    const ports = listPorts(fake.roots);
    expect(ports.map(({ path }) => basename(path))).toEqual([
      'ttyAMA0',
      'ttyS0',
      'ttyUSB0',
      'ttyUSB2',
      'ttyUSB10',
    ]);
    expect(ports[2]).toEqual({
      path: join(fake.roots.dev, 'ttyUSB0'),
      byId: [join(fake.roots.dev, 'serial/by-id/usb-FTDI_A9XYZ-if00-port0')],
      byPath: [join(fake.roots.dev, 'serial/by-path/pci-usb-0:1')],
      vendorId: '0403',
      productId: '6001',
      serialNumber: 'A9XYZ',
      manufacturer: null,
      product: 'FT232R',
      interface: '00.0',
    });
    expect(ports[0]).toMatchObject({ vendorId: null, serialNumber: null, byId: [] });
    expect(ports.map(describePort).join('\n')).toContain(
      'ttyUSB2 (1a86:7523, USB Serial, by-path pci-usb-0:2.1)',
    );
  });

  test('are none where there is no sysfs', () => {
    expect(listPorts({ dev: '/nowhere', sys: '/nowhere', proc: '/nowhere', etc: '/nowhere' })).toEqual([]);
  });
});

describe('an entry of the configuration', () => {
  test('finds its port by vendor, product and serial number, all that is given', () => {
    const fake = system();
    expect(found(fake, match({ vendorId: '0403' }))).toEqual(['ttyUSB0']);
    expect(found(fake, match({ vendorId: '1A86', productId: '7523' }))).toEqual(['ttyUSB2', 'ttyUSB10']);
    expect(found(fake, match({ serialNumber: 'A9XYZ' }))).toEqual(['ttyUSB0']);
    expect(found(fake, match({ vendorId: '0403', serialNumber: 'other' }))).toEqual([]);
  });

  test('finds it by path and by wildcard, each once however many links lead to it', () => {
    const fake = system();
    const { dev } = fake.roots;
    const by = (path: string) => found(fake, { path: join(dev, path), match: null });
    expect(by('ttyUSB0')).toEqual(['ttyUSB0']);
    expect(by('ttyUSB9')).toEqual([]);
    expect(by('ttyUSB*')).toEqual(['ttyUSB0', 'ttyUSB2', 'ttyUSB10']);
    expect(by('tty?SB?')).toEqual(['ttyUSB0', 'ttyUSB2']);
    expect(by('serial/by-path/*')).toEqual(['pci-usb-0:1', 'pci-usb-0:2.1', 'pci-usb-0:2.2']);
    expect(by('nowhere/*')).toEqual([]);
    expect(by(`${'*a'.repeat(200)}b`)).toEqual([]);
  });

  test('by an id that two adapters share finds both, since only one of them has the link', () => {
    const fake = system();
    const path = join(fake.roots.dev, 'serial/by-id/usb-1a86_USB_Serial-if00-port0');
    expect(found(fake, { path, match: null })).toEqual(['usb-1a86_USB_Serial-if00-port0', 'ttyUSB10']);
    const ftdi = join(fake.roots.dev, 'serial/by-id/usb-FTDI_A9XYZ-if00-port0');
    expect(found(fake, { path: ftdi, match: null })).toEqual(['usb-FTDI_A9XYZ-if00-port0']);
  });

  test('that several ports fit opens none of them and names them all', async () => {
    const fake = system();
    const bench = await startSerial(() => [match({ vendorId: '1a86' })], { roots: fake.roots });
    expect(bench.opened).toEqual([]);
    const reason = bench.source.ports()[0]?.reason ?? '';
    for (const part of ['2 ports match', '1a86:*', 'ttyUSB2', 'ttyUSB10', 'pci-usb-0:2.2', 'each: true'])
      expect(reason).toContain(part);
  });

  test('with each: true names the devices by serial number, else by socket', async () => {
    const fake = system();
    const bench = await startSerial((dev) => [{ path: join(dev, 'ttyUSB*'), each: true }], {
      roots: fake.roots,
    });
    expect(bench.source.ports().map(({ device }) => device)).toEqual([
      'greenhouse-A9XYZ',
      'greenhouse-pci-usb-0_2.1',
      'greenhouse-pci-usb-0_2.2',
    ]);
  });

  test('does not tell ports apart by a serial number that they share', () => {
    const fake = new FakeSystem();
    for (const [name, port] of [
      ['ttyUSB0', '00'],
      ['ttyUSB1', '01'],
    ] as const)
      fake.usb(name, { ...FTDI, socket: '1-1', interface: port });
    const ports = findPorts(match({ vendorId: '0403' }), fake.roots);
    expect(ports.map((port) => suffixOf(port, ports))).toEqual(['ttyUSB0', 'ttyUSB1']);
  });
});
