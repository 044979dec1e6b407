import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../gateway/clocks/clock.ts';
import { watchFolder } from '../gateway/folder-watch.ts';
import { temporaryFolder } from './support/temporary-folder.ts';

const AT_ONCE = { timeout: 5000, interval: 10 };
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

describe('a change in a watched folder', () => {
  it('is noticed at once, also in a folder that was put in place of the first', async () => {
    const parent = temporaryFolder('watched');
    const dir = join(parent, 'schemas');
    mkdirSync(dir);
    let calls = 0;
    ends.push(
      watchFolder({
        dir,
        clock: systemClock,
        accepts: (name) => name.endsWith('.json'),
        settleMs: 20,
        pollMs: 3_600_000,
        changed: () => {
          calls += 1;
          return Promise.resolve();
        },
      }),
    );
    const noticed = (times: number): Promise<void> =>
      vi.waitFor(() => expect(calls).toBeGreaterThanOrEqual(times), AT_ONCE);
    await noticed(1);
    writeFileSync(join(dir, 'a.json'), '1');
    await noticed(2);

    mkdirSync(join(parent, 'next'));
    writeFileSync(join(parent, 'next', 'a.json'), '22');
    renameSync(dir, join(parent, 'before'));
    renameSync(join(parent, 'next'), dir);
    await noticed(3);
    await new Promise((resolve) => setTimeout(resolve, 100));

    const before = calls;
    writeFileSync(join(dir, 'a.json'), '333');
    await noticed(before + 1);
    rmSync(join(dir, 'a.json'));
    await noticed(before + 2);
  });
});
