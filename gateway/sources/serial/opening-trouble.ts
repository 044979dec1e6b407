/** Why a port cannot be opened, in words that say what to do. */
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { printable } from '../../printable.ts';
import { realPathOf, SYSTEM_ROOTS, type SystemRoots } from './port-identity.ts';

/** A program that has a port open. */
export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

const MAX_HOLDERS = 8;

/**
 * `error` as opening the port gave it. Never rejects.
 * serialport tells the system's words and no code.
 */
export async function openingTrouble(
  path: string,
  error: unknown,
  roots: SystemRoots = SYSTEM_ROOTS,
): Promise<string> {
  const words = messageOf(error);
  if (/cannot lock|device or resource busy|access denied/i.test(words)) return await inUse(path, roots);
  if (/permission denied|operation not permitted/i.test(words)) return await notPermitted(path, roots);
  if (/inappropriate ioctl|is a directory/i.test(words)) return 'it is no serial port';
  if (/no such file/i.test(words)) return 'it is not there';
  return printable(words.replace(/^Error:? /, ''), 200);
}

async function inUse(path: string, roots: SystemRoots): Promise<string> {
  const holders = await portHolders(path, roots);
  if (holders.length === 0) return 'another program uses it (which one cannot be seen from here)';
  return `in use by ${holders.map(({ command, pid }) => `${command} (process ${pid})`).join(', ')}`;
}

async function notPermitted(path: string, { etc }: SystemRoots): Promise<string> {
  try {
    const { gid } = await stat(path);
    const groups = await readFile(join(etc, 'group'), 'utf8');
    const line = groups.split('\n').find((each) => each.split(':')[2] === String(gid));
    const group = line?.split(':')[0];
    if (gid !== 0 && group !== undefined)
      return `permission denied: the gateway's user has to be in the group ${group} (sudo usermod -aG ${group} USER, then start it again)`;
  } catch {
    // Without the group the advice is only shorter.
  }
  return "permission denied: the gateway's user may not read and write it";
}

/** Who has this port open, as far as this user may see it: at most 8. Never rejects. */
export async function portHolders(
  path: string,
  roots: SystemRoots = SYSTEM_ROOTS,
): Promise<readonly PortHolder[]> {
  const real = realPathOf(path) ?? path;
  const holders: PortHolder[] = [];
  for (const name of await namesIn(roots.proc)) {
    if (!/^\d+$/.test(name)) continue;
    const folder = join(roots.proc, name);
    for (const descriptor of await namesIn(join(folder, 'fd'))) {
      const target = await readlink(join(folder, 'fd', descriptor)).catch(() => null);
      if (target !== real) continue;
      const command = await readFile(join(folder, 'comm'), 'utf8').catch(() => 'a program');
      holders.push({ pid: Number(name), command: printable(command.trim(), 32) });
      break;
    }
    if (holders.length === MAX_HOLDERS) break;
  }
  return holders;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}
