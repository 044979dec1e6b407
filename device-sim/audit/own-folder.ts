/**
 * Folders for temporary files that are cleared even where whoever made them was killed: each says which process it belongs
 * to, and the next one that is made beside it clears those whose process is gone.
 */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const MARK = 'owner.json';
/** Where nobody can say whether the process lives (another machine, another container): untouched for so long. */
const ABANDONED_MS = 24 * 3_600_000;

/** A process, told from all others that ever had its number on this machine; null: this system does not say. */
interface Owner {
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** After the start of the machine, in ticks. */
  readonly startedAt: string;
}

/**
 * Makes a folder `<prefix>??????` in `parent`, which the caller removes, and clears those of the same prefix whose process
 * is gone. `pid`: of the process it is for, unless it is this one.
 * @throws Error where it cannot be made.
 */
export function makeOwnFolder(
  parent: string,
  prefix: string,
  { pid = null, nowMs = Date.now() }: { readonly pid?: number | null; readonly nowMs?: number } = {},
): string {
  clearAbandoned(parent, prefix, nowMs);
  const folder = mkdtempSync(join(parent, prefix));
  writeFileSync(join(folder, MARK), JSON.stringify(ownerOf(pid)));
  return folder;
}

function clearAbandoned(parent: string, prefix: string, nowMs: number): void {
  for (const entry of readdirSync(parent, { withFileTypes: true })) {
    if (!entry.isDirectory() || !entry.name.startsWith(prefix)) continue;
    const folder = join(parent, entry.name);
    try {
      if (isAbandoned(folder, nowMs)) rmSync(folder, { recursive: true, force: true });
    } catch {
      // Somebody else's, or being cleared by somebody else: it does no harm here.
    }
  }
}

/** @throws Error where it has no mark: it is none of ours, or was made just now. */
function isAbandoned(folder: string, nowMs: number): boolean {
  const owner = readOwner(join(folder, MARK));
  const known = owner === null ? null : isGone(owner);
  return known ?? nowMs - lastTouchedMs(folder) > ABANDONED_MS;
}

/** Null: nobody can say from here. */
function isGone({ boot, pidNamespace, pid, startedAt }: Owner): boolean | null {
  const here = ownerOf(null);
  if (here === null || here.boot !== boot || here.pidNamespace !== pidNamespace) return null;
  return startOf(String(pid)) !== startedAt;
}

function ownerOf(pid: number | null): Owner | null {
  try {
    const self = pid === null ? readlinkSync('/proc/self') : String(pid);
    const startedAt = startOf(self);
    if (startedAt === null) return null;
    return {
      boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      pidNamespace: readlinkSync('/proc/self/ns/pid'),
      pid: Number(self),
      startedAt,
    };
  } catch {
    // Only Linux says so.
    return null;
  }
}

/** Null: there is no such process, or it has ended and nobody has asked how. See proc(5), `stat`, fields 3 and 22. */
function startOf(pid: string): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The name of the program, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
}

function readOwner(mark: string): Owner | null {
  const text = readFileSync(mark, 'utf8');
  try {
    const owner: unknown = JSON.parse(text);
    return isOwner(owner) ? owner : null;
  } catch {
    // Torn by a power cut.
    return null;
  }
}

function isOwner(value: unknown): value is Owner {
  return (
    typeof value === 'object' &&
    value !== null &&
    'boot' in value &&
    typeof value.boot === 'string' &&
    'pidNamespace' in value &&
    typeof value.pidNamespace === 'string' &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'startedAt' in value &&
    typeof value.startedAt === 'string'
  );
}

/** The folder, and what is in it, two levels deep: that is as deep as an audit writes. */
function lastTouchedMs(folder: string, depth = 2): number {
  let lastMs = statSync(folder).mtimeMs;
  if (depth === 0) return lastMs;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    lastMs = Math.max(lastMs, entry.isDirectory() ? lastTouchedMs(path, depth - 1) : statSync(path).mtimeMs);
  }
  return lastMs;
}
