import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../gateway/store/format.ts';
import { LmdbStorage } from '../../gateway/store/lmdb-storage.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import { openLogReader } from '../../gateway/store/log-reader.ts';
import type { Writes } from '../../gateway/store/storage.ts';
import { commitPoints, rejectionOf, testDeps } from '../contracts/store-harness.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const options = { minFreeDiskBytes: 0, upkeepEveryMs: null, maxBytes: 2 ** 26 };

async function tamper(dir: string, write: (storage: LmdbStorage, writes: Writes) => void): Promise<void> {
  const storage = await LmdbStorage.open(dir, 2 ** 26, 0);
  await storage.commit((writes) => write(storage, writes), 0);
  await storage.close();
}

/** A store with three groups and a rejection behind the last fold, closed as by a crash. */
async function filled(): Promise<string> {
  const dir = join(temporaryFolder('damage'), 'store');
  const store = await openLmdbStore({ dir, ...options }, testDeps());
  store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
  for (let i = 0; i < 3; i += 1) await commitPoints(store, 50);
  const group = store.group();
  group.reject(rejectionOf());
  await group.committed;
  await store.close();
  return dir;
}

describe('a damaged or foreign store', () => {
  it('is not opened when a newer version wrote it, and the error says what to do', async () => {
    const dir = await filled();
    await tamper(dir, (_, writes) =>
      writes.put('state', 'format', Buffer.from(JSON.stringify({ version: FORMAT_VERSION + 1, id: 'x' }))),
    );
    await expect(openLmdbStore({ dir, ...options }, testDeps())).rejects.toMatchObject({
      code: 'store-version',
      message: expect.stringMatching(/newer version.*another data folder/s),
    });
  });

  it.each([0, 5, 30, 90, -1])('is found out by one wrong byte at %i of a record', async (at) => {
    const dir = await filled();
    await tamper(dir, (storage, writes) => {
      const record = storage.get('log', 2) ?? Buffer.alloc(0);
      const position = at < 0 ? record.length + at : at;
      record.writeUInt8(record.readUInt8(position) ^ 0x10, position);
      writes.put('log', 2, record);
    });
    const store = await openLmdbStore({ dir, ...options }, testDeps());
    const reader = store.reader();
    expect(reader.read(0, 1, { maxPoints: 1, maxBytes: 1 })?.points).toBe(50);
    expect(() => reader.read(1, 3, { maxPoints: 1, maxBytes: 1 })).toThrowError(
      expect.objectContaining({ code: 'store-damaged', message: expect.stringContaining('group 2') }),
    );
    await store.close();
  });

  it('is found out when a record is cut short', async () => {
    const dir = await filled();
    for (const length of [0, 3, 40, 84, 200]) {
      await tamper(dir, (storage, writes) => {
        const record = storage.get('log', 3) ?? Buffer.alloc(0);
        writes.put('log', 2, record.subarray(0, length));
      });
      const store = await openLmdbStore({ dir, ...options }, testDeps());
      expect(() => store.reader().read(1, 3, { maxPoints: 1, maxBytes: 1 })).toThrowError(
        expect.objectContaining({ code: 'store-damaged' }),
      );
      await store.close();
    }
  });

  it('is not opened when a record that has to be replayed is broken', async () => {
    const dir = await filled();
    await tamper(dir, (storage, writes) => {
      writes.remove('state', 'log');
      const record = storage.get('log', 2) ?? Buffer.alloc(0);
      record.writeUInt8(0xff, 100);
      writes.put('log', 2, record);
    });
    await expect(openLmdbStore({ dir, ...options }, testDeps())).rejects.toMatchObject({
      code: 'store-damaged',
    });
  });

  it('says which rejected reading is broken', async () => {
    const dir = await filled();
    await tamper(dir, (_, writes) => writes.put('rejected', 1, Buffer.from('nonsense')));
    await expect(openLmdbStore({ dir, ...options }, testDeps())).rejects.toMatchObject({
      code: 'store-damaged',
      message: expect.stringContaining('rejection r1'),
    });
  });

  it.each([
    ['text', Buffer.alloc(100_000, 'not a database ')],
    ['zeros', Buffer.alloc(100_000)],
    ['nearly nothing', Buffer.alloc(10, 1)],
  ])('is not opened when its file is something else: %s', async (_, content) => {
    const dir = join(temporaryFolder('foreign'), 'store');
    mkdirSync(dir);
    writeFileSync(join(dir, 'data.mdb'), content);
    await expect(openLmdbStore({ dir, ...options }, testDeps())).rejects.toMatchObject({
      code: 'store-damaged',
    });
    expect(() => openLogReader(dir)).toThrowError(expect.objectContaining({ code: 'store-damaged' }));
  });

  it('is not opened when its file was cut short', async () => {
    const dir = await filled();
    truncateSync(join(dir, 'data.mdb'), 20_000);
    await expect(openLmdbStore({ dir, ...options }, testDeps())).rejects.toMatchObject({
      code: 'store-damaged',
      message: expect.stringContaining('cut short'),
    });
  });

  it('is made anew where its file is empty', async () => {
    const dir = join(temporaryFolder('empty'), 'store');
    mkdirSync(dir);
    writeFileSync(join(dir, 'data.mdb'), '');
    const store = await openLmdbStore({ dir, ...options }, testDeps());
    await commitPoints(store, 1);
    await store.close();
  });

  it('cannot be made where there is no folder to be made', async () => {
    const file = join(temporaryFolder('file'), 'file');
    writeFileSync(file, '');
    await expect(openLmdbStore({ dir: join(file, 'store'), ...options }, testDeps())).rejects.toMatchObject({
      code: 'data-unwritable',
      message: expect.stringContaining(file),
    });
  });
});
