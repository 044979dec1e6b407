import type { FieldType, SchemaField } from '../contracts.ts';
import type { Judgement } from '../ledger-contract.ts';
import { decodeLine } from '../line-protocol/decode.ts';
import { escapeName } from '../line-protocol/encode.ts';

/** A field of a schema, and how a line begins it. */
export interface WantedField {
  readonly name: string;
  readonly type: FieldType;
  /** `name=`, escaped. */
  readonly token: string;
}

export interface ConflictingField extends WantedField {
  readonly judgement: Judgement;
}

export function wanted({ name, type }: SchemaField): WantedField {
  return { name, type, token: `${escapeName(name)}=` };
}

const COMMA = 0x2c;
const SPACE = 0x20;

/**
 * Those of `fields` that the line really carries; `from` is where its fields begin. A search for the name first: only a
 * line in which it is found (a name within a quoted string looks the same) is worth decoding.
 */
export function carried<T extends WantedField>(fields: readonly T[], line: string, from: number): T[] {
  const likely = fields.filter(({ token }) => mayCarry(line, from, token));
  if (likely.length === 0) return likely;
  const names = new Set(decodeLine(line).fields.map(([name]) => name));
  return likely.filter(({ name }) => names.has(name));
}

function mayCarry(line: string, from: number, token: string): boolean {
  for (let at = line.indexOf(token, from); at !== -1; at = line.indexOf(token, at + 1)) {
    const before = line.charCodeAt(at - 1);
    if (before === COMMA || before === SPACE) return true;
  }
  return false;
}
