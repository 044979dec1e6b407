import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeOwnFolder } from '../../../device-sim/audit/own-folder.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { auditOf, memoryStore, rowsOf, sceneOf } from './audit-under-test.ts';

const HOUR_MS = 3_600_000;

/** As an audit leaves it that was killed. */
function fill(folder: string): string {
  mkdirSync(join(folder, 'rows'));
  writeFileSync(join(folder, 'rows', '0'), 'x');
  return folder;
}

/** Changes whose it says it is. */
function disown(folder: string, changes: Readonly<Record<string, string>>): void {
  const mark = join(folder, 'owner.json');
  writeFileSync(mark, JSON.stringify({ ...JSON.parse(readFileSync(mark, 'utf8')), ...changes }));
}

describe.runIf(existsSync('/proc/self/stat'))('the folder of an audit that was killed', () => {
  it('is cleared by the next one, and not while its process lives', async () => {
    const parent = temporaryFolder('own-folder');
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    await once(other, 'spawn');
    const left = fill(makeOwnFolder(parent, 'audit-', { pid: other.pid ?? 0 }));
    const mine = fill(makeOwnFolder(parent, 'audit-'));
    expect(readdirSync(left)).toContain('rows');
    const ended = once(other, 'exit');
    other.kill('SIGKILL');
    await ended;
    const next = makeOwnFolder(parent, 'audit-', { nowMs: Date.now() + 1000 * HOUR_MS });
    expect(
      readdirSync(parent)
        .map((name) => join(parent, name))
        .sort(),
    ).toEqual([mine, next].sort());
  });

  it('is cleared from the folder of the ledger that it is in', async () => {
    const folder = temporaryFolder('own-folder');
    const left = fill(makeOwnFolder(folder, 'audit-'));
    disown(left, { startedAt: '1' });
    const scene = sceneOf('own', { readings: 2 });
    await auditOf(scene, memoryStore(rowsOf(scene)), { folder });
    expect(readdirSync(folder).filter((name) => name.startsWith('audit-'))).toEqual([]);
  });

  it('is cleared where another process has its number by now', () => {
    const parent = temporaryFolder('own-folder');
    const left = makeOwnFolder(parent, 'audit-');
    disown(left, { startedAt: '1' });
    makeOwnFolder(parent, 'audit-');
    expect(existsSync(left)).toBe(false);
  });

  it.each([
    ['of a machine that was started since, or is another one', { boot: 'other' }],
    ['of another container', { pidNamespace: 'pid:[1]' }],
  ])('is kept for a day where nobody can say whether its process lives: %s', (_, other) => {
    const parent = temporaryFolder('own-folder');
    const left = fill(makeOwnFolder(parent, 'audit-'));
    disown(left, other);
    const nowMs = Date.now();
    makeOwnFolder(parent, 'audit-', { nowMs: nowMs + 23 * HOUR_MS });
    expect(existsSync(left)).toBe(true);
    makeOwnFolder(parent, 'audit-', { nowMs: nowMs + 25 * HOUR_MS });
    expect(existsSync(left)).toBe(false);
  });
});

describe('what is not an audit’s own', () => {
  it('is never touched, however it is called and however old it is', () => {
    const parent = temporaryFolder('own-folder');
    const folder = join(parent, 'audit-report');
    mkdirSync(folder);
    writeFileSync(join(folder, 'mine.txt'), 'x');
    writeFileSync(join(parent, 'audit-notes.txt'), 'x');
    utimesSync(folder, 0, 0);
    makeOwnFolder(parent, 'audit-');
    expect(readdirSync(parent)).toHaveLength(3);
    expect(existsSync(join(folder, 'mine.txt'))).toBe(true);
  });
});
