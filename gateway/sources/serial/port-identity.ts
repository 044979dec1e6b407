/** Which serial ports there are and what is behind them, told by sysfs alone: no `udevadm` is needed. Linux. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Where the system shows its devices. Others only in tests. */
export interface SystemRoots {
  readonly dev: string;
  readonly sys: string;
  readonly proc: string;
  readonly etc: string;
}

export const SYSTEM_ROOTS: SystemRoots = { dev: '/dev', sys: '/sys', proc: '/proc', etc: '/etc' };

/** A serial port and the USB device behind it; null for what is not known. */
export interface PortIdentity {
  /** `/dev/ttyUSB0` */
  readonly path: string;
  /** `/dev/serial/by-id/…`: names the device, wherever it is plugged in. Two of a kind may share one. */
  readonly byId: readonly string[];
  /** `/dev/serial/by-path/…`: names the socket, whatever is plugged in. */
  readonly byPath: readonly string[];
  /** Four hexadecimal digits in lower case. */
  readonly vendorId: string | null;
  readonly productId: string | null;
  readonly serialNumber: string | null;
  readonly manufacturer: string | null;
  readonly product: string | null;
  /** Tells the ports of one device apart. */
  readonly interface: string | null;
}

/** Consoles and pseudo terminals: never a sensor. */
const NO_PORT = /^(?:tty\d*|console|ptmx|pty.*|tty[a-ep-z][0-9a-f])$/;
/** From a port up to the USB device that it is part of. */
const MAX_STEPS_UP = 6;
const MAX_ATTRIBUTE_CHARACTERS = 256;

/** In the order of their names. Empty where there is no sysfs. */
export function listPorts(roots: SystemRoots = SYSTEM_ROOTS): readonly PortIdentity[] {
  const byId = linksIn(join(roots.dev, 'serial/by-id'));
  const byPath = linksIn(join(roots.dev, 'serial/by-path'));
  return entries(join(roots.sys, 'class/tty'))
    .filter((name) => !NO_PORT.test(name))
    .flatMap((name) => portNamed(name, byId, byPath, roots) ?? []);
}

/** Text attributes of sysfs end in a line feed. Null where there is none. */
function attribute(folder: string, name: string): string | null {
  try {
    const text = readFileSync(join(folder, name), 'utf8').trim().slice(0, MAX_ATTRIBUTE_CHARACTERS);
    return text === '' ? null : text;
  } catch {
    return null;
  }
}

function portNamed(
  name: string,
  byId: ReadonlyMap<string, readonly string[]>,
  byPath: ReadonlyMap<string, readonly string[]>,
  { dev, sys }: SystemRoots,
): PortIdentity | null {
  const folder = join(sys, 'class/tty', name);
  const device = realPathOf(join(folder, 'device'));
  if (device === null) return null;
  // The kernel shows a row of UARTs that a PC might have; type 0 is one that is not there.
  if (name.startsWith('ttyS') && attribute(folder, 'type') === '0') return null;
  const usb = usbDeviceOf(device, sys);
  const path = join(dev, name);
  const real = realPathOf(path) ?? path;
  return {
    path,
    byId: byId.get(real) ?? [],
    byPath: byPath.get(real) ?? [],
    vendorId: usb === null ? null : (attribute(usb.folder, 'idVendor')?.toLowerCase() ?? null),
    productId: usb === null ? null : (attribute(usb.folder, 'idProduct')?.toLowerCase() ?? null),
    serialNumber: usb === null ? null : attribute(usb.folder, 'serial'),
    manufacturer: usb === null ? null : attribute(usb.folder, 'manufacturer'),
    product: usb === null ? null : attribute(usb.folder, 'product'),
    interface: usb === null ? null : `${usb.interface ?? ''}.${attribute(device, 'port_number') ?? ''}`,
  };
}

function usbDeviceOf(
  device: string,
  sys: string,
): { readonly folder: string; readonly interface: string | null } | null {
  const top = realPathOf(sys) ?? sys;
  let usbInterface: string | null = null;
  let folder = device;
  for (let steps = 0; steps < MAX_STEPS_UP && folder.startsWith(top) && folder !== top; steps += 1) {
    usbInterface ??= attribute(folder, 'bInterfaceNumber');
    if (attribute(folder, 'idVendor') !== null) return { folder, interface: usbInterface };
    folder = dirname(folder);
  }
  return null;
}

/** The links of a folder by what they lead to. */
function linksIn(folder: string): ReadonlyMap<string, readonly string[]> {
  const links = new Map<string, string[]>();
  for (const name of entries(folder)) {
    const link = join(folder, name);
    const real = realPathOf(link);
    if (real === null) continue;
    const known = links.get(real);
    if (known === undefined) links.set(real, [link]);
    else known.push(link);
  }
  return links;
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch {
    return [];
  }
}

export function realPathOf(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/** For people: `/dev/ttyUSB0 (1a86:7523, serial number 42, USB Serial)`. */
export function describePort(port: PortIdentity): string {
  const { path, vendorId, productId, serialNumber, product, byPath } = port;
  const parts = [
    vendorId === null ? null : `${vendorId}:${productId ?? '?'}`,
    serialNumber === null ? null : `serial number ${serialNumber}`,
    product,
    byPath[0] === undefined ? null : `by-path ${basename(byPath[0])}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? path : `${path} (${parts.join(', ')})`;
}
