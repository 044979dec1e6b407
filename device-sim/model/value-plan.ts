/** The tree of values that a reading schema asks for, once its forks are decided. */
import { pathKey, type SchemaObject } from './reading-schemas.ts';
import { type Chooser, type ValueRules, valueRules } from './value-rules.ts';

interface Common {
  readonly name: string;
  readonly path: readonly string[];
  readonly rules: ValueRules;
  /** Good values that people gave: `examples`, `default`, and those of whole examples. */
  readonly examples: readonly unknown[];
}

export interface ScalarPlan extends Common {
  readonly kind: 'number' | 'integer' | 'boolean' | 'text';
  /** A number that must come as text. */
  readonly asText: boolean;
}

/** One of given values. */
export interface ChoicePlan extends Common {
  readonly kind: 'choice';
  readonly values: readonly unknown[];
}

export interface ArrayPlan extends Common {
  readonly kind: 'array';
  readonly items: readonly ValuePlan[];
}

export interface ObjectPlan extends Common {
  readonly kind: 'object';
  readonly members: readonly ValuePlan[];
}

export type ValuePlan = ScalarPlan | ChoicePlan | ArrayPlan | ObjectPlan;

/**
 * What a device leaves out: nothing; what only other branches require; whatever is not required; what the first whole
 * example does not have.
 */
const STRATEGIES = 4;
const MAX_DEPTH = 32;
const USUAL_ITEMS = 8;

/** Plans the whole reading. `always` are paths that it must have, such as its time. */
export function planValue(root: SchemaObject, chooser: Chooser, always: ReadonlySet<string>): ObjectPlan {
  const strategy = chooser.choose(STRATEGIES);
  const wholes = Array.isArray(root.examples) ? (root.examples as readonly unknown[]) : [];

  const plan = (
    name: string,
    path: readonly string[],
    schemas: readonly SchemaObject[],
    given: readonly unknown[],
  ): ValuePlan => {
    const rules = valueRules(root, schemas, chooser);
    const examples = [...given, ...rules.examples].filter(
      (value) => value !== null && !rules.missing.includes(value),
    );
    const common = { name, path, rules, examples };
    if (path.length > MAX_DEPTH) return { ...common, kind: 'choice', values: [null] };
    if (rules.values !== null) {
      const values = rules.values.filter((value) => !rules.missing.includes(value));
      return { ...common, kind: 'choice', values: values.length > 0 ? values : rules.values };
    }
    switch (typeOf(rules)) {
      case 'object':
        return { ...common, kind: 'object', members: members(rules, path, examples) };
      case 'array':
        return { ...common, kind: 'array', items: items(rules, name, path) };
      case 'number':
        return { ...common, kind: 'number', asText: false };
      case 'integer':
        return { ...common, kind: 'integer', asText: false };
      case 'boolean':
        return { ...common, kind: 'boolean', asText: false };
      case 'string':
        if (rules.format === 'double') return { ...common, kind: 'number', asText: true };
        return {
          ...common,
          kind: rules.format === 'int64' ? 'integer' : 'text',
          asText: rules.format === 'int64',
        };
      default:
        return examples.length > 0
          ? { ...common, kind: 'choice', values: examples }
          : { ...common, kind: 'boolean', asText: false };
    }
  };

  const members = (rules: ValueRules, path: readonly string[], given: readonly unknown[]): ValuePlan[] => {
    const first = given[0];
    const isSent = (name: string): boolean => {
      if (rules.required.has(name) || isNeeded([...path, name], always)) return true;
      if (strategy === 1) return !rules.ofOthers.has(name);
      if (strategy === 2) return false;
      return strategy === 0 || (typeof first === 'object' && first !== null && Object.hasOwn(first, name));
    };
    const undeclared = [...rules.required].filter((name) => !rules.properties.has(name));
    const all = [...rules.properties.entries(), ...undeclared.map((name) => [name, []] as const)];
    const sent = all.filter(
      ([name, schemas]) => isSent(name) && !isForbidden(schemas, rules.required.has(name)),
    );
    const kept = sent.length <= rules.maxProperties ? sent : fewest(sent, rules, path, always, chooser);
    return kept.map(([name, schemas]) =>
      plan(
        name,
        [...path, name],
        schemas,
        given.flatMap((example) =>
          typeof example === 'object' && example !== null && Object.hasOwn(example, name)
            ? // Has it as its own, of unknown type.
              [(example as Readonly<Record<string, unknown>>)[name]]
            : [],
        ),
      ),
    );
  };

  const items = (rules: ValueRules, name: string, path: readonly string[]): ValuePlan[] => {
    const needsOne = rules.contains.length > 0 ? 1 : 0;
    const least = Math.max(rules.minItems, needsOne, Math.min(rules.prefix.length, rules.maxItems));
    const count = Math.min(Math.max(least, rules.items.length > 0 ? USUAL_ITEMS : 0), rules.maxItems, 1000);
    return Array.from({ length: count }, (_, i) =>
      plan(`${name}${i}`, [...path, String(i)], [...(rules.prefix[i] ?? rules.items), ...rules.contains], []),
    );
  };

  const planned = plan('', [], [root], wholes);
  if (planned.kind !== 'object') throw new Error('a reading is an object');
  return planned;
}

/** In the order of a walk: the plan itself, then what it holds. */
export function everyPlan(plan: ValuePlan): ValuePlan[] {
  if (plan.kind === 'object') return [plan, ...plan.members.flatMap(everyPlan)];
  if (plan.kind === 'array') return [plan, ...plan.items.flatMap(everyPlan)];
  return [plan];
}

function isNeeded(path: readonly string[], always: ReadonlySet<string>): boolean {
  const key = pathKey(path);
  return always.has(key) || [...always].some((other) => other.startsWith(`${key}\u0000`));
}

/** Branches forbid a property with `false`. */
function isForbidden(schemas: readonly SchemaObject[], isRequired: boolean): boolean {
  return (
    !isRequired &&
    schemas.some(({ not }) => typeof not === 'object' && not !== null && Object.keys(not).length === 0)
  );
}

function fewest<T extends readonly [string, unknown]>(
  sent: readonly T[],
  rules: ValueRules,
  path: readonly string[],
  always: ReadonlySet<string>,
  chooser: Chooser,
): T[] {
  const isFirst = ([name]: T): boolean => rules.required.has(name) || isNeeded([...path, name], always);
  const others = sent.filter((one) => !isFirst(one));
  // Which of the others is a fork too: not each of them leaves something to store.
  const from = others.length > 1 ? chooser.choose(others.length) : 0;
  const inTurn = [...sent.filter(isFirst), ...others.slice(from), ...others.slice(0, from)];
  const chosen = new Set(inTurn.slice(0, rules.maxProperties));
  return sent.filter((one) => chosen.has(one));
}

function typeOf({
  types,
  properties,
  items,
  prefix,
  patterns,
  format,
  minimum,
  maximum,
  minLength,
}: ValueRules): string | null {
  const preferred = ['object', 'number', 'integer', 'boolean', 'string', 'array'];
  const declared = preferred.find((type) => types.includes(type));
  if (declared !== undefined) return declared;
  if (types.length > 0) return null;
  if (properties.size > 0) return 'object';
  if (items.length > 0 || prefix.length > 0) return 'array';
  if (Number.isFinite(minimum) || Number.isFinite(maximum)) return 'number';
  return patterns.length > 0 || format !== null || minLength > 0 ? 'string' : null;
}
