import { accessSync, constants, statSync } from 'node:fs';
import { GatewayError, messageOf } from '../errors.ts';
import { makeFolders } from '../make-folders.ts';

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

function wordsFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'EROFS') return 'the file system is read-only';
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a part of its path is a file';
  if (code === 'ENOSPC') return 'the disk is full';
  return messageOf(error);
}
