/** Compiles `dist/` once before the tests that run the real program (`globalSetup`). */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export function setup(): void {
  const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  // It is written all the same; a type error is `npm run check`'s to fail on.
  if (status !== 0) process.stderr.write(`tsc -p tsconfig.build.json: ${stdout}\n`);
}
