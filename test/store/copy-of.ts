import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { type Storage, TABLES } from '../../gateway/store/storage.ts';

/** What is on disk at this moment, as a crash would leave it: what its store goes on to write is not in it. */
export async function copyOf(storage: Storage): Promise<MemoryStorage> {
  const copy = new MemoryStorage();
  await copy.commit((writes) => {
    for (const table of TABLES)
      for (const { key, value } of storage.entries(table)) writes.put(table, key, value);
  });
  return copy;
}
