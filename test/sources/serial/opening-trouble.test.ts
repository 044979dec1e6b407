import { chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openingTrouble } from '../../../gateway/sources/serial/opening-trouble.ts';
import { FakeSystem } from './support/fake-system.ts';

const LOCKED = new Error('Error Resource temporarily unavailable Cannot lock port');
const DENIED = new Error('Error: Permission denied, cannot open /dev/ttyUSB0');

function withPort(): { readonly fake: FakeSystem; readonly path: string } {
  const fake = new FakeSystem();
  const path = join(fake.roots.dev, 'ttyUSB0');
  writeFileSync(path, '');
  return { fake, path };
}

test('a port that another program uses names the program', async () => {
  const { fake, path } = withPort();
  for (const [pid, target] of [
    ['41', '/dev/null'],
    ['4711', path],
  ] as const) {
    mkdirSync(join(fake.roots.proc, pid, 'fd'), { recursive: true });
    symlinkSync(target, join(fake.roots.proc, pid, 'fd/3'));
    writeFileSync(join(fake.roots.proc, pid, 'comm'), 'picocom\n');
  }
  mkdirSync(join(fake.roots.proc, '5000'));
  expect(await openingTrouble(path, LOCKED, fake.roots)).toBe('in use by picocom (process 4711)');
  expect(await openingTrouble('/dev/other', LOCKED, fake.roots)).toContain('cannot be seen from here');
});

test('a port without permission names the group to join', async () => {
  const { fake, path } = withPort();
  const group = 20;
  const isOurs = trying(() => chownSync(path, -1, group));
  writeFileSync(join(fake.roots.etc, 'group'), `root:x:0:\ndialout:x:${group}:\n`);
  const words = await openingTrouble(path, DENIED, fake.roots);
  expect(words).toContain('permission denied');
  if (isOurs) expect(words).toContain('group dialout');
});

test.each([
  ['Error: Inappropriate ioctl for device setting custom baud rate of 115200', 'it is no serial port'],
  ['Error: Is a directory, cannot open /dev', 'it is no serial port'],
  ['Error: No such file or directory, cannot open /dev/ttyUSB0', 'it is not there'],
  ['Error: Input/output error, cannot open \u001b[2J', 'Input/output error, cannot open \\x1b[2J'],
])('%j is said in words', async (message, words) => {
  expect(await openingTrouble('/dev/ttyUSB0', new Error(message))).toBe(words);
});

function trying(what: () => void): boolean {
  try {
    what();
    return true;
  } catch {
    return false;
  }
}
