import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from './contracts.ts';

export interface FolderWatchOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly accepts: (name: string) => boolean;
  /** A change counts once the files have been still for this long: editors write in several steps. */
  readonly settleMs: number;
  /** The folder is looked at this often anyway: notifications get lost, and some file systems send none. */
  readonly pollMs: number;
  /** Called after a change; the next one waits for it. Must not reject. */
  readonly changed: () => Promise<void>;
}

/** Watches the files of a folder. A leaf: schemas and devices.yaml are both followed by it. @returns what ends it. */
export function watchFolder(options: FolderWatchOptions): () => void {
  const { dir, clock, accepts, settleMs, pollMs, changed } = options;
  const ended = new AbortController();
  const { signal } = ended;
  // Nothing yet: what changed before the watch began counts as well, so it begins with a call.
  let acted: string | null = null;
  let woken = new AbortController();

  let watcher: FSWatcher | null = null;
  let watched: string | null = null;
  /**
   * A watch stays with the folder it began with, wherever that is moved: another one in its place needs a new watch.
   * Answers whether one began; what changed before it is to be looked for.
   */
  const watchAgain = async (): Promise<boolean> => {
    const identity = await identityOf(dir);
    if (identity === watched || signal.aborted) return false;
    watcher?.close();
    watcher = identity === null ? null : tryWatch(dir, () => woken.abort());
    watched = identity;
    return true;
  };
  /** A change that came since the last pause ends this one at once. */
  const pause = async (ms: number): Promise<void> => {
    await clock.sleep(ms, AbortSignal.any([signal, woken.signal]));
    woken = new AbortController();
  };
  const look = async (): Promise<void> => {
    let seen = await signatureOf(dir, accepts);
    while (seen !== acted && !signal.aborted) {
      await clock.sleep(settleMs, signal);
      const again = await signatureOf(dir, accepts);
      if (again === seen) {
        acted = seen;
        if (!signal.aborted) await changed();
      }
      seen = again;
    }
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      do await look();
      while (await watchAgain());
      await pause(pollMs);
    }
  };
  void run();
  return () => {
    ended.abort();
    watcher?.close();
  };
}

/** Which folder is there, or null. */
async function identityOf(dir: string): Promise<string | null> {
  try {
    const { dev, ino, birthtimeMs } = await stat(dir);
    return `${dev}:${ino}:${birthtimeMs}`;
  } catch {
    return null;
  }
}

function tryWatch(dir: string, onChange: () => void): FSWatcher | null {
  try {
    const watcher = watch(dir, { persistent: false }, onChange);
    // A watcher that fails is replaced by looking again and again, which happens anyway.
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}

/** Changes whenever a file of the folder does. */
async function signatureOf(dir: string, accepts: (name: string) => boolean): Promise<string> {
  try {
    const names = (await readdir(dir)).filter(accepts);
    const states = await Promise.all(
      names.map(async (name) => {
        try {
          const { mtimeMs, size, ino } = await stat(join(dir, name));
          return `${name}:${mtimeMs}:${size}:${ino}`;
        } catch {
          return `${name}:gone`;
        }
      }),
    );
    return states.sort((a, b) => (a < b ? -1 : 1)).join('\n');
  } catch {
    return 'unreadable';
  }
}
