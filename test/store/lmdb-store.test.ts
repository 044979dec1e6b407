import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { storeArrivalSuite } from '../contracts/store-arrival-suite.ts';
import type { StoreHarness } from '../contracts/store-harness.ts';
import { storeMemorySuite } from '../contracts/store-memory-suite.ts';
import { storeOutboxSuite } from '../contracts/store-outbox-suite.ts';
import { storePropertySuite } from '../contracts/store-property-suite.ts';
import { storeRejectionsSuite } from '../contracts/store-rejections-suite.ts';
import { storeRepairsSuite } from '../contracts/store-repairs-suite.ts';
import { storeSuite } from '../contracts/store-suite.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const harness: StoreHarness = {
  open: async (options, deps) => {
    const folder = temporaryFolder('store');
    let given = options;
    let lives = 1;
    let dir = join(folder, String(lives));
    let store = await openLmdbStore({ ...given, dir }, deps);
    const opened: Store[] = [store];
    return {
      get store() {
        return store;
      },
      reopen: async (changed = {}) => {
        await store.close();
        given = { ...given, ...changed };
        store = await openLmdbStore({ ...given, dir }, deps);
        opened.push(store);
        return store;
      },
      // What is in the file now is what a killed process would leave.
      crash: async (changed = {}) => {
        lives += 1;
        const next = join(folder, String(lives));
        mkdirSync(next);
        copyFileSync(join(dir, 'data.mdb'), join(next, 'data.mdb'));
        dir = next;
        given = { ...given, ...changed };
        store = await openLmdbStore({ ...given, dir }, deps);
        opened.push(store);
        return store;
      },
      close: async () => {
        for (const each of opened) await each.close();
      },
    };
  },
};

storeSuite('the store in LMDB', harness);
storeRejectionsSuite('the store in LMDB', harness);
storeRepairsSuite('the store in LMDB', harness);
storeMemorySuite('the store in LMDB', harness);
storeArrivalSuite('the store in LMDB', harness);
storeOutboxSuite('the store in LMDB', harness);
storePropertySuite('the store in LMDB', harness, 12);
