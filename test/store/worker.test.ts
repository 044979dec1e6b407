import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import { RecordedEvents } from '../contracts/store-harness.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { compiled } from './compiled.ts';

const MIB = 2 ** 20;

describe('a reader on another thread', () => {
  let script = '';
  beforeAll(() => {
    script = compiled('test/store/reading-worker.ts');
  });

  it('sees what is committed while the main thread goes on, and keeps no page from being used again', {
    timeout: 60_000,
  }, async () => {
    const dir = join(temporaryFolder('worker'), 'store');
    const store = await openLmdbStore(
      { dir, minFreeDiskBytes: 0, maxBytes: 2 ** 30, foldGroups: 50, upkeepEveryMs: 100 },
      { clock: systemClock, events: new RecordedEvents() },
    );
    store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
    const worker = new Worker(script, { workerData: dir });
    const ask = (throughSeq: number): Promise<{ cursor: number; points: number; sum: number }> =>
      new Promise((resolve) => {
        worker.once('message', resolve);
        worker.postMessage(throughSeq);
      });
    const filler = 'x'.repeat(200);
    let number = 0;
    let sum = 0;
    let settled = 0;
    const sizes: number[] = [];
    for (let turn = 0; turn < 40; turn += 1) {
      for (let i = 0; i < 20; i += 1) {
        const group = store.group();
        for (let k = 0; k < 200; k += 1) {
          number += 1;
          sum += number;
          group.point(`m,device=d v=1,filler="${filler}" ${number}\n`);
        }
        group.count('mqtt', 'd', 'stored', 200);
        await group.committed;
      }
      const seen = await ask(store.status().lastSeq);
      expect(seen).toEqual({ cursor: store.status().lastSeq, points: number, sum });
      await store.settle('a', { throughSeq: seen.cursor, written: seen.points - settled, rejected: [] });
      settled = seen.points;
      sizes.push(statSync(join(dir, 'data.mdb')).size);
    }
    // 40 MB went through it; what is not pinned is used again.
    expect(sizes.at(-1)).toBeLessThanOrEqual((sizes[9] ?? 0) + 4 * MIB);
    expect(store.sinks()[0]).toMatchObject({ stored: number, written: number, pending: 0 });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage(0);
    expect(await ended).toBe(0);
    await store.close();
  });

  it('holds back what has no time yet, and has it when the base is there', { timeout: 60_000 }, async () => {
    const dir = join(temporaryFolder('worker'), 'store');
    const store = await openLmdbStore(
      { dir, minFreeDiskBytes: 0, maxBytes: 2 ** 26, upkeepEveryMs: null },
      { clock: systemClock, events: new RecordedEvents() },
    );
    const worker = new Worker(script, { workerData: dir });
    const ask = (throughSeq: number): Promise<unknown> =>
      new Promise((resolve) => {
        worker.once('message', resolve);
        worker.postMessage(throughSeq);
      });
    store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
    for (const ns of [1, 2, 3]) {
      const group = store.group();
      group.markProvisional();
      group.point(`m v=1 ${ns}\n`);
      await group.committed;
    }
    expect(await ask(3)).toEqual({ cursor: 0, points: 0, sum: 0 });
    await store.setArrivalBase('1000');
    expect(await ask(3)).toEqual({ cursor: 3, points: 3, sum: 3006 });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage(0);
    expect(await ended).toBe(0);
    await store.close();
  });
});
