import type { ArrivalClock, Message, Reading, Readings, Route } from '../contracts.ts';
import { type BoundSchema, bindSchema, seqOf } from './bound-schema.ts';
import { describeSchema, type SchemaDescription } from './describe-schema.ts';
import { ownValue } from './property-path.ts';
import type { ReadingSchema } from './reading-schema.ts';
import { renewPatternBudget } from './safe-pattern.ts';
import { TickCounter } from './tick-counter.ts';
import { distance, FIELD_CAPTURE, shapeOf } from './topic-pattern.ts';
import { TopicRouter } from './topic-router.ts';
import { TwoGenerations } from './two-generations.ts';

/** A set of schemas in force. */
export interface CompiledReadings extends Readings {
  describe(): readonly SchemaDescription[];
  /** In words: the schema whose topics come nearest, and which; null where none comes near. */
  nearest(topic: string): string | null;
}

/** Topics whose route is remembered; twice as many at most. Beyond that, the ones not used for longest are worked out anew. */
const REMEMBERED_TOPICS = 20_000;
/** Longer topics are routed each time: what is remembered stays bounded in bytes as well. */
const REMEMBERED_TOPIC_CHARS = 256;

/** @param schemas a consistent set: see `consistencyProblems` */
export function compileReadings(
  schemas: readonly ReadingSchema[],
  ticks: TickCounter = new TickCounter(),
): CompiledReadings {
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
  const known = new TwoGenerations<Route | 'none'>(REMEMBERED_TOPICS);

  const find = (topic: string): Route | null => {
    const match = router.find(topic);
    if (match === null) return null;
    const bound = match.target.map((schema) => {
      // Schemas that share a shape may name its captures differently.
      const own = schema.plan.patterns.find((pattern) => shapeOf(pattern) === shapeOf(match.pattern));
      const captures = own === undefined ? match.captures : renamed(match.captures, own.captures);
      return bindSchema(schema, captures, ticks);
    });
    return routeOf(bound, match.captures.has(FIELD_CAPTURE) ? 'scalar' : 'json');
  };

  return {
    route(topic) {
      const remembered = known.get(topic);
      if (remembered !== undefined) return remembered === 'none' ? null : remembered;
      const route = find(topic);
      if (topic.length <= REMEMBERED_TOPIC_CHARS) known.set(topic, route ?? 'none');
      return route;
    },
    describe: () => schemas.map(describeSchema),
    nearest: (topic) => nearestOf(schemas, topic),
  };
}

function routeOf(bound: readonly BoundSchema[], format: string): Route {
  const choose = chooserOf(bound);
  const [first] = bound;
  const one = (value: unknown, message: Message, arrival: ArrivalClock, nowMs: number): Reading => {
    const chosen = choose(value);
    return typeof chosen === 'string'
      ? {
          kind: 'bad',
          device: first?.deviceOf(message) ?? null,
          schema: null,
          code: 'invalid',
          violations: [{ pointer: '', message: chosen }],
          seq: seqOf(value),
        }
      : chosen.read(value, message, arrival, nowMs);
  };
  return {
    schemas: bound.map(({ schema }) => schema.id),
    format,
    deviceOf: (message) => first?.deviceOf(message) ?? null,
    interpret(value, message, arrival, nowMs) {
      renewPatternBudget();
      if (!Array.isArray(value)) return [one(value, message, arrival, nowMs)];
      if (value.length === 0) return [one(undefined, message, arrival, nowMs)];
      return value.map((element: unknown) => one(element, message, arrival, nowMs));
    },
  };
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
      if (far <= Math.max(1, pattern.levels.length / 2) && (best === null || far < best.distance)) {
        best = { distance: far, words: `${id} (${pattern.text})` };
      }
    }
  }
  return best?.words ?? null;
}
