import { afterEach } from 'vitest';
import type { Clock } from '../../gateway/contracts.ts';
import type { EventFields, EventName, Events } from '../../gateway/monitoring/events.ts';
import type { StoreDeps, StoreOptions } from '../../gateway/store/store-options.ts';
import type { Group, NewRejection, Store } from '../../gateway/store-contract.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  private ms = 1_700_000_000_000;
  private waiting: { readonly at: number; readonly resolve: () => void }[] = [];

  nowMs(): number {
    return this.ms;
  }

  monotonicMs(): number {
    return this.ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const end = (): void => {
        signal?.removeEventListener('abort', end);
        resolve();
      };
      this.waiting.push({ at: this.ms + ms, resolve: end });
      signal?.addEventListener('abort', end, { once: true });
    });
  }

  advance(ms: number): void {
    this.ms += ms;
    const due = this.waiting.filter(({ at }) => at <= this.ms);
    this.waiting = this.waiting.filter(({ at }) => at > this.ms);
    for (const { resolve } of due) resolve();
  }
}

export class RecordedEvents implements Events {
  readonly all: { readonly name: EventName; readonly fields: EventFields }[] = [];

  emit(name: EventName, fields: EventFields = {}): void {
    this.all.push({ name, fields });
  }

  count(name: EventName): number {
    return this.all.filter((each) => each.name === name).length;
  }
}

export interface TestDeps extends StoreDeps {
  readonly clock: ManualClock;
  readonly events: RecordedEvents;
}

export function testDeps(): TestDeps {
  return { clock: new ManualClock(), events: new RecordedEvents() };
}

/** One implementation under test. What it opens it also closes. */
export interface StoreUnderTest {
  /** The store that is open now. */
  readonly store: Store;
  /** Closes it and opens it again. */
  reopen(options?: Partial<StoreOptions>): Promise<Store>;
  /** Opens what is on disk at this moment, as if the process had been killed. */
  crash(options?: Partial<StoreOptions>): Promise<Store>;
  close(): Promise<void>;
}

export interface StoreHarness {
  open(options: Partial<StoreOptions>, deps: TestDeps): Promise<StoreUnderTest>;
}

/** The store of whichever test is running. */
export interface StoreOfTest {
  /** Its clock and its events. */
  readonly deps: TestDeps;
  /** The one that is open now. */
  readonly store: Store;
  /** Without upkeep of its own accord, unless told. */
  readonly open: (options?: Partial<StoreOptions>) => Promise<Store>;
  readonly again: (how: 'reopen' | 'crash', options?: Partial<StoreOptions>) => Promise<Store>;
}

/** For a `describe`: each of its tests opens a store of its own, which is closed behind it. */
export function storeOfEachTest(harness: StoreHarness): StoreOfTest {
  let under: StoreUnderTest | null = null;
  let deps = testDeps();
  const opened = (): StoreUnderTest => {
    if (under === null) throw new Error('nothing is open');
    return under;
  };
  afterEach(async () => {
    await under?.close();
    under = null;
  });
  return {
    get deps() {
      return deps;
    },
    get store() {
      return opened().store;
    },
    open: async (options = {}) => {
      deps = testDeps();
      under = await harness.open({ upkeepEveryMs: null, minFreeDiskBytes: 0, ...options }, deps);
      return under.store;
    },
    again: async (how, options) => await opened()[how](options),
  };
}

/** Lets everything happen that the store has begun of itself. */
export async function quiet(store: Store): Promise<void> {
  for (let i = 0; i < 6; i += 1) await store.setDocument('quiet', String(i));
}

/** A group with `n` points of the device, committed. Returns the lines. */
export async function commitPoints(
  store: Store,
  n: number,
  device = 'd1',
  source = 'mqtt',
): Promise<string[]> {
  const lines = addPoints(store.group(), n, device, source);
  await lines.committed;
  return lines.lines;
}

let lineNumber = 0;

export function addPoints(
  group: Group,
  n: number,
  device = 'd1',
  source = 'mqtt',
): { readonly committed: Promise<void>; readonly lines: string[] } {
  const lines: string[] = [];
  for (let i = 0; i < n; i += 1) {
    lineNumber += 1;
    const line = `m,device=${device} v=${lineNumber},unit="µ" ${lineNumber}\n`;
    group.point(line);
    group.receive(source, device, 1);
    group.count(source, device, 'stored', 1);
    lines.push(line);
  }
  return { committed: group.committed, lines };
}

export function rejectionOf(given: Partial<NewRejection> = {}): NewRejection {
  return {
    code: 'invalid',
    source: 'mqtt',
    topic: 'sensors/d1/environment',
    client: 'c1',
    device: 'd1',
    schema: 'environment.v1',
    index: null,
    atMs: 1_700_000_000_000,
    payload: Buffer.from('{"temperature":"hot"}'),
    violations: [{ pointer: '/temperature', message: 'must be a number' }],
    sink: null,
    username: null,
    format: null,
    relay: null,
    schemaVersion: null,
    ...given,
  };
}

/** All lines a sink would still be given. */
export function pendingLines(store: Store, sink: string): string[] {
  const ledger = store.sinks().find(({ name }) => name === sink);
  if (ledger === undefined) throw new Error(`no sink ${sink}`);
  const reader = store.reader();
  const lines: string[] = [];
  let cursor = ledger.cursor;
  for (;;) {
    const slice = reader.read(cursor, store.status().lastSeq, { maxPoints: 7, maxBytes: 1e6 });
    if (slice === null) return lines;
    lines.push(...linesOf(slice.lines));
    cursor = slice.lastSeq;
  }
}

export function linesOf(buffer: Buffer): string[] {
  return buffer
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `${line}\n`);
}
