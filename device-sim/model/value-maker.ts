import type { Random } from '../random.ts';
import { numberGrid } from './number-grid.ts';
import { NumberCell, type NumberKind, type NumberSpec, numberKind, numberLinks } from './number-kinds.ts';
import { pathKey } from './reading-schemas.ts';
import { textValue } from './text-values.ts';
import type { ChoicePlan, ScalarPlan, ValuePlan } from './value-plan.ts';
import type { Moment, World } from './world.ts';

/** The value of a moment. Asked for one moment after the other. */
export type Signal = (moment: Moment) => unknown;

export interface Roles {
  /** Paths whose value is not a signal: the time, an identity. */
  readonly given: readonly string[];
  /** Paths whose value never changes: tags. */
  readonly fixed: ReadonlySet<string>;
  /** Paths that say now and then that they have no value, one of them in a reading. */
  readonly missing: ReadonlySet<string>;
}

/** A property that cannot be imitated. */
export class NoValue extends Error {}

const CHANGE_OF_STATE = 0.02;
const SAYS_MISSING = 0.01;

type Part = Given | Numbers | States | Items | Members;

interface Given {
  readonly kind: 'given';
  readonly place: number;
}

interface Leaf {
  /** Where its fixed value is kept; -1: it has none. */
  readonly fixedPlace: number;
  /** Values that mean "no value", which it gives now and then. */
  readonly missing: readonly unknown[];
}

interface Numbers extends Leaf {
  readonly kind: 'number';
  readonly place: number;
  readonly asText: boolean;
}

interface States extends Leaf {
  readonly kind: 'states';
  readonly place: number;
  readonly values: readonly unknown[];
}

interface Items {
  readonly kind: 'array';
  readonly items: readonly Part[];
}

interface Members {
  readonly kind: 'object';
  readonly members: readonly { readonly name: string; readonly part: Part }[];
}

/** What the readings of a schema are made of; shared by all its devices, which have but the state of their own. */
export interface ValueRecipe {
  readonly root: Part;
  readonly numbers: readonly NumberSpec[];
  readonly states: readonly (readonly unknown[])[];
  readonly fixed: number;
  /** There are others to store where one has no value. */
  readonly mayMiss: boolean;
  /** Paths that a device gives itself, in this order. */
  readonly given: readonly string[];
}

/**
 * @param random for texts that have to be made up
 * @throws NoValue naming the property
 */
export function valueRecipe(plan: ValuePlan, roles: Roles, random: Random): ValueRecipe {
  const numbers: NumberSpec[] = [];
  const states: (readonly unknown[])[] = [];
  let fixed = 0;
  let free = 0;

  const partOf = (planned: ValuePlan): Part => {
    const place = roles.given.indexOf(pathKey(planned.path));
    if (place >= 0) return { kind: 'given', place };
    switch (planned.kind) {
      case 'object': {
        const first = numbers.length;
        const members = planned.members.map((member) => ({ name: member.name, part: partOf(member) }));
        link(first, members);
        return { kind: 'object', members };
      }
      case 'array':
        return { kind: 'array', items: planned.items.map(partOf) };
      case 'number':
      case 'integer':
        numbers.push(numberSpec(planned));
        return { kind: 'number', ...leafOf(planned), place: numbers.length - 1, asText: planned.asText };
      case 'boolean':
        return statesOf(planned, planned.examples.length > 0 ? planned.examples : [false, true]);
      case 'choice':
        if (planned.values.length === 0) throw impossible(planned, 'no value fits all that is asked of it');
        return statesOf(planned, planned.values);
      case 'text':
        return statesOf(planned, textsOf(planned));
    }
  };

  const leafOf = ({ path, rules }: ScalarPlan | ChoicePlan): Leaf => {
    const isFixed = roles.fixed.has(pathKey(path));
    if (isFixed) fixed += 1;
    if (!isFixed) free += 1;
    return {
      fixedPlace: isFixed ? fixed - 1 : -1,
      missing: roles.missing.has(pathKey(path)) ? rules.missing : [],
    };
  };

  const statesOf = (planned: ScalarPlan | ChoicePlan, values: readonly unknown[]): Part => {
    states.push(values);
    return { kind: 'states', ...leafOf(planned), place: states.length - 1, values };
  };

  const textsOf = (planned: ScalarPlan): readonly string[] => {
    const examples = planned.examples.filter((example) => typeof example === 'string');
    if (examples.length > 0) return examples;
    const made = Array.from({ length: 4 }, () => textValue(planned.rules, planned.name, random)).filter(
      (text) => text !== null,
    );
    if (made.length === 0) {
      throw impossible(planned, 'no text was found that its pattern, format and length allow');
    }
    return made;
  };

  /** Numbers of one object follow one another. */
  const link = (first: number, members: Members['members']): void => {
    const beside: { name: string; kind: NumberKind; place: number }[] = [];
    for (const { name, part } of members) {
      const spec = part.kind === 'number' && part.place >= first ? numbers[part.place] : undefined;
      if (spec !== undefined && part.kind === 'number')
        beside.push({ name, kind: spec.kind, place: part.place });
    }
    for (const { name, place } of beside) {
      const spec = numbers[place];
      if (spec !== undefined) numbers[place] = { ...spec, links: numberLinks(name, beside) };
    }
  };

  const root = partOf(plan);
  return { root, numbers, states, fixed, given: roles.given, mayMiss: free > 1 };
}

function numberSpec(part: ScalarPlan): NumberSpec {
  const { rules, name } = part;
  const { kind, usual } = numberKind(name, rules.unit);
  const examples = part.examples.map(Number).filter((value) => Number.isFinite(value));
  const range = spanOf(rules.minimum, rules.maximum, rules.aboveMinimum, rules.belowMaximum);
  const { center, spread } = scaleOf(examples, usual, range);
  const grid = numberGrid(rules, part.kind === 'integer', decimalsFor(kind, spread));
  if (grid === null) throw impossible(part, 'no number was found between its limits');
  return { name, kind, center, spread, grid, links: numberLinks(name, []) };
}

/** The signals of one device. All draw from one `random`, in the order of the recipe. */
export class ValueMaker {
  private readonly recipe: ValueRecipe;
  private readonly given: readonly Signal[];
  private readonly random: Random;
  private readonly world: World;
  private readonly cells: readonly NumberCell[];
  private readonly states: Uint16Array;
  private readonly fixed: unknown[];
  /** One a reading. */
  private mayMiss = false;

  /** @param given in the order of `recipe.given` */
  constructor(recipe: ValueRecipe, given: readonly Signal[], random: Random, world: World) {
    this.recipe = recipe;
    this.given = given;
    this.random = random;
    this.world = world;
    this.cells = recipe.numbers.map((spec) => new NumberCell(spec, random));
    this.states = Uint16Array.from(recipe.states, ({ length }) => random.below(Math.min(length, 65_536)));
    this.fixed = Array.from({ length: recipe.fixed });
  }

  next(moment: Moment): unknown {
    this.mayMiss = this.recipe.mayMiss;
    return this.make(this.recipe.root, moment);
  }

  private make(part: Part, moment: Moment): unknown {
    switch (part.kind) {
      case 'given':
        return this.given[part.place]?.(moment);
      case 'object': {
        const value: Record<string, unknown> = {};
        for (const member of part.members) value[member.name] = this.make(member.part, moment);
        return value;
      }
      case 'array':
        return part.items.map((item) => this.make(item, moment));
      case 'number':
      case 'states':
        return this.leaf(part, moment);
    }
  }

  private leaf(part: Numbers | States, moment: Moment): unknown {
    const { fixedPlace, missing } = part;
    if (fixedPlace >= 0 && this.fixed[fixedPlace] !== undefined) return this.fixed[fixedPlace];
    const { random } = this;
    const value = part.kind === 'number' ? this.number(part, moment) : this.state(part, moment);
    if (fixedPlace >= 0) this.fixed[fixedPlace] = value;
    else if (missing.length > 0 && random.next() < SAYS_MISSING && this.mayMiss) {
      this.mayMiss = false;
      return missing[random.below(missing.length)];
    }
    return value;
  }

  private number({ place, asText }: Numbers, moment: Moment): number | string | undefined {
    const value = this.cells[place]?.value(moment, this.world, this.random, this.cells);
    return asText ? String(value) : value;
  }

  private state({ place, values }: States, { isStuck }: Moment): unknown {
    const { random, states } = this;
    if (!isStuck && values.length > 1 && random.next() < CHANGE_OF_STATE)
      states[place] = random.below(values.length);
    return values[states[place] ?? 0];
  }
}

function impossible({ path }: ValuePlan, why: string): NoValue {
  return new NoValue(
    `no value can be made for ${JSON.stringify(path.join('/'))}: ${why}; give it "examples"`,
  );
}

interface Span {
  readonly low: number;
  readonly high: number;
}

function spanOf(minimum: number, maximum: number, aboveMinimum: number, belowMaximum: number): Span {
  return { low: Math.max(minimum, aboveMinimum), high: Math.min(maximum, belowMaximum) };
}

/** Where a number is and how far it goes: by its examples, by what such things usually are, by its limits. */
function scaleOf(
  examples: readonly number[],
  usual: { readonly center: number; readonly spread: number } | null,
  { low, high }: Span,
): { readonly center: number; readonly spread: number } {
  const [example] = examples;
  const isIn = (value: number): boolean => value >= low && value <= high;
  const size = high - low;
  const most = Number.isFinite(size) ? size / 4 : Number.POSITIVE_INFINITY;
  if (example !== undefined && isIn(example)) {
    const spread = usual === null ? Math.abs(example) * 0.05 : usual.spread * nearOne(example, usual.center);
    return { center: example, spread: Math.min(spread || 1, most) };
  }
  if (usual !== null && isIn(usual.center))
    return { center: usual.center, spread: Math.min(usual.spread, most) };
  if (Number.isFinite(size)) return { center: low + size / 2, spread: size / 20 };
  if (Number.isFinite(low)) return { center: low + Math.max(50, Math.abs(low) * 0.5), spread: 10 };
  if (Number.isFinite(high)) return { center: high - Math.max(50, Math.abs(high) * 0.5), spread: 10 };
  return { center: 50, spread: 10 };
}

/** The spread of another size of the same thing: 48 V goes up and down less than 230 V. */
function nearOne(example: number, center: number): number {
  const ratio = center === 0 ? 1 : Math.abs(example / center);
  return Math.min(10, Math.max(0.05, ratio));
}

function decimalsFor(kind: NumberKind, spread: number): number {
  if (kind === 'track') return 6;
  if (spread >= 20) return 1;
  if (spread >= 0.5) return 2;
  return spread >= 0.005 ? 4 : 8;
}
