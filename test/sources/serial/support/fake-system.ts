import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SystemRoots } from '../../../../gateway/sources/serial/port-identity.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

export interface FakeUsb {
  readonly vendorId: string;
  readonly productId: string;
  readonly serialNumber?: string;
  readonly product?: string;
  /** The socket: `1-1.2`. */
  readonly socket: string;
  readonly interface?: string;
  readonly byId?: string;
  readonly byPath?: string;
}

/** A `/dev` and a `/sys` as Linux shows them. */
export class FakeSystem {
  readonly roots: SystemRoots;

  constructor() {
    const root = temporaryFolder('system');
    this.roots = {
      dev: join(root, 'dev'),
      sys: join(root, 'sys'),
      proc: join(root, 'proc'),
      etc: join(root, 'etc'),
    };
    for (const folder of [
      join(this.roots.dev, 'serial/by-id'),
      join(this.roots.dev, 'serial/by-path'),
      join(this.roots.sys, 'class/tty'),
      this.roots.proc,
      this.roots.etc,
    ])
      mkdirSync(folder, { recursive: true });
  }

  /** A USB adapter as the kernel's usb-serial drivers show it. */
  usb(name: string, usb: FakeUsb): void {
    const { dev, sys } = this.roots;
    const device = join(sys, 'devices/pci0/usb1', usb.socket);
    const number = usb.interface ?? '00';
    const port = join(device, `${usb.socket}:1.${Number(number)}`, name);
    mkdirSync(port, { recursive: true });
    const attributes: Readonly<Record<string, string | undefined>> = {
      idVendor: usb.vendorId,
      idProduct: usb.productId,
      serial: usb.serialNumber,
      product: usb.product,
    };
    for (const [file, text] of Object.entries(attributes))
      if (text !== undefined) writeFileSync(join(device, file), `${text}\n`);
    writeFileSync(join(port, '../bInterfaceNumber'), `${number}\n`);
    writeFileSync(join(port, 'port_number'), '0\n');
    this.#tty(name, port);
    for (const [kind, link] of [
      ['by-id', usb.byId],
      ['by-path', usb.byPath],
    ] as const)
      if (link !== undefined) symlinkSync(`../../${name}`, join(dev, 'serial', kind, link));
  }

  /** A UART of the board; `type` 0 is one that is not there. */
  uart(name: string, type: number): void {
    const port = join(this.roots.sys, 'devices/platform', name);
    mkdirSync(port, { recursive: true });
    this.#tty(name, port);
    writeFileSync(join(this.roots.sys, 'class/tty', name, 'type'), `${type}\n`);
  }

  /** A console: no device behind it. */
  console(name: string): void {
    mkdirSync(join(this.roots.sys, 'class/tty', name));
    writeFileSync(join(this.roots.dev, name), '');
  }

  #tty(name: string, port: string): void {
    const folder = join(this.roots.sys, 'class/tty', name);
    mkdirSync(folder);
    symlinkSync(port, join(folder, 'device'));
    writeFileSync(join(this.roots.dev, name), '');
  }
}
