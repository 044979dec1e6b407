import type { Store } from '../../gateway/store-contract.ts';

/** `count` different points of nine devices as one group, numbered from `from`; `field` is the text of their field `f`. */
export async function fillStore(store: Store, from: number, count: number, field = '1.5'): Promise<void> {
  const group = store.group();
  for (let i = from; i < from + count; i += 1) {
    group.count('mqtt', `d${i % 9}`, 'stored', 1);
    group.point(`m,device=d${i % 9} f=${field},n=${i}i ${1_700_000_000_000 + i}000000\n`);
  }
  await group.committed;
}
