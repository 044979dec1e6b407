import { randomBytes } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemWords } from '../config/system-words.ts';
import { GatewayError, messageOf } from '../errors.ts';
import type { TopicFamily } from '../infer/infer-schemas.ts';
import { makeFolders } from '../make-folders.ts';

export interface SavedDraft {
  readonly file: string;
  /** There was a file of this name, which was left as it is. */
  readonly kept: boolean;
  /** Why it could not be written, in words; null where it was written or kept. */
  readonly problem: string | null;
}

/** As a shell would make it: less what the umask takes. */
const FOLDER_MODE = 0o777;
/** No end that a reader of schemas looks for. */
const UNFINISHED = '.unfinished';
/** Some file systems (FAT) have no second name for a file. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Makes the folder of `--save` where there is none, and tries to write there.
 * @throws GatewayError `usage` where drafts cannot be written there.
 */
export function makeDraftFolder(folder: string, cwd: string): void {
  const dir = resolve(cwd, folder);
  try {
    makeFolders(dir, FOLDER_MODE);
    const trial = join(dir, temporaryName());
    try {
      writeFileSync(trial, '{}', { flag: 'wx' });
    } finally {
      rmSync(trial, { force: true });
    }
  } catch (error) {
    throw new GatewayError('usage', `--save ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Writes the drafts that can be used: each as a whole or not at all, and never over a file. What cannot be written is told,
 * and the others are written all the same.
 */
export function saveDrafts(
  families: readonly TopicFamily[],
  folder: string,
  cwd: string,
): readonly SavedDraft[] {
  const dir = resolve(cwd, folder);
  const made = problemWith(() => makeFolders(dir, FOLDER_MODE));
  return families.flatMap(({ draft, trial }) => {
    if (draft === null || (trial?.problems.length ?? 0) > 0) return [];
    const file = join(dir, draft.file);
    let kept: boolean = false;
    const problem =
      made ??
      problemWith(() => {
        kept = !writeNew(dir, draft.file, draft.text);
      });
    return [{ file, kept, problem }];
  });
}

function problemWith(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    return systemWords(error);
  }
}

/** False where there is a file of this name. */
function writeNew(dir: string, name: string, text: string): boolean {
  const temporary = join(dir, temporaryName());
  try {
    writeFileSync(temporary, text, { flag: 'wx' });
    linkSync(temporary, join(dir, name));
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return false;
    if (NO_LINKS.has(code)) return writeInPlace(join(dir, name), text);
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeInPlace(file: string, text: string): boolean {
  try {
    writeFileSync(file, '', { flag: 'wx' });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    writeFileSync(file, text);
    return true;
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}

function temporaryName(): string {
  return `.draft-${randomBytes(6).toString('hex')}${UNFINISHED}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
