import type { ArrivalClock, Message, Reading, Readings, RepeatsToldBy, Route } from '../contracts.ts';
import type { DeviceSettings } from '../ledger-contract.ts';
import { type BoundSchema, bindSchema, schemaParts, seqOf } from './bound-schema.ts';
import { describeSchema, type SchemaDescription } from './describe-schema.ts';
import { NO_COLUMNS } from './device-settings.ts';
import { type MappingDeps, NO_BOOK, NO_CLOCKS } from './mapping-deps.ts';
import { ownValue } from './property-path.ts';
import type { ReadingSchema } from './reading-schema.ts';
import { renewPatternBudget } from './safe-pattern.ts';
import { SeriesCache } from './series-cache.ts';
import { columnsOf, settingsProblems } from './settings-problems.ts';
import { TickCounter } from './tick-counter.ts';
import { distance, FIELD_CAPTURE, isNear, shapeOf } from './topic-pattern.ts';
import { TopicRouter } from './topic-router.ts';
import { TwoGenerations } from './two-generations.ts';

/** A set of schemas in force. */
export interface CompiledReadings extends Readings {
  describe(): readonly SchemaDescription[];
  /** In words: the schema whose topics come nearest, and which; null where none comes near. */
  nearest(topic: string): string | null;
  /** Names the text of a schema in force; null where there is none of this `$id`. */
  versionOf(id: string): string | null;
  /** The text of a schema in force. */
  currentText(id: string): string | null;
  /** How often a device sends it, ms; null where its schema does not say. */
  expectEveryMs(id: string): number | null;
  /** In words, what of a device's settings would not be applied, and why. */
  settingsProblems(settings: DeviceSettings): readonly string[];
}

/** Topics whose route is remembered; twice as many at most. Beyond that, the ones not used for longest are worked out anew. */
const REMEMBERED_TOPICS = 20_000;
/** Longer topics are routed each time: what is remembered stays bounded in bytes as well. */
const REMEMBERED_TOPIC_CHARS = 256;
/** The source of a message that only asks what would happen: its readings leave no trace here. */
const QUESTION = 'explain';

/** @param schemas a consistent set: see `consistencyProblems` */
export function compileReadings(
  schemas: readonly ReadingSchema[],
  { ticks = new TickCounter(), clocks = NO_CLOCKS, book = NO_BOOK }: Partial<MappingDeps> = {},
): CompiledReadings {
  const byId = new Map(schemas.map((schema) => [schema.id, schema]));
  const columns = columnsOf(schemas);
  const parts = new Map(schemas.map((schema) => [schema, schemaParts(schema, clocks)]));
  const router = new TopicRouter<readonly ReadingSchema[]>();
  for (const sharing of byShape(schemas).values()) {
    const [first] = sharing;
    if (first === undefined) continue;
    const hasField = first.pattern.captures.includes(FIELD_CAPTURE);
    router.add(
      first.pattern,
      sharing.map(({ schema }) => schema),
      hasField ? new Set(first.schema.bare.keys()) : null,
    );
  }
  let known = new TwoGenerations<Route | 'none'>(REMEMBERED_TOPICS);
  let cache = new SeriesCache();
  let bookVersion = book.version;

  const find = (topic: string): Route | null => {
    const match = router.find(topic);
    if (match === null) return null;
    const bound = match.target.map((schema) => {
      // Schemas that share a shape may name its captures differently.
      const spelt = schema.plan.patterns.find((pattern) => shapeOf(pattern) === shapeOf(match.pattern));
      const captures = spelt === undefined ? match.captures : renamed(match.captures, spelt.captures);
      const own = columns.get(schema.plan.measurement.toLowerCase()) ?? NO_COLUMNS;
      return bindSchema(schema, parts.get(schema) ?? schemaParts(schema, clocks), captures, {
        ticks,
        book,
        cache,
        columns: own,
      });
    });
    const usual = match.captures.has(FIELD_CAPTURE) ? 'scalar' : 'json';
    return routeOf(bound, bound[0]?.schema.plan.format ?? null, usual, ticks);
  };

  return {
    route(topic) {
      if (book.version !== bookVersion) {
        // What was worked out from the older book is forgotten, and worked out anew topic by topic.
        bookVersion = book.version;
        known = new TwoGenerations(REMEMBERED_TOPICS);
        cache = new SeriesCache();
      }
      const remembered = known.get(topic);
      if (remembered !== undefined) return remembered === 'none' ? null : remembered;
      const route = find(topic);
      if (topic.length <= REMEMBERED_TOPIC_CHARS) known.set(topic, route ?? 'none');
      return route;
    },
    describe: () => schemas.map(describeSchema),
    nearest: (topic) => nearestOf(schemas, topic),
    versionOf: (id) => byId.get(id)?.version ?? null,
    currentText: (id) => byId.get(id)?.text ?? null,
    expectEveryMs: (id) => byId.get(id)?.plan.expectEveryMs ?? null,
    settingsProblems: (settings) => settingsProblems(settings, schemas),
  };
}

function routeOf(
  bound: readonly BoundSchema[],
  named: string | null,
  usual: string,
  ticks: TickCounter,
): Route {
  const choose = chooserOf(bound);
  const [first] = bound;
  const bare = choose('');
  const one = (
    value: unknown,
    message: Message,
    arrival: ArrivalClock,
    nowMs: number,
    digits: TickCounter,
  ): Reading => {
    const chosen = choose(value);
    return typeof chosen === 'string'
      ? {
          kind: 'bad',
          device: first?.deviceOf(message) ?? null,
          schema: null,
          code: 'invalid',
          violations: [{ pointer: '', message: chosen }],
          sentUs: null,
          seq: seqOf(value),
        }
      : chosen.read(value, message, arrival, nowMs, digits);
  };
  return {
    schemas: bound.map(({ schema }) => schema.id),
    repeatsToldBy: bound.map(({ schema }) => repeatsToldBy(schema)),
    // On a topic of bare values JSON is read as there is usual, which is wider: a word may be one that is declared missing.
    format: named === null || named === 'json' ? usual : named,
    namesFormat: named !== null,
    blank: typeof bare === 'string' ? null : bare.blank,
    deviceOf: (message) => first?.deviceOf(message) ?? null,
    interpret(value, message, arrival, nowMs) {
      renewPatternBudget();
      // A question must not use up the digits that the next reading would get.
      const digits = message.source === QUESTION ? ticks.preview() : ticks;
      if (!Array.isArray(value)) return [one(value, message, arrival, nowMs, digits)];
      if (value.length === 0) return [one(undefined, message, arrival, nowMs, digits)];
      return value.map((element: unknown) => one(element, message, arrival, nowMs, digits));
    },
  };
}

function repeatsToldBy({ plan: { identity, time } }: ReadingSchema): RepeatsToldBy {
  if (identity.length > 0) return 'identity';
  // An age counts from the arrival, which is another one each time.
  if (time === null || time.isAge) return 'nothing';
  return time.clock === 'trust' ? 'own-time' : 'judged-time';
}

/** Which of the schemas on a topic a reading is for; in words, where it is for none. */
function chooserOf(bound: readonly BoundSchema[]): (value: unknown) => BoundSchema | string {
  const [only] = bound;
  if (bound.length === 1 && only !== undefined && only.schema.plan.select.length === 0) return () => only;
  const selective = bound.filter(({ schema }) => schema.plan.select.length > 0);
  const otherwise = bound.find(({ schema }) => schema.plan.select.length === 0);
  const wanted = selective
    .map(({ schema }) => {
      const constants = schema.plan.select.map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
      return `${constants.join(', ')} (${schema.id})`;
    })
    .join(' or ');
  const none = `matches no schema of this topic: must have ${wanted}`;
  return (value) =>
    selective.find(({ schema }) =>
      schema.plan.select.every(([name, constant]) => ownValue(value, name) === constant),
    ) ??
    otherwise ??
    none;
}

function byShape(
  schemas: readonly ReadingSchema[],
): Map<
  string,
  { readonly schema: ReadingSchema; readonly pattern: ReadingSchema['plan']['patterns'][number] }[]
> {
  const shapes: ReturnType<typeof byShape> = new Map();
  for (const schema of schemas) {
    for (const pattern of schema.plan.patterns) {
      const shape = shapeOf(pattern);
      const sharing = shapes.get(shape);
      if (sharing === undefined) shapes.set(shape, [{ schema, pattern }]);
      else sharing.push({ schema, pattern });
    }
  }
  return shapes;
}

function renamed(
  captures: ReadonlyMap<string, string>,
  names: readonly string[],
): ReadonlyMap<string, string> {
  const texts = [...captures.values()];
  return new Map(names.map((name, i) => [name, texts[i] ?? '']));
}

function nearestOf(schemas: readonly ReadingSchema[], topic: string): string | null {
  const levels = topic.split('/').slice(0, 32);
  let best: { distance: number; words: string } | null = null;
  for (const { id, plan } of schemas) {
    for (const pattern of plan.patterns) {
      const far = distance(pattern, levels);
      if ((best === null || far < best.distance) && isNear(pattern, levels)) {
        best = { distance: far, words: `${id} (${pattern.text})` };
      }
    }
  }
  return best?.words ?? null;
}
