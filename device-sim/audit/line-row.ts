import type { FieldValue, LinePoint } from '../../gateway/line-protocol/encode.ts';
import type { DigestField } from '../field-digest.ts';
import type { StoredRow } from './audit-contract.ts';

const KINDS = { float: 'f', integer: 'i', string: 's', boolean: 'b' } as const;

/** A point of line protocol as a database would hold it. */
export function rowOfPoint({ tags, fields, timestampNs }: LinePoint): StoredRow {
  return {
    timeNs: BigInt(timestampNs ?? 0),
    tags: new Map(tags),
    fields: fields.map(([name, value]) => fieldOf(name, value)),
  };
}

function fieldOf(name: string, { type, value }: FieldValue): DigestField {
  return { name, kind: KINDS[type], value };
}
