/** Runs with every test file (`setupFiles`): what it started or made does not outlive it, also when it fails. */
import { afterAll } from 'vitest';
import { endAll } from './processes.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

afterAll(async () => {
  await endAll();
  removeTemporaryFolders();
});
