import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type PortHolder, portHolders } from '../sources/serial/opening-trouble.ts';
import { realPathOf, type SystemRoots } from '../sources/serial/port-identity.ts';

const PSEUDO_TERMINAL = /\/pts\/(\d+)$/;

/** The number of a pseudo terminal; null where the path leads to something else. */
export function pseudoTerminalOf(path: string): string | null {
  return PSEUDO_TERMINAL.exec(realPathOf(path) ?? path)?.[1] ?? null;
}

/**
 * Programs that use a port, as far as this user may see. Of a pseudo terminal, not the one that made it: that is the
 * device at its other end, and often keeps this end open too (socat does).
 */
export async function portUsers(path: string, roots: SystemRoots): Promise<readonly PortHolder[]> {
  const holders = await portHolders(path, roots);
  const number = pseudoTerminalOf(path);
  if (number === null) return holders;
  const makers = await Promise.all(holders.map(async ({ pid }) => await hasMade(number, pid, roots)));
  return holders.filter((_, i) => makers[i] === false);
}

/** The process has the master of this pseudo terminal (Linux tells its number). Never rejects. */
async function hasMade(number: string, pid: number, { proc }: SystemRoots): Promise<boolean> {
  const folder = join(proc, String(pid));
  for (const descriptor of await readdir(join(folder, 'fd')).catch(() => [])) {
    const target = await readlink(join(folder, 'fd', descriptor)).catch(() => '');
    if (!target.endsWith('/ptmx')) continue;
    const facts = await readFile(join(folder, 'fdinfo', descriptor), 'utf8').catch(() => '');
    if (/^tty-index:\s*(\d+)$/m.exec(facts)?.[1] === number) return true;
  }
  return false;
}
