import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import { storeArrivalSuite } from '../contracts/store-arrival-suite.ts';
import type { StoreHarness } from '../contracts/store-harness.ts';
import { storeMemorySuite } from '../contracts/store-memory-suite.ts';
import { storeOutboxSuite } from '../contracts/store-outbox-suite.ts';
import { storePropertySuite } from '../contracts/store-property-suite.ts';
import { storeRejectionsSuite } from '../contracts/store-rejections-suite.ts';
import { storeRepairsSuite } from '../contracts/store-repairs-suite.ts';
import { storeSuite } from '../contracts/store-suite.ts';

const harness: StoreHarness = {
  open: async (options, deps) => {
    const storage = new MemoryStorage();
    let given = options;
    let store = createMemoryStore({ ...given, storage }, deps);
    return {
      get store() {
        return store;
      },
      reopen: async (changed = {}) => {
        await store.close();
        given = { ...given, ...changed };
        store = createMemoryStore({ ...given, storage }, deps);
        return store;
      },
      // The old one is left standing and never spoken to again.
      crash: async (changed = {}) => {
        given = { ...given, ...changed };
        store = createMemoryStore({ ...given, storage }, deps);
        return store;
      },
      close: async () => await store.close(),
    };
  },
};

storeSuite('the store in memory', harness);
storeRejectionsSuite('the store in memory', harness);
storeRepairsSuite('the store in memory', harness);
storeMemorySuite('the store in memory', harness);
storeArrivalSuite('the store in memory', harness);
storeOutboxSuite('the store in memory', harness);
storePropertySuite('the store in memory', harness, 150);
