/**
 * Plausible values for any property: a number wanders around its examples (or the middle of its range) without ever
 * leaving the range, a counter counts, a state changes now and then.
 */
import type { Random } from './random.ts';
import { type PropertySchema, typeOf } from './reading-schemas.ts';

/** Gives the next value of one property of one device; undefined leaves it out. */
export type Signal = () => unknown;

const PULL = 0.05;
const CHANGE_OF_STATE = 0.02;

export function signalFor(name: string, schema: PropertySchema, random: Random, nowMs: () => number): Signal {
  if (schema.const !== undefined) return () => schema.const;
  if (schema.enum !== undefined) return stateSignal(schema.enum, random);
  switch (typeOf(schema)) {
    case 'integer':
      return name === 'seq' ? counterSignal(schema) : numberSignal(schema, 0, random);
    case 'number':
      return numberSignal(schema, 2, random);
    case 'boolean':
      return stateSignal(schema.examples ?? [false, true], random);
    case 'string':
      if (schema.format === 'date-time') return () => new Date(nowMs()).toISOString();
      return stateSignal(schema.examples ?? ['sim'], random);
    case 'object':
      return objectSignal(schema, random, nowMs);
    case 'array':
      return () => schema.examples?.[0];
    default:
      return schema.examples === undefined ? () => undefined : stateSignal(schema.examples, random);
  }
}

function objectSignal(schema: PropertySchema, random: Random, nowMs: () => number): Signal {
  const signals = Object.entries(schema.properties ?? {}).map(
    ([name, property]) => [name, signalFor(name, property, random, nowMs)] as const,
  );
  return () => {
    const value: Record<string, unknown> = {};
    for (const [name, signal] of signals) {
      const next = signal();
      if (next !== undefined) value[name] = next;
    }
    return value;
  };
}

function stateSignal(states: readonly unknown[], random: Random): Signal {
  let index = random.below(states.length);
  return () => {
    if (random.next() < CHANGE_OF_STATE) index = random.below(states.length);
    return states[index];
  };
}

function counterSignal(schema: PropertySchema): Signal {
  const lowest = schema.minimum ?? 0;
  const highest = schema.maximum ?? Number.MAX_SAFE_INTEGER;
  let next = lowest;
  return () => {
    const value = next;
    next = value >= highest ? lowest : value + 1;
    return value;
  };
}

function numberSignal(schema: PropertySchema, decimals: number, random: Random): Signal {
  const step = schema.multipleOf ?? 10 ** -decimals;
  const [lowest, highest] = rangeOf(schema, step);
  const examples = (schema.examples ?? []).filter((example) => typeof example === 'number');
  const low = examples.length > 0 ? Math.min(...examples) : (lowest ?? (highest ?? 100) - 100);
  const high = examples.length > 0 ? Math.max(...examples) : (highest ?? low + 100);
  const center = (low + high) / 2;
  const spread = (high - low) / 2 || Math.max(Math.abs(center) * 0.05, step);
  let value = center + random.noise() * spread * 0.3;
  return () => {
    value += (center - value) * PULL + random.noise() * spread * 0.1;
    value = Math.min(highest ?? value, Math.max(lowest ?? value, value));
    const rounded = Math.round(value / step) * step;
    return Number(rounded.toFixed(Math.max(decimals, decimalsOf(step))));
  };
}

/** The lowest and highest value that the schema allows, one step inside an exclusive bound. */
function rangeOf(schema: PropertySchema, step: number): [number | undefined, number | undefined] {
  const lowest = schema.exclusiveMinimum === undefined ? schema.minimum : schema.exclusiveMinimum + step;
  const highest = schema.exclusiveMaximum === undefined ? schema.maximum : schema.exclusiveMaximum - step;
  return [lowest, highest];
}

function decimalsOf(step: number): number {
  const text = String(step);
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.length - point - 1;
}
