import type { Random } from '../random.ts';
import { patternText } from './pattern-text.ts';
import type { ValueRules } from './value-rules.ts';

const TRIES = 40;

/** A text that rules allow; null where none was found. */
export function textValue(rules: ValueRules, name: string, random: Random): string | null {
  for (let i = 0; i < TRIES; i += 1) {
    const text = candidate(rules, name, random, i);
    if (text !== null && isAllowed(rules, text)) return text;
  }
  return null;
}

/** Whether lengths and patterns take it; formats are for the judge. */
export function isAllowed({ minLength, maxLength, patterns }: ValueRules, text: string): boolean {
  const length = [...text].length;
  return (
    length >= minLength &&
    length <= maxLength &&
    patterns.every((pattern) => new RegExp(pattern, 'u').test(text))
  );
}

function candidate(
  { minLength, maxLength, patterns, format }: ValueRules,
  name: string,
  random: Random,
  attempt: number,
): string | null {
  if (format !== null) return formatText(format, random);
  const [pattern] = patterns;
  if (pattern !== undefined) {
    const text = patternText(pattern, random);
    if (text === null) return null;
    // Where nothing anchors it, there may be more of it.
    return fitted(text, minLength, pattern.endsWith('$') ? Number.POSITIVE_INFINITY : maxLength, attempt);
  }
  return fitted(
    `${name.replace(/[^\w-]/g, '') || 'text'}-${1 + random.below(4)}`,
    minLength,
    maxLength,
    attempt,
  );
}

function fitted(text: string, minLength: number, maxLength: number, attempt: number): string {
  const most = Math.max(minLength, Math.min(maxLength, text.length + attempt));
  return text.padEnd(Math.min(minLength, 100_000), 'x').slice(0, Math.min(most, 100_000));
}

function formatText(format: string, random: Random): string | null {
  const digit = (n: number): string => String(random.below(n));
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => random.below(16).toString(16)).join('');
  const two = (from: number, below: number): string => String(from + random.below(below)).padStart(2, '0');
  switch (format) {
    case 'date':
      return `2025-${two(1, 12)}-${two(1, 28)}`;
    case 'time':
      return `${two(0, 24)}:${two(0, 60)}:${two(0, 60)}Z`;
    case 'date-time':
      return `2025-${two(1, 12)}-${two(1, 28)}T${two(0, 24)}:${two(0, 60)}:${two(0, 60)}Z`;
    case 'duration':
      return `PT${1 + random.below(59)}M`;
    case 'uri':
      return `https://example.org/${hex(4)}`;
    case 'uri-reference':
      return `/devices/${hex(4)}`;
    case 'email':
      return `device${digit(100)}@example.org`;
    case 'hostname':
      return `device-${digit(100)}.example.org`;
    case 'ipv4':
      return `192.0.2.${1 + random.below(254)}`;
    case 'ipv6':
      return `2001:db8::${hex(3)}`;
    case 'uuid':
      return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
    case 'json-pointer':
      return `/channels/${digit(8)}`;
    case 'byte':
      return Buffer.from(hex(6)).toString('base64');
    case 'int64':
      return `9${digit(9)}07199254740993`;
    case 'double':
      return `${1 + random.below(99)}.5`;
    default:
      return null;
  }
}
