import type { Digest } from '../contracts.ts';
import { type DigestField, digestOfFields } from '../field-digest.ts';
import type { LedgerDevice } from '../ledger/run-file.ts';
import type { StoredRow } from './audit-contract.ts';

/** What is audited together: a device; or all devices whose schema has no device tag, which no database can tell apart. */
export interface AuditUnit {
  readonly index: number;
  readonly name: string;
  /** The units of their times in ns; most have one. */
  readonly timeUnitsNs: readonly bigint[];
}

export const WITHOUT_TAG = '(no device tag)';

/** Finds whose a row or a rejection is, and names what it holds as the ledger does. */
export class AuditUnits {
  readonly all: readonly AuditUnit[];
  private readonly byDevice: readonly number[];
  private readonly byName = new Map<string, number>();
  /** Names of devices without a tag of theirs too. */
  private readonly byDeviceName = new Map<string, number>();
  private readonly deviceTags: ReadonlySet<string>;
  private readonly undigested: readonly ReadonlySet<string>[];
  private readonly untagged: number | null;

  constructor(devices: readonly LedgerDevice[]) {
    const parts: { name: string; times: Set<bigint>; undigested: Set<string> }[] = [];
    let untagged: number | null = null;
    this.byDevice = devices.map(({ name, deviceTag, timeUnitNs, undigested }) => {
      let index = deviceTag === null ? (untagged ?? undefined) : this.byName.get(name);
      if (index === undefined) {
        index = parts.length;
        parts.push({
          name: deviceTag === null ? WITHOUT_TAG : name,
          times: new Set(),
          undigested: new Set(),
        });
        if (deviceTag === null) untagged = index;
        else this.byName.set(name, index);
      }
      this.byDeviceName.set(name, index);
      if (timeUnitNs !== null) parts[index]?.times.add(BigInt(timeUnitNs));
      for (const field of undigested) parts[index]?.undigested.add(field);
      return index;
    });
    this.untagged = untagged;
    this.deviceTags = new Set(devices.flatMap(({ deviceTag }) => (deviceTag === null ? [] : [deviceTag])));
    this.all = parts.map(({ name, times }, index) => ({ index, name, timeUnitsNs: [...times] }));
    this.undigested = parts.map(({ undigested }) => undigested);
  }

  /** Of a device, by its position in the ledger's list. */
  ofDevice(device: number): number {
    return this.byDevice[device] ?? 0;
  }

  /** Of the device that a rejection names; null: none of ours. */
  ofDeviceName(name: string): number | null {
    return this.byDeviceName.get(name) ?? null;
  }

  /** Whose row it is, and the digest of its fields and tags as the ledger has it; null: none of ours. */
  identify(
    { tags, fields }: StoredRow,
    ignored: ReadonlySet<string>,
  ): { unit: number; digest: Digest } | null {
    let unit: number | null = null;
    let ownTag: string | null = null;
    for (const tag of this.deviceTags) {
      const value = tags.get(tag);
      if (value === undefined) continue;
      unit = this.byName.get(value) ?? null;
      ownTag = tag;
      if (unit !== null) break;
    }
    if (ownTag === null) unit = this.untagged;
    if (unit === null) return null;
    if (fields === null) return { unit, digest: { high: 0, low: 0 } };
    const undigested = this.undigested[unit];
    const entries: DigestField[] = fields.filter(
      ({ name }) => undigested?.has(name) !== true && !ignored.has(name),
    );
    for (const [name, value] of tags) {
      if (name !== ownTag && undigested?.has(`tag:${name}`) !== true) {
        entries.push({ name: `tag:${name}`, kind: 's', value });
      }
    }
    return { unit, digest: digestOfFields(entries) };
  }
}
