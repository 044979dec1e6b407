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
  return `in use by ${describeHolders(holders)}`;
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
  return (await holdersOf(new Set([real]), roots)).get(real) ?? [];
}

/** Programs other than this one that have one of these ports (by their real paths) open too. Never rejects. */
export async function otherHolders(
  realPaths: ReadonlySet<string>,
  roots: SystemRoots = SYSTEM_ROOTS,
): Promise<ReadonlyMap<string, readonly PortHolder[]>> {
  const self = await readlink(join(roots.proc, 'self')).catch(() => null);
  return await holdersOf(realPaths, roots, self);
}

/** One walk through all programs, however many ports. */
async function holdersOf(
  realPaths: ReadonlySet<string>,
  roots: SystemRoots,
  except: string | null = null,
): Promise<ReadonlyMap<string, readonly PortHolder[]>> {
  const holders = new Map<string, PortHolder[]>();
  for (const name of await namesIn(roots.proc)) {
    if (!/^\d+$/.test(name) || name === except) continue;
    const folder = join(roots.proc, name);
    const held = new Set<string>();
    for (const descriptor of await namesIn(join(folder, 'fd'))) {
      const target = await readlink(join(folder, 'fd', descriptor)).catch(() => null);
      if (target !== null && realPaths.has(target)) held.add(target);
    }
    if (held.size === 0) continue;
    const command = await readFile(join(folder, 'comm'), 'utf8').catch(() => 'a program');
    for (const path of held) {
      const known = holders.get(path) ?? [];
      if (known.length < MAX_HOLDERS)
        known.push({ pid: Number(name), command: printable(command.trim(), 32) });
      holders.set(path, known);
    }
  }
  return holders;
}

/** For people: `minicom (process 123), cat (process 7)`. */
export function describeHolders(holders: readonly PortHolder[]): string {
  return holders.map(({ command, pid }) => `${command} (process ${pid})`).join(', ');
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}
