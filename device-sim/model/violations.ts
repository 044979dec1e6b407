import { REMOVED, withValue } from './payload-edit.ts';
import { everyPlan, type ObjectPlan, type ValuePlan } from './value-plan.ts';
import type { ValueRules } from './value-rules.ts';

/** One way to break a schema. Whether it is really broken then is for the verdict to say. */
export interface Violation {
  readonly kind: string;
  readonly path: readonly string[];
  /** @returns a copy that is wrong */
  apply(reading: unknown): unknown;
}

const TOO_LONG = 5000;
const BAD_TEXTS = ['', '\u00a7\u00a7', '-', 'no match!', '0', 'ZZZZ zzzz', '\n'];

/** All ways, kind after kind in turn, so that a few readings see many kinds. */
export function violationsOf(plan: ObjectPlan): readonly Violation[] {
  const all = everyPlan(plan).flatMap((part) => [...ofAny(part), ...ofKind(part)]);
  const kinds = new Map<string, Violation[]>();
  for (const one of all) kinds.set(one.kind, [...(kinds.get(one.kind) ?? []), one]);
  const turns: Violation[] = [];
  for (let turn = 0; turns.length < all.length; turn += 1) {
    for (const list of kinds.values()) {
      const one = list[turn];
      if (one !== undefined) turns.push(one);
    }
  }
  return turns;
}

function put(kind: string, path: readonly string[], value: unknown): Violation {
  return { kind, path, apply: (reading) => withValue(reading, path, value) };
}

function ofAny(part: ValuePlan): Violation[] {
  const { path, rules, kind } = part;
  if (path.length === 0) {
    return [
      put('not an object', path, 21.5),
      put('not an object', path, 'hello'),
      put('not an object', path, null),
    ];
  }
  return [
    put('wrong type', path, kind === 'object' ? 'none' : { broken: true }),
    ...(rules.values === null ? [] : [put('not in enum', path, 'no-such-value')]),
  ];
}

function ofKind(part: ValuePlan): Violation[] {
  const { path, rules } = part;
  switch (part.kind) {
    case 'object':
      return [
        ...[...rules.required].flatMap((name) => [
          put('missing', [...path, name], REMOVED),
          put('null though required', [...path, name], null),
        ]),
        ...(rules.isClosed ? [put('undeclared', [...path, 'undeclared_property'], 1)] : []),
      ];
    case 'array':
      return [
        put('wrong type', path, 'none'),
        ...(rules.minItems > 0 ? [put('too few items', path, [])] : []),
        ...(rules.maxItems < 2000
          ? [
              put(
                'too many items',
                path,
                Array.from({ length: rules.maxItems + 1 }, () => 0),
              ),
            ]
          : []),
      ];
    case 'number':
    case 'integer':
      return ofNumber(path, rules, part.kind === 'integer');
    case 'boolean':
      return [put('wrong type', path, 'yes')];
    case 'text':
      return ofText(path, rules);
    case 'choice':
      return [];
  }
}

function ofNumber(path: readonly string[], rules: ValueRules, isInteger: boolean): Violation[] {
  const { minimum, maximum, aboveMinimum, belowMaximum, multiples } = rules;
  const finite = (kind: string, limit: number, value: number): Violation[] =>
    Number.isFinite(limit) && Number.isFinite(value) && value !== limit ? [put(kind, path, value)] : [];
  return [
    put('wrong type', path, 'warm'),
    ...finite('below minimum', minimum, minimum - distance(minimum)),
    ...finite('above maximum', maximum, maximum + distance(maximum)),
    ...(Number.isFinite(aboveMinimum) ? [put('at exclusive minimum', path, aboveMinimum)] : []),
    ...(Number.isFinite(belowMaximum) ? [put('at exclusive maximum', path, belowMaximum)] : []),
    ...multiples.map((step) => put('not a multiple', path, step * 1.5)),
    ...(isInteger ? [put('not an integer', path, 21.5), put('beyond 53 bits', path, 2 ** 60)] : []),
  ];
}

function ofText(
  path: readonly string[],
  { minLength, maxLength, patterns, format }: ValueRules,
): Violation[] {
  return [
    put('wrong type', path, 42),
    put('line break', path, 'two\nlines'),
    ...(minLength > 0 ? [put('too short', path, 'x'.repeat(minLength - 1))] : []),
    ...(maxLength <= TOO_LONG ? [put('too long', path, 'x'.repeat(maxLength + 1))] : []),
    ...(patterns.length > 0 ? BAD_TEXTS.map((text) => put('pattern', path, text)) : []),
    ...(format !== null ? [put('format', path, `no ${format}`)] : []),
  ];
}

/** Far enough to be another number. */
function distance(limit: number): number {
  return Math.max(1, Math.abs(limit) * 0.01);
}
