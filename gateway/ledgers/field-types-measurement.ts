import type { FieldType, SchemaField } from '../contracts.ts';
import { isFieldType } from './field-types-databases.ts';
import type { ConflictingField, WantedField } from './field-types-verdict.ts';

export const TYPES_PREFIX = 'types/';

/** A note holds 16 KiB: a measurement with many fields takes several documents. */
const BLOCK_BYTES = 12 * 1024;
/** Of a device or schema: enough to be recognised. */
const MAX_NAME_CHARACTERS = 200;

/** A field that was stored through this gateway. */
export interface OwnField {
  readonly name: string;
  readonly type: FieldType;
  readonly sinceMs: number;
  /** Who stored it first. */
  readonly device: string;
  readonly schema: string;
  readonly block: number;
  /** Groups under way that carry it; null: on disk. */
  carriers: Set<number> | null;
}

/** What the fields of a schema come to in one measurement. Shared by all series of both; brought up to date in place. */
export interface Verdict {
  readonly types: MeasurementTypes;
  readonly fields: readonly SchemaField[];
  /** Of the measurement's own types, and of what databases have told, when this was worked out. */
  version: number;
  learned: number;
  /** Fields that a reading must not carry. */
  conflicts: readonly ConflictingField[];
  /** Fields that the ledger does not hold yet, or whose first group is still under way. */
  missing: readonly WantedField[];
}

/** The fields of one measurement. */
export class MeasurementTypes {
  readonly name: string;
  readonly fields = new Map<string, OwnField>();
  readonly verdicts = new WeakMap<readonly SchemaField[], Verdict>();
  /** Rises with each change. */
  version = 0;
  /** No more fields are taken: what it does not know yet is not checked. */
  isFull = false;
  /** Known to the ledger; else it only serves a question about a measurement that nobody stored yet. */
  isKept: boolean;
  /** Bytes of each of its documents, roughly. */
  readonly #blocks: number[] = [];

  constructor(name: string, isKept: boolean) {
    this.name = name;
    this.isKept = isKept;
  }

  add(field: {
    readonly name: string;
    readonly type: FieldType;
    readonly sinceMs: number;
    readonly device: string;
    readonly schema: string;
  }): OwnField {
    const own: OwnField = {
      ...field,
      device: field.device.slice(0, MAX_NAME_CHARACTERS),
      schema: field.schema.slice(0, MAX_NAME_CHARACTERS),
      block: 0,
      carriers: null,
    };
    const bytes = Buffer.byteLength(JSON.stringify(row(own))) + 1;
    const last = Math.max(0, this.#blocks.length - 1);
    const block = (this.#blocks[last] ?? 0) + bytes <= BLOCK_BYTES ? last : last + 1;
    return this.#put({ ...own, block }, bytes);
  }

  /** What the document of a block says now; null where it has no fields (any more). */
  encodeBlock(block: number): string | null {
    const rows = [...this.fields.values()].filter((field) => field.block === block).map(row);
    return rows.length === 0 ? null : JSON.stringify(rows);
  }

  /** Takes up what `encodeBlock` wrote; anything else is passed over. */
  decodeBlock(block: number, text: string): void {
    for (const each of rowsOf(text)) {
      if (!Array.isArray(each)) continue;
      const [name, type, sinceMs, device, schema]: unknown[] = each;
      if (typeof name !== 'string' || !isFieldType(type) || typeof sinceMs !== 'number') continue;
      if (typeof device !== 'string' || typeof schema !== 'string') continue;
      const bytes = Buffer.byteLength(JSON.stringify(each)) + 1;
      this.#put({ name, type, sinceMs, device, schema, block, carriers: null }, bytes);
    }
  }

  documentName(block: number): string {
    return `${TYPES_PREFIX}${block}/${this.name}`;
  }

  #put(field: OwnField, bytes: number): OwnField {
    while (this.#blocks.length <= field.block) this.#blocks.push(0);
    this.#blocks[field.block] = (this.#blocks[field.block] ?? 0) + bytes;
    this.fields.set(field.name, field);
    this.version += 1;
    return field;
  }
}

/** Null where it is no name of such a document. The block comes first, because a measurement may have any characters. */
export function parseTypesDocumentName(name: string): { block: number; measurement: string } | null {
  const match = /^(\d{1,3})\/(.+)$/.exec(name.slice(TYPES_PREFIX.length));
  return match === null ? null : { block: Number(match[1]), measurement: match[2] ?? '' };
}

function row({ name, type, sinceMs, device, schema }: OwnField): unknown[] {
  return [name, type, sinceMs, device, schema];
}

function rowsOf(text: string): unknown[] {
  try {
    const rows: unknown = JSON.parse(text);
    return Array.isArray(rows) ? rows : [];
  } catch {
    return [];
  }
}
