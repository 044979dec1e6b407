import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GroupsUnderWay } from '../../gateway/ledgers/groups-under-way.ts';
import { DEFAULT_IDENTITY_LIMITS, Identities } from '../../gateway/ledgers/identities.ts';
import { IdentityWindow } from '../../gateway/ledgers/identity-window.ts';
import { FakeStore } from './fake-store.ts';

function identitiesOf(store: FakeStore, limits = DEFAULT_IDENTITY_LIMITS): Identities {
  const groups = new GroupsUnderWay((error) => {
    throw error;
  });
  const identities = new Identities(groups, limits);
  identities.restore(store.identities);
  return identities;
}

function id(n: number) {
  return { high: Math.imul(n, 0x9e37_79b1) >>> 0, low: n };
}

describe('identities', () => {
  it('a reading that was stored is a duplicate when it comes again, also after a restart', async () => {
    const store = new FakeStore();
    const identities = identitiesOf(store);
    const group = store.group();
    expect(identities.judge('a', id(1))).toBeNull();
    identities.keep('a', id(1), group);
    await group.commit();
    expect(identities.judge('a', id(1))).toEqual({ kind: 'duplicate', original: null });
    expect(identitiesOf(store).judge('a', id(1))).toEqual({ kind: 'duplicate', original: null });
  });

  it('while the original is under way, a repeat waits for its commit', async () => {
    const store = new FakeStore();
    const identities = identitiesOf(store);
    const group = store.group();
    identities.keep('a', id(1), group);
    expect(identities.judge('a', id(1))).toEqual({ kind: 'duplicate', original: group.committed });
    const next = store.group();
    identities.keep('a', id(2), next);
    expect(identities.judge('a', id(1))).toEqual({ kind: 'duplicate', original: group.committed });
    await group.commit();
    expect(identities.judge('a', id(1))).toEqual({ kind: 'duplicate', original: null });
    expect(identities.judge('a', id(2))).toEqual({ kind: 'duplicate', original: next.committed });
  });

  it('what a failed group carried is new when it is sent again', async () => {
    const store = new FakeStore();
    const identities = identitiesOf(store);
    const good = store.group();
    identities.keep('a', id(1), good);
    await good.commit();
    const failing = store.group();
    const after = store.group();
    for (let n = 2; n <= 40; n += 1) identities.keep('a', id(n), failing);
    identities.keep('b', id(2), failing);
    identities.keep('a', id(50), after);
    await failing.fail();
    for (let n = 2; n <= 40; n += 1) expect(identities.judge('a', id(n))).toBeNull();
    expect(identities.judge('b', id(2))).toBeNull();
    expect(identities.judge('a', id(1))?.kind).toBe('duplicate');
    expect(identities.judge('a', id(50))?.kind).toBe('duplicate');
    const again = store.group();
    identities.keep('a', id(2), again);
    await again.commit();
    expect(identities.judge('a', id(2))).toEqual({ kind: 'duplicate', original: null });
  });

  it('one device never answers for another', () => {
    const identities = identitiesOf(new FakeStore());
    identities.keep('a', id(1), new FakeStore().group());
    expect(identities.judge('b', id(1))).toBeNull();
  });

  it('remembers the last 65,536 of a device, and no more', () => {
    const store = new FakeStore();
    for (let n = 1; n <= 70_000; n += 1) store.identities.push({ device: 'a', ...id(n) });
    const identities = identitiesOf(store);
    expect(identities.judge('a', id(70_000 - 65_536))).toBeNull();
    expect(identities.judge('a', id(70_000 - 65_535))?.kind).toBe('duplicate');
    expect(identities.judge('a', id(70_000))?.kind).toBe('duplicate');
    expect(identities.size).toEqual({ devices: 1, slots: 65_536 });
  });

  it('shares its room between many devices, and each keeps its newest', () => {
    const store = new FakeStore();
    const limits = { maxPerDevice: 256, maxIdentities: 4_096, maxDevices: 1_000 };
    const identities = identitiesOf(store, limits);
    const group = store.group();
    for (let n = 1; n <= 300; n += 1) for (let d = 0; d < 100; d += 1) identities.keep(`d${d}`, id(n), group);
    expect(identities.size.slots).toBeLessThanOrEqual(4_096);
    for (let d = 0; d < 100; d += 1)
      for (let n = 285; n <= 300; n += 1) expect(identities.judge(`d${d}`, id(n))?.kind).toBe('duplicate');
  });

  it('forgets the eighth that sent nothing for longest when there are too many devices', () => {
    const store = new FakeStore();
    const identities = identitiesOf(store, { maxPerDevice: 16, maxIdentities: 100_000, maxDevices: 80 });
    const group = store.group();
    for (let d = 0; d < 80; d += 1) identities.keep(`d${d}`, id(1), group);
    identities.keep('d0', id(2), group);
    identities.keep('new', id(1), group);
    expect(identities.size.devices).toBe(71);
    expect(identities.judge('d0', id(1))?.kind).toBe('duplicate');
    expect(identities.judge('d1', id(1))).toBeNull();
    expect(identities.judge('d10', id(1))).toBeNull();
    expect(identities.judge('d11', id(1))?.kind).toBe('duplicate');
  });

  it('a window is the last so many of what was added, whatever groups failed in between', () => {
    const step = fc.oneof(
      { weight: 20, arbitrary: fc.record({ n: fc.nat(60), group: fc.integer({ min: 1, max: 4 }) }) },
      { weight: 1, arbitrary: fc.record({ void: fc.integer({ min: 1, max: 4 }) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const window = new IdentityWindow();
        // Void places go on taking room until they are the oldest.
        let model: { n: number | null; group: number }[] = [];
        for (const each of steps) {
          if ('void' in each) {
            window.voidGroup(each.void);
            for (const slot of model)
              if (slot.group === each.void) Object.assign(slot, { n: null, group: 0 });
            continue;
          }
          if (model.some(({ n }) => n === each.n)) {
            expect(window.groupOf(each.n, each.n)).not.toBe(-1);
            continue;
          }
          const before = window.slots;
          window.add(each.n, each.n, each.group, 32);
          if (window.slots > before) model = model.filter(({ n }) => n !== null);
          model = [...model, { ...each }].slice(-window.slots);
        }
        for (let n = 0; n <= 60; n += 1)
          expect(window.groupOf(n, n)).toBe(model.find((slot) => slot.n === n)?.group ?? -1);
      }),
      { numRuns: 300 },
    );
  });
});
