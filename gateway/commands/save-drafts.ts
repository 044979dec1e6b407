import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GatewayError, messageOf } from '../errors.ts';
import type { TopicFamily } from '../infer/infer-schemas.ts';

export interface SavedDraft {
  readonly file: string;
  /** There was a file of this name, which was left as it is. */
  readonly kept: boolean;
}

/** Makes the folder of `--save` where there is none. @throws GatewayError `usage` where drafts cannot be written there. */
export function makeDraftFolder(folder: string, cwd: string): void {
  const dir = resolve(cwd, folder);
  try {
    mkdirSync(dir, { recursive: true });
    accessSync(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Writes the drafts that can be used. Never writes over a file. @throws GatewayError `usage` where it cannot write. */
export function saveDrafts(
  families: readonly TopicFamily[],
  folder: string,
  cwd: string,
): readonly SavedDraft[] {
  makeDraftFolder(folder, cwd);
  const dir = resolve(cwd, folder);
  try {
    return families.flatMap(({ draft, trial }) => {
      if (draft === null || (trial?.problems.length ?? 0) > 0) return [];
      const file = join(dir, draft.file);
      return [{ file, kept: !writeNew(file, draft.text) }];
    });
  } catch (error) {
    throw unwritable(folder, error);
  }
}

function unwritable(folder: string, error: unknown): GatewayError {
  return new GatewayError('usage', `--save ${folder}: ${messageOf(error)}`, { cause: error });
}

function writeNew(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
