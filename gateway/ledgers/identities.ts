import type { Identity } from '../contracts.ts';
import type { Judgement } from '../ledger-contract.ts';
import type { Group, IdentityKey } from '../store-contract.ts';
import type { GroupsUnderWay } from './groups-under-way.ts';
import { IdentityWindow } from './identity-window.ts';

export interface IdentityLimits {
  readonly maxPerDevice: number;
  readonly maxIdentities: number;
  readonly maxDevices: number;
}

/** As many as the store remembers across a restart; some 20 MB when all are used. */
export const DEFAULT_IDENTITY_LIMITS: IdentityLimits = {
  maxPerDevice: 65_536,
  maxIdentities: 1_000_000,
  maxDevices: 50_000,
};

/** However many devices there are, each keeps this many. */
const LEAST_SLOTS = 16;
const ON_DISK: Judgement = Object.freeze({ kind: 'duplicate', original: null });

/**
 * The identities of readings that were stored, or are about to be. One that comes again is a duplicate, whoever sends
 * it and however long ago, as long as it is among the last of its device.
 *
 * Bounds: `maxPerDevice` of one device; where all together would exceed `maxIdentities`, each keeps an equal part (its
 * newest, rounded down to a power of two, at least 16); beyond `maxDevices` the eighth of the devices that sent nothing
 * for longest goes. What is forgotten would be stored a second time if it were sent again.
 *
 * Identities of a group that could not be committed are forgotten with it: its readings were never acknowledged and are
 * sent again, and must then be taken for new.
 */
export class Identities {
  readonly #windows = new Map<string, IdentityWindow>();
  readonly #groups: GroupsUnderWay;
  readonly #limits: IdentityLimits;
  #slots = 0;
  #uses = 0;

  constructor(groups: GroupsUnderWay, limits: IdentityLimits = DEFAULT_IDENTITY_LIMITS) {
    this.#groups = groups;
    const maxDevices = Math.min(limits.maxDevices, Math.trunc(limits.maxIdentities / LEAST_SLOTS));
    this.#limits = { ...limits, maxDevices: Math.max(1, maxDevices) };
    groups.whenEnded((group, committed) => {
      if (!committed) for (const window of this.#windows.values()) window.voidGroup(group);
    });
  }

  /** Devices, and room for identities: for tests and for whoever measures. */
  get size(): { readonly devices: number; readonly slots: number } {
    return { devices: this.#windows.size, slots: this.#slots };
  }

  /** Null: it has not been seen. */
  judge(device: string, { high, low }: Identity): Judgement | null {
    const group = this.#windows.get(device)?.groupOf(high, low) ?? -1;
    if (group === -1) return null;
    const original = group === 0 ? null : this.#groups.commitOf(group);
    return original === null ? ON_DISK : { kind: 'duplicate', original };
  }

  keep(device: string, identity: Identity, group: Group): void {
    this.#add(device, identity, this.#groups.enter(group));
    group.identify(device, identity);
  }

  /** Takes up what the store remembered. */
  restore(identities: Iterable<IdentityKey>): void {
    for (const key of identities) this.#add(key.device, key, 0);
  }

  #add(device: string, { high, low }: Identity, group: number): void {
    let window = this.#windows.get(device);
    if (window === undefined) {
      if (this.#windows.size >= this.#limits.maxDevices) this.#forgetIdlest();
      window = new IdentityWindow();
      this.#windows.set(device, window);
      this.#slots += window.slots;
    }
    this.#uses += 1;
    window.usedAt = this.#uses;
    const before = window.slots;
    window.add(high, low, group, this.#share());
    this.#slots += window.slots - before;
    if (this.#slots > this.#limits.maxIdentities) this.#shrinkAll();
  }

  #share(): number {
    const { maxIdentities, maxPerDevice } = this.#limits;
    const share = Math.trunc(maxIdentities / Math.max(1, this.#windows.size));
    return Math.max(LEAST_SLOTS, Math.min(maxPerDevice, share));
  }

  /** To the power of two within the share. Growing again only within the share, all of them then fit. */
  #shrinkAll(): void {
    const most = 2 ** Math.trunc(Math.log2(this.#share()));
    for (const window of this.#windows.values()) {
      if (window.slots <= most) continue;
      this.#slots += most - window.slots;
      window.resize(most);
    }
  }

  /** An eighth at a time, so that the search is paid for seldom. */
  #forgetIdlest(): void {
    const byUse = [...this.#windows].sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [device, window] of byUse.slice(0, Math.ceil(byUse.length / 8))) {
      this.#windows.delete(device);
      this.#slots -= window.slots;
    }
  }
}
