import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Group, Store } from '../../gateway/store-contract.ts';
import { addPoints, pendingLines, quiet, rejectionOf, type StoreHarness, testDeps } from './store-harness.ts';

type Step =
  | { readonly kind: 'commit'; readonly points: number; readonly device: string; readonly rejected: number }
  | { readonly kind: 'forward'; readonly n: number }
  | { readonly kind: 'deliver'; readonly sink: string; readonly groups: number; readonly refuse: number }
  | { readonly kind: 'reopen' | 'crash' | 'quiet' }
  | { readonly kind: 'sink'; readonly sink: string };

const sinkName = fc.constantFrom('a', 'b', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      points: fc.integer({ min: 0, max: 60 }),
      device: fc.constantFrom('d1', 'd2', '__proto__', 'ü'),
      rejected: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('forward' as const), n: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('deliver' as const),
      sink: sinkName,
      groups: fc.integer({ min: 1, max: 200 }),
      refuse: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('reopen' as const, 'crash' as const, 'quiet' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sink' as const), sink: sinkName }) },
);

interface Model {
  readonly lines: string[];
  stored: number;
  rejected: number;
  forwarded: number;
  refused: number;
  readonly sinkRejected: Map<string, number>;
}

/** Whatever is done to a store: the account and every ledger close, and a sink is given exactly what it lacks. */
export function storePropertySuite(name: string, harness: StoreHarness, numRuns: number): void {
  describe(`${name}: after any sequence of steps`, () => {
    it.each(['refuse', 'drop-oldest'] as const)(
      'all accounts close (%s)',
      { timeout: 60_000 },
      async (whenFull) => {
        await fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
            const options = {
              maxBytes: 80_000,
              whenFull,
              foldGroups: 4,
              upkeepEveryMs: null,
              minFreeDiskBytes: 0,
            };
            const under = await harness.open(options, testDeps());
            const model: Model = {
              lines: [],
              stored: 0,
              rejected: 0,
              forwarded: 0,
              refused: 0,
              sinkRejected: new Map(),
            };
            try {
              under.store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
              let store = under.store;
              for (const each of steps) {
                if (each.kind === 'reopen' || each.kind === 'crash') {
                  await quiet(store);
                  store = await under[each.kind]();
                } else await take(store, each, model);
                check(store, model);
              }
            } finally {
              await under.close();
            }
          }),
          { numRuns },
        );
      },
    );
  });
}

async function take(store: Store, each: Step, model: Model): Promise<void> {
  switch (each.kind) {
    case 'sink':
      store.openSink(each.sink, { maxBacklogBytes: null, whenFull: 'block' });
      return;
    case 'deliver':
      return await deliver(store, each, model);
    case 'forward':
      store.countLater('mqtt', 'd1', 'forwarded', each.n);
      model.forwarded += each.n;
      return;
    case 'commit':
      return await commit(store, each, model);
    default:
      return await quiet(store);
  }
}

async function commit(store: Store, step: Extract<Step, { kind: 'commit' }>, model: Model): Promise<void> {
  let group: Group;
  try {
    group = store.group();
  } catch {
    store.countLater('mqtt', step.device, 'refused', step.points);
    model.refused += step.points;
    return;
  }
  const { lines } = addPoints(group, step.points, step.device);
  for (let i = 0; i < step.rejected; i += 1) group.reject(rejectionOf({ client: step.device }));
  if (step.rejected > 0) group.count('mqtt', step.device, 'rejected', step.rejected);
  await group.committed;
  model.lines.push(...lines);
  model.stored += lines.length;
  model.rejected += step.rejected;
}

async function deliver(store: Store, step: Extract<Step, { kind: 'deliver' }>, model: Model): Promise<void> {
  const ledger = store.sinks().find(({ name }) => name === step.sink);
  if (ledger === undefined) return;
  const limits = { maxPoints: step.groups, maxBytes: 1e6 };
  const slice = store.reader().read(ledger.cursor, store.status().lastSeq, limits);
  if (slice === null) return;
  const refused = Math.min(step.refuse, slice.points);
  await store.settle(step.sink, {
    throughSeq: slice.lastSeq,
    written: slice.points - refused,
    rejected: Array.from({ length: refused }, () => ({ line: Buffer.from('x'), words: 'no', device: null })),
  });
  model.sinkRejected.set(step.sink, (model.sinkRejected.get(step.sink) ?? 0) + refused);
}

function check(store: Store, model: Model): void {
  const { total, devices, codes } = store.account();
  expect(total.stored).toBe(model.stored);
  expect(total.rejected).toBe(model.rejected);
  expect(total.refused).toBeLessThanOrEqual(model.refused);
  expect(total.forwarded).toBeLessThanOrEqual(model.forwarded);
  expect(codes.invalid).toBe(model.rejected);
  expect(codes['sink-rejected']).toBe([...model.sinkRejected.values()].reduce((a, b) => a + b, 0));
  expect([...devices.values()].reduce((sum, { stored }) => sum + stored, 0)).toBe(model.stored);
  for (const ledger of store.sinks()) {
    const { stored, written, rejected, dropped, pending } = ledger;
    expect(stored).toBe(written + rejected + dropped + pending);
    expect(rejected).toBe(model.sinkRejected.get(ledger.name) ?? 0);
    expect(pendingLines(store, ledger.name)).toEqual(model.lines.slice(model.lines.length - pending));
    expect(ledger.oldestPendingMs === null).toBe(pending === 0);
  }
}
