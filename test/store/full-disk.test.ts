import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { commitPoints, pendingLines, RecordedEvents } from '../contracts/store-harness.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MIB = 2 ** 20;
const BLOCK = { maxBacklogBytes: null, whenFull: 'block' } as const;
const folder = temporaryFolder('full');
/** Only root may mount: elsewhere these are skipped, and the report says so. */
const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder]).status === 0;
afterAll(() => {
  if (isMounted) spawnSync('umount', ['-l', folder]);
});

const unhandled: unknown[] = [];
const note = (error: unknown): void => {
  unhandled.push(error);
};
beforeAll(() => {
  process.on('unhandledRejection', note);
});
afterAll(() => {
  process.off('unhandledRejection', note);
});

describe.skipIf(!isMounted)('a store on a full disk (needs root, to mount one)', () => {
  let store: Store | null = null;
  let round = 0;
  const events = new RecordedEvents();

  async function open(minFreeDiskBytes: number): Promise<Store> {
    round += 1;
    const dir = join(folder, `store-${round}`);
    mkdirSync(dir);
    store = await openLmdbStore(
      { dir, minFreeDiskBytes, maxBytes: 2 ** 30, foldGroups: 20, upkeepEveryMs: 50 },
      { clock: systemClock, events },
    );
    store.openSink('a', BLOCK);
    return store;
  }
  afterEach(async () => {
    await store?.close();
    store = null;
    for (let i = 1; i <= round; i += 1) rmSync(join(folder, `store-${i}`), { recursive: true, force: true });
  });

  /** Commits until it is refused; returns all lines that were acknowledged. */
  async function fill(into: Store): Promise<string[]> {
    const lines: string[] = [];
    for (let i = 0; i < 20_000; i += 1) {
      try {
        lines.push(...(await commitPoints(into, 500)));
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^store-(full|unavailable)$/) });
        return lines;
      }
    }
    throw new Error('it never filled up');
  }

  it('survives, refuses in words, keeps what it acknowledged, and heals when there is space', {
    timeout: 30_000,
  }, async () => {
    const opened = await open(0);
    const first = await commitPoints(opened, 10);
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(7 * MIB));
    const lines = first.concat(await fill(opened));
    expect(lines.length).toBeGreaterThan(10_000);
    expect(opened.status()).toMatchObject({ state: 'unavailable' });
    expect(opened.status().reason).toMatch(/disk/);
    expect(opened.status().diskFreeBytes).toBeLessThan(5 * MIB);
    expect(pendingLines(opened, 'a')).toEqual(lines);

    rmSync(join(folder, 'ballast'));
    await expect.poll(() => opened.status().state, { timeout: 5000 }).toBe('open');
    lines.push(...(await commitPoints(opened, 500)));
    expect(pendingLines(opened, 'a')).toEqual(lines);
    expect(unhandled).toEqual([]);
  });

  it('can settle and trim when nothing else is possible, and uses the room that this makes', {
    timeout: 30_000,
  }, async () => {
    const opened = await open(0);
    const lines = await fill(opened);
    const size = statSync(join(opened.path ?? '', 'data.mdb')).size;
    await opened.settle('a', { throughSeq: opened.status().lastSeq, written: lines.length, rejected: [] });
    await expect.poll(() => opened.status().state, { timeout: 5000 }).toBe('open');
    await expect.poll(() => opened.status().liveBytes, { timeout: 5000 }).toBeLessThan(MIB);
    for (let turn = 0; turn < 10; turn += 1) {
      const more: string[] = [];
      for (let i = 0; i < 40; i += 1) more.push(...(await commitPoints(opened, 500)));
      await opened.settle('a', { throughSeq: opened.status().lastSeq, written: more.length, rejected: [] });
    }
    expect(statSync(join(opened.path ?? '', 'data.mdb')).size).toBeLessThanOrEqual(size + 4 * MIB);
    expect(unhandled).toEqual([]);
  });

  it('leaves as much of the disk free as it is told to', { timeout: 30_000 }, async () => {
    const opened = await open(8 * MIB);
    const lines = await fill(opened);
    expect(lines.length).toBeGreaterThan(0);
    await expect.poll(() => opened.status().state).toBe('full');
    expect(opened.status().reason).toContain('store.minFreeDisk');
    expect(opened.status().diskFreeBytes).toBeGreaterThanOrEqual(8 * MIB);
    expect(unhandled).toEqual([]);
  });

  it('opens again when the disk is full, with everything in it', { timeout: 30_000 }, async () => {
    const opened = await open(0);
    const lines = await fill(opened);
    const dir = opened.path ?? '';
    await opened.close();
    writeFileSync(join(folder, 'rest'), Buffer.alloc(1));
    store = await openLmdbStore(
      { dir, minFreeDiskBytes: 0, maxBytes: 2 ** 30 },
      { clock: systemClock, events },
    );
    expect(store.account().total.stored).toBe(lines.length);
    expect(pendingLines(store, 'a')).toEqual(lines);
    expect(unhandled).toEqual([]);
  });
});
