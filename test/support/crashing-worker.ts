/** The thread of a sink that ends in the middle of its work, three times, and then behaves. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';

// The folder is what the host gives every thread of a sink.
const { dataDir } = workerData as { readonly dataDir: string };
const record = join(dataDir, 'crashes');
const crashes = existsSync(record) ? readFileSync(record, 'utf8').length : 0;
if (crashes < 3) {
  setTimeout(() => {
    appendFileSync(record, 'x');
    throw new Error('a crash for the test');
  }, 1200);
}
await import('../../gateway/delivery/delivery-worker.ts');
