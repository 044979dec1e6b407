import { identityRoles } from './identity-roles.ts';
import { type OwnTime, ownTime } from './own-time.ts';
import { withValue } from './payload-edit.ts';
import { createPayloadFaults, type PayloadFaults } from './payload-faults.ts';
import { createPayloadJudges, type PayloadJudges } from './payload-judge.ts';
import { isSchemaObject, pathKey, propertyPath, type ReadingSchema } from './reading-schemas.ts';
import { mixedRandom } from './seeds.ts';
import { otherRoles, type StoredLeaf, storedLeaves } from './stored-leaves.ts';
import { createMapping, type Mapping } from './stored-reading.ts';
import { capturesIn, FIELD_CAPTURE, patternShape } from './topic-captures.ts';
import { NoValue, type Signal, ValueMaker, type ValueRecipe, valueRecipe } from './value-maker.ts';
import { type ObjectPlan, planValue } from './value-plan.ts';
import type { Chooser } from './value-rules.ts';
import { newMoment, World } from './world.ts';

/** What all devices of one schema share. */
export interface SchemaModel {
  readonly schema: ReadingSchema;
  readonly leaves: readonly StoredLeaf[];
  readonly time: OwnTime | null;
  readonly judges: PayloadJudges;
  readonly mapping: Mapping;
  readonly plan: ObjectPlan;
  /**
   * @param given the paths that a device gives itself: the same of all devices of the schema
   * @param saysMissing now and then a value that means "no value"; not where it would be the only one
   */
  recipe(given: readonly string[], saysMissing: boolean): ValueRecipe;
  readonly faults: PayloadFaults;
  /** Properties that may be the bare value of a `{field}` topic, in turn. */
  readonly bareFields: readonly string[];
  /** A text property that the schema ignores; null where there can be none. */
  readonly padding: string | null;
  readonly sharesTopics: boolean;
  /** Paths that become tags. */
  readonly tagPaths: ReadonlySet<string>;
}

/** Ways to decide the forks of a schema that are tried. */
const MAX_WAYS = 300;
/** Readings that a way has to give, all of them good. */
const PROBES = 12;
const KNOWN_FORMATS: ReadonlySet<string> = new Set(['json', 'scalar']);

/**
 * @param all the schemas of the run
 * @throws Error in words where no device can be made of it: with the name of the schema and, where it is known, the property
 */
export function createSchemaModel(schema: ReadingSchema, all: readonly ReadingSchema[]): SchemaModel {
  const { $id, telemetry, root } = schema;
  const { format } = telemetry;
  const formatName = isSchemaObject(format) ? Object.keys(format)[0] : format;
  if (formatName !== undefined && !KNOWN_FORMATS.has(String(formatName))) {
    throw new Error(`${$id}: devices speak JSON here; the format ${String(formatName)} is not imitated`);
  }
  const leaves = storedLeaves(schema);
  const time = ownTime(schema, leaves);
  const judges = createPayloadJudges(schema, leaves);
  const mapping = createMapping(schema, leaves);
  const select = telemetry.select ?? {};
  const always = new Set(
    [
      ...(time === null ? [] : [time.path]),
      ...Object.keys(select).map((name) => [name]),
      ...(telemetry.identity ?? []).map(propertyPath),
      ...(telemetry.device?.startsWith('/') === true ? [propertyPath(telemetry.device)] : []),
    ].map(pathKey),
  );
  const tagPaths = new Set(
    [...otherRoles(schema)].filter((key) => time === null || key !== pathKey(time.path)),
  );
  const common = { schema, leaves, time, judges, mapping, tagPaths };
  const plan = goodPlan(schema, common, always);

  const isFieldTopic = telemetry.topics.some((topic) => capturesIn(topic).includes(FIELD_CAPTURE));
  const others = otherRoles(schema);
  const shapes = new Set(telemetry.topics.map(patternShape));
  const ofRun = new Set(
    [...(telemetry.identity ?? []).map(propertyPath), ...(time === null ? [] : [time.path])].map(pathKey),
  );
  const sample = sampleOf(plan, common);
  const missing = mayBeMissing(leaves, judges, sample);
  const recipes = new Map<boolean, ValueRecipe>();
  return {
    ...common,
    plan,
    recipe(given, saysMissing) {
      const known =
        recipes.get(saysMissing) ??
        valueRecipe(
          plan,
          { given, fixed: tagPaths, missing: saysMissing ? missing : NONE },
          mixedRandom(4, 5, 6),
        );
      recipes.set(saysMissing, known);
      return known;
    },
    faults: createPayloadFaults(
      plan,
      time,
      Object.keys(select),
      ofRun,
      telemetry.device?.startsWith('/') === true ? pathKey(propertyPath(telemetry.device)) : null,
    ),
    bareFields: isFieldTopic
      ? plan.members
          .filter(({ path }) =>
            leaves.some(
              (leaf) =>
                leaf.field !== null && pathKey(leaf.path) === pathKey(path) && !others.has(pathKey(path)),
            ),
          )
          .filter(({ name }) => isSchemaObject(root.properties) && Object.hasOwn(root.properties, name))
          .map(({ name }) => name)
      : [],
    padding: paddingOf(schema, judges, sample),
    sharesTopics: all.some(
      (other) => other !== schema && other.telemetry.topics.some((topic) => shapes.has(patternShape(topic))),
    ),
  };
}

type Parts = Pick<SchemaModel, 'schema' | 'leaves' | 'time' | 'judges' | 'mapping' | 'tagPaths'>;

/** The first way through the forks of the schema on which every probe is good. */
function goodPlan(schema: ReadingSchema, parts: Parts, always: ReadonlySet<string>): ObjectPlan {
  let why = '';
  const ways: number[] = [];
  for (let tried = 0; tried < MAX_WAYS; tried += 1) {
    const forks: number[] = [];
    const chooser: Chooser = {
      choose: (count) => {
        const at = forks.length;
        forks.push(count);
        return ways[at] ?? 0;
      },
    };
    try {
      const plan = planValue(schema.root, chooser, always);
      const wrong = firstComplaint(plan, parts);
      if (wrong === null) return plan;
      why ||= wrong;
    } catch (error) {
      if (!(error instanceof NoValue)) throw error;
      why ||= error.message;
    }
    // The next way: the last fork that has another one goes it, and those after it begin anew.
    let last = forks.length - 1;
    while (last >= 0 && (ways[last] ?? 0) + 1 >= (forks[last] ?? 0)) last -= 1;
    if (last < 0) break;
    const next = (ways[last] ?? 0) + 1;
    for (let i = ways.length; i < last; i += 1) ways.push(0);
    ways.splice(last, ways.length, next);
  }
  throw new Error(`${schema.$id}: no reading could be made that it takes: ${why}`);
}

function firstComplaint(plan: ObjectPlan, parts: Parts): string | null {
  for (const value of probes(plan, parts, PROBES)) {
    const taken = parts.judges.whole.take(value);
    if (taken === null) return parts.judges.whole.complaints.slice(0, 3).join('; ');
    if (parts.mapping.store(taken.value, new Map()) === null && !isCapturedMeasurement(parts.schema)) {
      return 'it has no field to store';
    }
  }
  return null;
}

function isCapturedMeasurement({ telemetry }: ReadingSchema): boolean {
  return telemetry.measurement.startsWith('{');
}

function sampleOf(plan: ObjectPlan, parts: Parts): unknown {
  return probes(plan, parts, 1)[0];
}

function probes(plan: ObjectPlan, parts: Parts, count: number): unknown[] {
  const { schema, leaves, time, tagPaths } = parts;
  const random = mixedRandom(1, 2, 3);
  const world = new World(random, 0.4);
  const { given } = identityRoles(schema, leaves, { seed: 1, index: 0, startMs: PROBE_MS });
  const signals = givenSignals(schema, given, time, () => time?.valueOf(PROBE_MS * 1000, 0), null);
  const recipe = valueRecipe(plan, { given: [...signals.keys()], fixed: tagPaths, missing: NONE }, random);
  const make = new ValueMaker(recipe, [...signals.values()], random, world);
  const moment = newMoment();
  return Array.from({ length: count }, (_, n) => {
    moment.n = n;
    moment.elapsed = n === 0 ? 0 : 1;
    moment.seconds = n;
    world.step(moment);
    return make.next(moment);
  });
}

const NONE: ReadonlySet<string> = new Set();
const PROBE_MS = Date.UTC(2026, 0, 1);

/** The properties that are no signals, by path. @param device of the property that names it; null: it is made like any other */
export function givenSignals(
  schema: ReadingSchema,
  identity: ReadonlyMap<string, Signal>,
  time: OwnTime | null,
  now: () => unknown,
  device: unknown,
): ReadonlyMap<string, Signal> {
  const given = new Map(identity);
  if (time !== null) given.set(pathKey(time.path), now);
  for (const [name, constant] of Object.entries(schema.telemetry.select ?? {})) {
    given.set(pathKey([name]), () => constant);
  }
  const rule = schema.telemetry.device ?? '';
  if (rule.startsWith('/') && device !== null) given.set(pathKey(propertyPath(rule)), () => device);
  return given;
}

/** Paths that the schema takes each of their values for "no value" of; a branch may want a value all the same. */
function mayBeMissing(
  leaves: readonly StoredLeaf[],
  judges: PayloadJudges,
  sample: unknown,
): ReadonlySet<string> {
  const fitting = leaves.filter(({ path, missing }) =>
    missing.every((value) => judges.whole.take(withValue(sample, path, value)) !== null),
  );
  return new Set(fitting.map(({ path }) => pathKey(path)));
}

function paddingOf({ root }: ReadingSchema, judges: PayloadJudges, sample: unknown): string | null {
  const declared = isSchemaObject(root.properties) ? root.properties : {};
  const name = ['padding', 'padding_', 'filling'].find((candidate) => !Object.hasOwn(declared, candidate));
  if (name === undefined || !isSchemaObject(sample)) return null;
  return judges.whole.take({ ...sample, [name]: 'xxxx' }) === null ? null : name;
}
