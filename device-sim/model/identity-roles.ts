import { numberKind } from './number-kinds.ts';
import { pathKey, propertyPath, type ReadingSchema } from './reading-schemas.ts';
import { mixedRandom } from './seeds.ts';
import type { StoredLeaf } from './stored-leaves.ts';
import { isAllowed, textValue } from './text-values.ts';
import { NoValue, type Signal } from './value-maker.ts';
import { type ValueRules, valueRules } from './value-rules.ts';

/** The properties that name a reading within its device. */
export interface IdentityRoles {
  readonly given: ReadonlyMap<string, Signal>;
  /** Paths whose values are others in another run, so that its readings are not taken for repeats of this one's. */
  readonly ofRun: readonly (readonly string[])[];
  /** From this reading on they come again. */
  readonly repeatsAt: number;
}

const NONE: IdentityRoles = { given: new Map(), ofRun: [], repeatsAt: Number.POSITIVE_INFINITY };
/** Runs are told apart by the second in which they start. */
const FIRST_RUN_SECONDS = 1_600_000_000;
/** Readings of one device in one run, where one number has to hold the run and the reading. */
const READINGS_PER_RUN = 10_000_000;
const RUN_NAMES = /boot|start|session|run|epoch|reset/i;

export function identityRoles(
  schema: ReadingSchema,
  leaves: readonly StoredLeaf[],
  seeds: { readonly seed: number; readonly index: number; readonly startMs: number },
): IdentityRoles {
  const { identity, time, device } = schema.telemetry;
  if (identity === undefined) return NONE;
  const others = new Set(
    [time?.property, device]
      .filter((name) => name !== undefined)
      .map(propertyPath)
      .map(pathKey),
  );
  const paths = identity.map(propertyPath);
  // The time makes every reading another one by itself.
  if (
    paths.length === 0 ||
    (time !== undefined && paths.some((path) => pathKey(path) === pathKey(propertyPath(time.property))))
  ) {
    return NONE;
  }
  const parts = paths
    .filter((path) => !others.has(pathKey(path)))
    .flatMap((path) => leaves.filter((leaf) => pathKey(leaf.path) === pathKey(path)))
    .map((leaf) => ({
      leaf,
      name: leaf.path.at(-1) ?? '',
      rules: valueRules(schema.root, leaf.layers.slice(0, 1), { choose: () => 0 }),
    }))
    // A choice of given values cannot count.
    .filter(({ leaf, rules }) => rules.values === null && leaf.kind !== 'b');
  const numbers = parts.filter(({ leaf }) => leaf.kind === 'i' || leaf.kind === 'f');
  const counting =
    numbers.find(({ name }) => numberKind(name, '').kind === 'counter') ?? numbers.at(-1) ?? parts.at(-1);
  if (counting === undefined) return { given: new Map(), ofRun: [], repeatsAt: 0 };
  const rest = parts.filter((part) => part !== counting);
  const naming = rest.find(({ name }) => RUN_NAMES.test(name)) ?? rest[0] ?? null;
  const run = Math.floor(seeds.startMs / 1000) - FIRST_RUN_SECONDS;

  const given = new Map<string, Signal>();
  const ofRun: (readonly string[])[] = [];
  let repeatsAt = Number.POSITIVE_INFINITY;
  const give = (leaf: StoredLeaf, signal: Signal, isOfRun: boolean): void => {
    const text: Signal = (moment) => String(signal(moment));
    given.set(pathKey(leaf.path), leaf.asText ? text : signal);
    if (isOfRun) ofRun.push(leaf.path);
  };
  if (naming !== null) {
    const { leaf, rules } = naming;
    const value = leaf.kind === 's' ? runText(leaf, rules, run, seeds) : within(rules, run);
    give(leaf, () => value, true);
  }
  const { leaf, rules } = counting;
  if (leaf.kind === 's') {
    give(leaf, ({ n }) => readingText(leaf, rules, run, n, seeds), true);
  } else {
    const { low, size } = rangeOf(rules);
    repeatsAt = size;
    const base = naming === null ? within(rules, run * READINGS_PER_RUN) - low : 0;
    give(leaf, ({ n }) => low + ((base + n) % size), naming === null);
  }
  return { given, ofRun, repeatsAt };
}

function rangeOf({ minimum, maximum, aboveMinimum, belowMaximum }: ValueRules): {
  low: number;
  size: number;
} {
  const lowest = Math.ceil(Math.max(minimum, aboveMinimum + 1));
  const low = Number.isFinite(lowest) ? lowest : 0;
  const highest = Math.floor(Math.min(maximum, belowMaximum - 1, Number.MAX_SAFE_INTEGER));
  return { low, size: Math.max(1, Math.min(highest - low + 1, Number.MAX_SAFE_INTEGER)) };
}

function within(rules: ValueRules, value: number): number {
  const { low, size } = rangeOf(rules);
  return low + (value % size);
}

function runText(
  leaf: StoredLeaf,
  rules: ValueRules,
  run: number,
  seeds: { seed: number; index: number },
): string {
  const plain = `run-${run.toString(36)}`;
  return rules.format === null && isAllowed(rules, plain) ? plain : madeText(leaf, rules, run, 0, seeds);
}

function readingText(
  leaf: StoredLeaf,
  rules: ValueRules,
  run: number,
  n: number,
  seeds: { seed: number; index: number },
): string {
  const plain = `${run.toString(36)}-${n}`;
  return rules.format === null && isAllowed(rules, plain) ? plain : madeText(leaf, rules, run, n, seeds);
}

function madeText(
  leaf: StoredLeaf,
  rules: ValueRules,
  run: number,
  n: number,
  { seed, index }: { seed: number; index: number },
): string {
  const text = textValue(rules, leaf.path.at(-1) ?? '', mixedRandom(seed, index, run, n));
  if (text === null) throw new NoValue(`no value can be made for ${JSON.stringify(leaf.path.join('/'))}`);
  return text;
}
