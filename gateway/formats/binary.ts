import type { Format } from '../contracts.ts';
import { BINARY_TYPES, type BinaryType, readerOf } from './binary-readers.ts';
import { undecodable } from './payload-text.ts';
import { SpecOptions } from './spec-options.ts';
import { setMember } from './text-values.ts';

export const BINARY_OPTIONS = ['fields', 'length', 'endian'] as const;
const FIELD_OPTIONS = ['name', 'offset', 'type', 'endian', 'length', 'scale', 'add', 'bits', 'unit'] as const;
const MAX_FIELDS = 500;
const MAX_BYTES = 65_536;
const MAX_NAME_CHARACTERS = 120;
const MAX_UNIT_CHARACTERS = 32;

interface Field {
  readonly name: string;
  /** Behind its last byte. */
  readonly end: number;
  /** Null for what stands for no value, such as NaN. */
  read(payload: Buffer): number | string | null;
}

/** Bytes by a list of fields: name, offset, type. The unit is for people. */
export function createBinaryFormat(options: SpecOptions): Format {
  const endian = options.oneOf('endian', ['little', 'big'], 'little');
  const fields = options
    .list('fields', 1, MAX_FIELDS)
    .map((field, at) => fieldOf(new SpecOptions(`binary.fields[${at}]`, field, FIELD_OPTIONS), endian));
  if (new Set(fields.map(({ name }) => name)).size !== fields.length)
    options.fail('fields', 'must name each field once');
  const needed = Math.max(...fields.map(({ end }) => end));
  const length = options.has('length') ? options.integer('length', 1, MAX_BYTES) : null;
  if (length !== null && length < needed)
    options.fail('length', `is ${length}, and the fields reach to ${needed}`);
  return {
    name: 'binary',
    elements: () => null,
    decode(payload) {
      if (length !== null && payload.length !== length)
        throw undecodable(
          `${payload.length} bytes where ${length} are expected: differs at byte ${Math.min(length, payload.length)}; send whole frames, or set length`,
        );
      if (payload.length < needed) {
        const cut = fields.find(({ end }) => end > payload.length)?.name ?? '';
        throw undecodable(
          `ends at byte ${payload.length}, before the end of ${JSON.stringify(cut)}; send all ${needed} bytes`,
        );
      }
      const reading: Record<string, number | string | null> = {};
      for (const field of fields) setMember(reading, field.name, field.read(payload));
      return reading;
    },
  };
}

function fieldOf(options: SpecOptions, endian: 'little' | 'big'): Field {
  const name = options.text('name', MAX_NAME_CHARACTERS);
  const offset = options.integer('offset', 0, MAX_BYTES - 1);
  if (!options.has('type')) options.fail('type', `must be one of ${BINARY_TYPES.join(', ')}`);
  const type: BinaryType = options.oneOf('type', BINARY_TYPES, 'u8');
  const isBig = options.oneOf('endian', ['little', 'big'], endian) === 'big';
  if (options.has('unit')) options.text('unit', MAX_UNIT_CHARACTERS);
  if (type === 'text') {
    for (const other of ['scale', 'add', 'bits'])
      if (options.has(other)) options.fail(other, 'is for numbers: a text has none');
    const end = offset + options.integer('length', 1, MAX_BYTES);
    return { name, end, read: (payload) => textIn(payload.subarray(offset, end)) };
  }
  if (options.has('length')) options.fail('length', 'is for type text: a number has that of its type');
  const { bytes, read, isWide } = readerOf(type, isBig);
  const bits = bitsOf(options, isWide || type.startsWith('f') ? 0 : bytes * 8);
  const scale = options.number('scale', 1);
  const add = options.number('add', 0);
  const end = offset + bytes;
  if (isWide && scale === 1 && add === 0)
    return { name, end, read: (payload) => read(payload, offset).toString() };
  const scaled = scaling(scale);
  return {
    name,
    end,
    read(payload) {
      const raw = Number(read(payload, offset));
      const value = scaled(bits === null ? raw : (raw >>> bits.from) & bits.mask) + add;
      return Number.isFinite(value) ? value : null;
    },
  };
}

/** `{"from": 0, "count": 3}`: from the lowest bit on. */
function bitsOf(options: SpecOptions, width: number): { from: number; mask: number } | null {
  if (!options.has('bits')) return null;
  if (width === 0) options.fail('bits', 'is for whole numbers of at most 32 bits');
  const bits = new SpecOptions('binary bits', options.raw('bits'), ['from', 'count']);
  const from = bits.integer('from', 0, width - 1);
  const count = bits.has('count') ? bits.integer('count', 1, Math.min(31, width - from)) : 1;
  return { from, mask: 2 ** count - 1 };
}

/** Times 0.1 is a division by 10: the nearest number to what is meant, 0.3 and not 0.30000000000000004. */
function scaling(scale: number): (raw: number) => number {
  const divisor = Math.round(1 / scale);
  if (Math.abs(scale) < 1 && 1 / divisor === scale) return (raw) => raw / divisor;
  return (raw) => raw * scale;
}

/** Up to the first zero byte, without the blanks at its end. */
function textIn(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end).trimEnd();
}
