import type { Violation } from '../contracts.ts';
import { escapeName, integerToken, isInt64, stringProblem, stringToken } from '../line-protocol/encode.ts';
import { type Calibrate, type Calibration, calibrateOf } from './calibration.ts';
import { rangeProblem } from './decimal-text.ts';
import type { LeafShape, ObjectShape } from './field-shape.ts';
import { escapePointer } from './json-document.ts';
import { inWords } from './violation-words.ts';

/** What one reading leaves behind; reused for the next one, since readings are mapped one after the other. */
export interface Written {
  /** When the reading counts as measured, ms: which calibration was valid. Set before writing. */
  atMs: number;
  /** The fields of the line: `a=1,b=2i`. */
  text: string;
  violations: Violation[];
  /** Declared properties without a value: null. */
  missing: number;
  /** Properties that are stored nowhere. */
  ignored: number;
}

export type Writer = (value: unknown, out: Written) => void;

export function emptyWritten(): Written {
  return { atMs: 0, text: '', violations: [], missing: 0, ignored: 0 };
}

/**
 * Writes the fields of an object as declared. Leaves that are no field (tags, time, device) only count as known.
 * @param calibration of the device, where it has one
 */
export function objectWriter(
  shape: ObjectShape,
  isField: (leaf: LeafShape) => boolean,
  calibration: Calibration | null = null,
): Writer {
  const members = shape.members.map((member): { readonly name: string; readonly write: Writer } => ({
    name: member.name,
    write:
      member.kind === 'object'
        ? objectWriter(member, isField, calibration)
        : member.kind === 'leaf'
          ? leafMember(member, isField(member), calibration)
          : countIgnored,
  }));
  return (value, out) => {
    if (typeof value !== 'object' || value === null) {
      if (value === null) out.missing += 1;
      return;
    }
    // The validator has found an object here. Names that objects inherit are refused when a schema is loaded.
    const object = value as Readonly<Record<string, unknown>>;
    let known = 0;
    for (let i = 0; i < members.length; i += 1) {
      const member = members[i];
      if (member === undefined) continue;
      const found = object[member.name];
      if (found === undefined) continue;
      known += 1;
      member.write(found, out);
    }
    out.ignored += Object.keys(object).length - known;
  };
}

const countIgnored: Writer = (_, out) => {
  out.ignored += 1;
};

const nothing: Writer = () => {};

function leafMember(leaf: LeafShape, isField: boolean, calibration: Calibration | null): Writer {
  if (leaf.field === null) return countIgnored;
  if (!isField) return nothing;
  return leafWriter(leaf, calibrateOf(leaf.type, calibration?.get(leaf.field)));
}

function leafWriter(leaf: LeafShape, calibrate: Calibrate | null): Writer {
  const key = `${escapeName(leaf.field ?? leaf.name)}=`;
  const encode = encoderOf(leaf);
  const { decimal } = leaf;
  const pointer = leaf.path.map((name) => `/${escapePointer(name)}`).join('');
  return (value, out) => {
    if (value === null) {
      out.missing += 1;
      return;
    }
    let plain = value;
    if (decimal !== null && typeof value === 'string') {
      // The validator has found a number in it.
      plain = Number(value);
      const problem = rangeProblem(Number(value), decimal);
      if (problem !== null) {
        out.violations.push({ pointer, message: problem });
        return;
      }
    }
    const token = encode(calibrate === null ? plain : calibrate(plain, out.atMs));
    if (token.startsWith(REFUSED)) out.violations.push({ pointer, message: token.slice(REFUSED.length) });
    else out.text = out.text === '' ? key + token : `${out.text},${key}${token}`;
  };
}

/** Marks what is no token but a refusal: no token begins so. */
const REFUSED = '\n';

function encoderOf({ type, int64 }: LeafShape): (value: unknown) => string {
  switch (type) {
    case 'float':
      return (value) =>
        typeof value === 'number' && Number.isFinite(value) ? String(value) : refused('a number', value);
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? String(value) : refused('boolean', value));
    case 'string':
      return (value) => {
        if (typeof value !== 'string') return refused('string', value);
        const problem = stringProblem(value);
        return problem === null ? stringToken(value) : REFUSED + problem;
      };
    case 'integer':
      return (value) => {
        if (typeof value === 'number' && Number.isSafeInteger(value)) return `${value}i`;
        if (int64 && typeof value === 'string' && isInt64(value)) return integerToken(value);
        return typeof value === 'number' && Number.isInteger(value)
          ? `${REFUSED}must be within ±(2^53-1), where JSON numbers are exact, got ${value}; send it as a string of digits, and declare "format": "int64"`
          : refused('an integer', value);
      };
  }
}

function refused(type: string, value: unknown): string {
  return `${REFUSED}must be ${type}, got ${inWords(value)}`;
}
