import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { GatewayError, messageOf } from '../errors.ts';

/**
 * Makes the data folder where it is missing, for its owner alone, and sees that it can be written.
 * @throws GatewayError `data-unwritable`.
 */
export function makeDataFolder(dataDir: string): void {
  let isFile: boolean;
  try {
    makeFolders(dataDir);
    isFile = !statSync(dataDir).isDirectory();
    if (!isFile) accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new GatewayError(
      'data-unwritable',
      `the data folder ${dataDir} cannot be used: ${wordsFor(error)}`,
      {
        cause: error,
      },
    );
  }
  if (isFile) throw new GatewayError('data-unwritable', `the data folder ${dataDir} is a file`);
}

/**
 * Each missing folder in turn. Not `recursive`: where the system will not make a folder although its parent is there
 * (`/proc`), Node 20 then tries for ever.
 */
function makeFolders(folder: string): void {
  const missing: string[] = [];
  for (let at = folder; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const each of missing.reverse()) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      // Another start may have been quicker.
      if (!existsSync(each)) throw error;
    }
  }
}

function wordsFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'EROFS') return 'the file system is read-only';
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a part of its path is a file';
  if (code === 'ENOSPC') return 'the disk is full';
  return messageOf(error);
}
