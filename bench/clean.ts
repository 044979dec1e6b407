/** Between two measurements: nothing of the last one runs or lies about. */
import { endAll } from '../test/support/processes.ts';
import { removeTemporaryFolders } from '../test/support/temporary-folder.ts';

export async function endAndClean(): Promise<void> {
  await endAll();
  removeTemporaryFolders();
}
