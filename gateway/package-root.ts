import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder of this package, where `schemas/` lies, whether the program runs from its sources or compiled into
 * `dist/`. A leaf.
 */
export const PACKAGE_ROOT = find(import.meta.dirname);

function find(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) return start;
  }
}
