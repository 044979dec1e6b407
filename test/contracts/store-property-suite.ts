import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OUTCOMES } from '../../gateway/contracts.ts';
import type { OutboxOptions } from '../../gateway/store/outboxes-table.ts';
import type { Group, Outbox, Store } from '../../gateway/store-contract.ts';
import { addPoints, pendingLines, quiet, rejectionOf, type StoreHarness, testDeps } from './store-harness.ts';

const MAX_IDENTITIES = 300;

type Step =
  | {
      readonly kind: 'commit';
      readonly points: number;
      readonly device: string;
      readonly rejected: number;
      readonly isProvisional: boolean;
    }
  | {
      readonly kind: 'repair';
      readonly how: 'resolve' | 'discard';
      readonly n: number;
      readonly state: 'open' | 'all';
    }
  | { readonly kind: 'replay-sink'; readonly sink: string; readonly n: number }
  | { readonly kind: 'base' }
  | { readonly kind: 'forward'; readonly n: number }
  | { readonly kind: 'deliver'; readonly sink: string; readonly groups: number; readonly refuse: number }
  | { readonly kind: 'put'; readonly outbox: string; readonly n: number; readonly points: number }
  | { readonly kind: 'send'; readonly outbox: 'keeps' | 'drops'; readonly n: number; readonly refuse: number }
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
      isProvisional: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('repair' as const),
      how: fc.constantFrom('resolve' as const, 'discard' as const),
      n: fc.integer({ min: 1, max: 4 }),
      state: fc.constantFrom('open' as const, 'all' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('replay-sink' as const),
      sink: sinkName,
      n: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('base' as const) }) },
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
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      outbox: fc.constantFrom('keeps', 'drops', 'unconfigured'),
      n: fc.integer({ min: 1, max: 40 }),
      points: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      outbox: fc.constantFrom('keeps' as const, 'drops' as const),
      n: fc.integer({ min: 1, max: 60 }),
      refuse: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('reopen' as const, 'crash' as const, 'quiet' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sink' as const), sink: sinkName }) },
);

interface Line {
  readonly text: string;
  readonly isProvisional: boolean;
  base: bigint | null;
}

interface Model {
  readonly lines: Line[];
  bases: bigint;
  readonly identities: Map<string, number[]>;
  stored: number;
  rejected: number;
  forwarded: number;
  refused: number;
  /** Ever, and of those not written after all. */
  readonly sinkRejected: Map<string, number>;
  readonly sinkOpen: Map<string, number>;
  /** By outbox: every message that was ever taken. */
  readonly taken: Map<string, string[]>;
}

const OUTBOXES: Readonly<Record<'keeps' | 'drops', OutboxOptions>> = {
  keeps: { maxBacklogBytes: 1e9, whenFull: 'block' },
  drops: { maxBacklogBytes: 6_000, whenFull: 'drop-oldest' },
};

/** One of them is not in the configuration any more after the first restart. */
function openOutboxes(store: Store, all: boolean): void {
  store.openOutbox('keeps', OUTBOXES.keeps);
  store.openOutbox('drops', OUTBOXES.drops);
  if (all) store.openOutbox('unconfigured', OUTBOXES.keeps);
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
              maxIdentitiesPerDevice: MAX_IDENTITIES,
            };
            const under = await harness.open(options, testDeps());
            const model: Model = {
              lines: [],
              bases: 1_700_000_000_000_000_000n,
              identities: new Map(),
              stored: 0,
              rejected: 0,
              forwarded: 0,
              refused: 0,
              sinkRejected: new Map(),
              sinkOpen: new Map(),
              taken: new Map(),
            };
            try {
              openOutboxes(under.store, true);
              under.store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
              let store = under.store;
              for (const each of steps) {
                if (each.kind === 'reopen' || each.kind === 'crash') {
                  await quiet(store);
                  store = await under[each.kind]();
                  openOutboxes(store, false);
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
    case 'repair':
      return await repair(store, each);
    case 'replay-sink':
      return await replaySink(store, each, model);
    case 'base':
      return await setBase(store, model);
    case 'put':
      return await put(store, each, model);
    case 'send':
      return await send(store, each);
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
  // A line's time is its number here: few digits, as provisional times have.
  if (step.isProvisional) group.markProvisional();
  const identified = lines.map((line) => Number(/ (\d+)\n$/.exec(line)?.[1]));
  for (const low of identified) group.identify(step.device, { high: 7, low });
  if (identified.length > 0) group.note(`last/${step.device}`, String(identified.at(-1)));
  for (let i = 0; i < step.rejected; i += 1) group.reject(rejectionOf({ client: step.device }));
  group.receive('mqtt', step.device, step.rejected);
  if (step.rejected > 0) group.count('mqtt', step.device, 'rejected', step.rejected);
  await group.committed;
  const { isProvisional } = step;
  for (const text of lines) model.lines.push({ text, isProvisional, base: null });
  const known = model.identities.get(step.device) ?? [];
  model.identities.set(step.device, [...known, ...identified]);
  model.stored += lines.length;
  model.rejected += step.rejected;
}

async function put(store: Store, step: Extract<Step, { kind: 'put' }>, model: Model): Promise<void> {
  let group: Group;
  try {
    group = store.group();
  } catch {
    return;
  }
  const taken = model.taken.get(step.outbox) ?? [];
  const texts = Array.from({ length: step.n }, (_, i) => `${taken.length + i} ${'x'.repeat(40)}`);
  const { lines } = addPoints(group, step.points);
  for (const text of texts) group.forward(step.outbox, 't', Buffer.from(text));
  await group.committed;
  model.taken.set(step.outbox, [...taken, ...texts]);
  for (const text of lines) model.lines.push({ text, isProvisional: false, base: null });
  model.stored += lines.length;
}

async function send(store: Store, step: Extract<Step, { kind: 'send' }>): Promise<void> {
  const outbox = store.openOutbox(step.outbox, OUTBOXES[step.outbox]);
  const slice = outbox.read(null, { maxMessages: step.n, maxBytes: 1e6 });
  const place = slice?.through.at(-1);
  if (place !== undefined) await outbox.sent(place, Math.min(step.refuse, slice?.through.length ?? 0));
}

/** Everything that waits, in pieces as a forwarder reads it. */
function waitingIn(outbox: Outbox): string[] {
  const texts: string[] = [];
  let slice = outbox.read(null, { maxMessages: 7, maxBytes: 1e6 });
  while (slice !== null) {
    texts.push(...slice.messages.map(({ payload }) => payload.toString()));
    slice = outbox.read(slice.through.at(-1) ?? null, { maxMessages: 7, maxBytes: 1e6 });
  }
  return texts;
}

async function repair(store: Store, step: Extract<Step, { kind: 'repair' }>): Promise<void> {
  const ids = store.rejections({ limit: step.n, state: step.state }).map(({ id }) => id);
  if (step.how === 'discard') {
    expect(await store.discardRejections(ids)).toBe(ids.length);
    return;
  }
  let group: Group;
  try {
    group = store.group();
  } catch {
    return;
  }
  for (const id of ids) group.resolve(id, 'stored');
  await group.committed;
  for (const id of ids) expect(store.rejection(id)?.resolved ?? 'evicted').not.toBeNull();
}

async function replaySink(
  store: Store,
  step: Extract<Step, { kind: 'replay-sink' }>,
  model: Model,
): Promise<void> {
  const ids = store.rejections({ limit: step.n, sink: step.sink }).map(({ id }) => id);
  if (!store.sinks().some(({ name }) => name === step.sink)) return;
  expect(await store.settleReplayed(step.sink, ids)).toBe(ids.length);
  expect(await store.settleReplayed(step.sink, ids)).toBe(0);
  model.sinkOpen.set(step.sink, (model.sinkOpen.get(step.sink) ?? 0) - ids.length);
}

async function setBase(store: Store, model: Model): Promise<void> {
  model.bases += 1_000_000_000_000_000n;
  await store.setArrivalBase(String(model.bases));
  for (const line of model.lines) if (line.isProvisional) line.base ??= model.bases;
  expect(store.provisionalNs).toBe('0');
}

/** What a sink is given of these: up to the first whose time is not known yet. */
function visible(lines: readonly Line[]): string[] {
  const first = lines.findIndex(({ isProvisional, base }) => isProvisional && base === null);
  return lines.slice(0, first === -1 ? lines.length : first).map(({ text, base }) => {
    if (base === null) return text;
    return text.replace(/\d+\n$/, (ns) => `${BigInt(ns.trim()) + base}\n`);
  });
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
  for (const counts of [model.sinkRejected, model.sinkOpen]) {
    counts.set(step.sink, (counts.get(step.sink) ?? 0) + refused);
  }
}

function check(store: Store, model: Model): void {
  const { total, devices, codes, ...ended } = store.account();
  const status = store.status();
  expect(total.received).toBe(OUTCOMES.reduce((sum, outcome) => sum + total[outcome], 0));
  expect(Object.values(codes).reduce((sum, n) => sum + n, 0)).toBe(
    status.rejectedOpenCount + ended.rejectedEvicted + ended.rejectedReplayed + ended.rejectedDiscarded,
  );
  expect(store.rejections({ limit: 10_000 })).toHaveLength(status.rejectedOpenCount);
  for (const [device, all] of model.identities) {
    const kept = [...store.identities].filter((each) => each.device === device).map(({ low }) => low);
    expect(kept).toEqual(all.slice(-MAX_IDENTITIES));
    expect(store.document(`last/${device}`)).toBe(all.length === 0 ? null : String(all.at(-1)));
  }
  expect(total.stored).toBe(model.stored);
  expect(total.rejected).toBe(model.rejected);
  expect(total.refused).toBeLessThanOrEqual(model.refused);
  expect(total.forwarded).toBeLessThanOrEqual(model.forwarded);
  expect(codes.invalid).toBe(model.rejected);
  expect(codes['sink-rejected']).toBe([...model.sinkRejected.values()].reduce((a, b) => a + b, 0));
  expect([...devices.values()].reduce((sum, { stored }) => sum + stored, 0)).toBe(model.stored);
  expect(status.liveBytes).toBeLessThan(80_000 + 40_000);
  for (const { name, taken, sent, dropped, pending } of store.outboxes()) {
    const all = model.taken.get(name) ?? [];
    expect(taken).toBe(all.length);
    expect(taken).toBe(sent + dropped + pending);
    if (name !== 'keeps' && name !== 'drops') continue;
    expect(waitingIn(store.openOutbox(name, OUTBOXES[name]))).toEqual(all.slice(sent + dropped));
  }
  for (const ledger of store.sinks()) {
    const { stored, written, rejected, dropped, pending } = ledger;
    expect(stored).toBe(written + rejected + dropped + pending);
    expect(rejected).toBe(model.sinkOpen.get(ledger.name) ?? 0);
    expect(pendingLines(store, ledger.name)).toEqual(
      visible(model.lines.slice(model.lines.length - pending)),
    );
    expect(ledger.oldestPendingMs === null).toBe(pending === 0);
  }
}
