import type { Clock, Identity, Message, Point, SchemaField, Series } from '../../gateway/contracts.ts';
import type { EventFields, EventName, Events } from '../../gateway/monitoring/events.ts';
import type { Group, IdentityKey, Store } from '../../gateway/store-contract.ts';
import { messageOn } from '../support/message.ts';

/** The part of a store that ledgers use: what a group noted is kept when it is committed, and only then. */
export class FakeStore implements Pick<Store, 'identities' | 'document' | 'documents' | 'setDocuments'> {
  readonly kept = new Map<string, string>();
  readonly identities: IdentityKey[] = [];
  /** What `setDocuments` fails with. */
  failure: Error | null = null;

  group(): FakeGroup {
    return new FakeGroup(this);
  }

  document(name: string): string | null {
    return this.kept.get(name) ?? null;
  }

  documents(prefix: string): Iterable<readonly [string, string]> {
    return [...this.kept].filter(([name]) => name.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  setDocuments(changes: ReadonlyMap<string, string | null>): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    for (const [name, text] of changes) {
      if (text === null) this.kept.delete(name);
      else this.kept.set(name, text);
    }
    return Promise.resolve();
  }
}

export class FakeGroup implements Group {
  readonly committed: Promise<void>;
  readonly notes = new Map<string, string>();
  readonly identified: IdentityKey[] = [];
  readonly #store: FakeStore;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(store: FakeStore) {
    this.#store = store;
    this.committed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.committed.catch(() => undefined);
  }

  receive(): void {}
  count(): void {}
  point(): void {}
  reject(): string {
    return 'r1';
  }
  remember(): void {}
  rememberLast(): void {}
  forward(): void {}
  resolve(): void {}
  markProvisional(): void {}
  arrivedAt(): void {}

  identify(device: string, { high, low }: Identity): void {
    this.identified.push({ device, high, low });
  }

  note(name: string, text: string): void {
    this.notes.set(name, text);
  }

  async commit(): Promise<void> {
    for (const [name, text] of this.notes) this.#store.kept.set(name, text);
    this.#store.identities.push(...this.identified);
    this.#resolve();
    await settled();
  }

  async fail(): Promise<void> {
    this.#reject(new Error('no room'));
    await settled();
  }
}

/** Lets everything happen that can. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 8; i += 1) await Promise.resolve();
}

export class ManualClock implements Clock {
  ms = Date.UTC(2026, 2, 1, 12);
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  sleep(): Promise<void> {
    return Promise.resolve();
  }
}

export class ToldEvents implements Events {
  readonly told: { readonly name: EventName; readonly fields: EventFields }[] = [];
  emit(name: EventName, fields: EventFields = {}): void {
    this.told.push({ name, fields });
  }
  count(name: EventName): number {
    return this.told.filter((each) => each.name === name).length;
  }
}

export const FLOAT_FIELDS: readonly SchemaField[] = [{ name: 'value', type: 'float' }];

export function seriesOf(
  tags = 'device=a',
  fields: readonly SchemaField[] = FLOAT_FIELDS,
  measurement = 'machine',
): Series {
  const device = /device=([^,]+)/.exec(tags)?.[1] ?? 'a';
  return { key: `${measurement},${tags}`, measurement, device, fields, known: null };
}

let counter = 0;

export function pointOf(series: Series, text = 'value=1.5', some: Partial<Point> = {}): Point {
  counter += 1;
  return {
    kind: 'point',
    device: series.device,
    schema: 'machine.v1',
    line: `${series.key} ${text} ${1_700_000_000_000_000_000n + BigInt(counter)}\n`,
    recognisable: true,
    isSameAnywhere: true,
    series,
    identity: null,
    sentUs: null,
    seq: null,
    receipt: false,
    ...some,
  };
}

export const MESSAGE: Message = messageOn('machines/a', '{}', { client: 'a' });
