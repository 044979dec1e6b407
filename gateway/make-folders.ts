import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder with all that is missing above it, for its owner alone. Each in turn, not `recursive`: where the system
 * will not make a folder although its parent is there (`/proc`), Node 20 then tries for ever.
 */
export function makeFolders(folder: string): void {
  const missing: string[] = [];
  for (let at = folder; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const each of missing.reverse()) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      // Somebody else may have been quicker.
      if (!existsSync(each)) throw error;
    }
  }
}
