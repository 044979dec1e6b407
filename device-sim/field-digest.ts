import { hash } from 'node:crypto';
import type { Digest, FieldKind } from './contracts.ts';

/** A field as a database holds it. Integers as bigint where they need not fit a number. */
export interface DigestField {
  readonly name: string;
  readonly kind: FieldKind;
  readonly value: number | bigint | string | boolean;
}

/**
 * Names the fields of a reading, so that a ledger need not keep them: the same for the same names, types and values, in
 * any order. 64 bits of SHA-256: among 10⁷ readings of one run, two different ones look alike with p < 10⁻⁵.
 */
export function digestOfFields(fields: readonly DigestField[]): Digest {
  const text = fields
    .map(({ name, kind, value }) => `${name.length}:${name}${kind}${canonical(kind, value)}`)
    .sort()
    .join('\n');
  return digestOf(text);
}

/** Names bytes or a text. */
export function digestOf(text: string | Buffer): Digest {
  const bytes = hash('sha256', text, 'buffer');
  return { high: bytes.readUInt32BE(0), low: bytes.readUInt32BE(4) };
}

function canonical(kind: FieldKind, value: DigestField['value']): string {
  switch (kind) {
    case 'f':
      // Minus zero is stored as such by some databases only.
      return String(Number(value) + 0);
    case 'i':
      return String(value);
    case 's':
      return JSON.stringify(String(value));
    case 'b':
      return value === true ? '1' : '0';
  }
}
