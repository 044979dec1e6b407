import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

const OWNER_ALONE = 0o700;

/**
 * Makes a folder with all that is missing above it, for its owner alone unless `mode` says otherwise (the umask takes its
 * part of it). Each in turn, not `recursive`: where the system will not make a folder although its parent is there (`/proc`),
 * Node 20 then tries for ever.
 */
export function makeFolders(folder: string, mode = OWNER_ALONE): void {
  const missing: string[] = [];
  for (let at = folder; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const each of missing.reverse()) {
    try {
      mkdirSync(each, { mode });
    } catch (error) {
      // Somebody else may have been quicker.
      if (!existsSync(each)) throw error;
    }
  }
}
