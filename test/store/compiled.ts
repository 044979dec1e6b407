/** Code that runs in another process or thread than the test runner's, which has no loader for TypeScript there. */
import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = resolve(import.meta.dirname, '../..');

/** Compiles a file of the repository, and what it imports, into a folder of its own; returns where it is. */
export function compiled(file: string): string {
  const folder = temporaryFolder('compiled');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const project = join(folder, 'tsconfig.json');
  writeFileSync(
    project,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      // Types are checked elsewhere.
      compilerOptions: { noEmit: false, noCheck: true, rootDir: root, outDir: join(folder, 'out') },
      files: [join(root, file)],
      include: [],
    }),
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tsc -p ${project}: ${stdout}`);
  return join(folder, 'out', file.replace(/\.ts$/, '.js'));
}
