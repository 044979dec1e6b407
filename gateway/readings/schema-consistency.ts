import type { Problem } from '../errors.ts';
import type { ReadingSchema } from './reading-schema.ts';
import { shapeOf } from './topic-pattern.ts';

/** What is wrong with schemas together, though each of them is right: told at the later one, by name of the file. */
export function consistencyProblems(schemas: readonly ReadingSchema[]): Problem[] {
  const ordered = [...schemas].sort((a, b) => (a.file < b.file ? -1 : 1));
  return [...idProblems(ordered), ...topicProblems(ordered), ...columnProblems(ordered)];
}

function idProblems(schemas: readonly ReadingSchema[]): Problem[] {
  const owners = new Map<string, ReadingSchema>();
  const problems: Problem[] = [];
  for (const schema of schemas) {
    const owner = owners.get(schema.id);
    if (owner === undefined) owners.set(schema.id, schema);
    else problems.push(schema.problem('/$id', `"${schema.id}" is the $id of ${owner.file} already`));
  }
  return problems;
}

function topicProblems(schemas: readonly ReadingSchema[]): Problem[] {
  const problems: Problem[] = [];
  const claimed = new Map<string, { schema: ReadingSchema; topic: string }[]>();
  for (const schema of schemas) {
    for (const [i, pattern] of schema.plan.patterns.entries()) {
      const shape = shapeOf(pattern);
      const others = claimed.get(shape) ?? [];
      claimed.set(shape, [...others, { schema, topic: pattern.text }]);
      const rival = others.find((other) => other.schema === schema || !areApart(other.schema, schema));
      const other = others.find((sharing) => sharing.schema.plan.format !== schema.plan.format);
      if (rival === undefined && other !== undefined) {
        problems.push(
          schema.problem(
            '/telemetry/format',
            `is not that of ${other.schema.id} in ${other.schema.file}, which shares the topic "${pattern.text}": a payload is read before "select" can tell them apart`,
          ),
        );
      }
      if (rival === undefined) continue;
      const whose = rival.schema === schema ? 'this schema' : `${rival.schema.id} in ${rival.schema.file}`;
      problems.push(
        schema.problem(
          `/telemetry/topics/${i}`,
          `"${pattern.text}" matches the same topics as "${rival.topic}" of ${whose}; change one, or tell them apart by "select"`,
        ),
      );
    }
  }
  return problems;
}

/** No reading fits both: a constant differs. One without constants takes what the other leaves. */
function areApart(a: ReadingSchema, b: ReadingSchema): boolean {
  if (a.plan.select.length === 0 || b.plan.select.length === 0) {
    return a.plan.select.length !== b.plan.select.length;
  }
  const constants = new Map(a.plan.select);
  return b.plan.select.some(([name, value]) => constants.has(name) && constants.get(name) !== value);
}

interface Column {
  readonly schema: ReadingSchema;
  readonly name: string;
  readonly type: string;
}

/** One measurement is one table: a name has one spelling and one type there. */
function columnProblems(schemas: readonly ReadingSchema[]): Problem[] {
  const problems: Problem[] = [];
  const tables = new Map<string, Map<string, Column>>();
  for (const schema of schemas) {
    const { plan } = schema;
    const table = tables.get(plan.measurement.toLowerCase()) ?? new Map<string, Column>();
    tables.set(plan.measurement.toLowerCase(), table);
    const add = (name: string, type: string, pointer: string): void => {
      const known = table.get(name.toLowerCase());
      if (known === undefined) table.set(name.toLowerCase(), { schema, name, type });
      else if (known.type !== type || known.name !== name) {
        const { schema: owner } = known;
        problems.push(
          schema.problem(
            pointer,
            `is stored as "${name}" (${type}) in measurement ${plan.measurement}, where ${owner.id} in ${owner.file} has "${known.name}" (${known.type}); rename one by "field", or use another measurement`,
          ),
        );
      }
    };
    for (const key of plan.series.tags.keys()) add(key, 'tag', '/telemetry');
    for (const leaf of plan.fields) add(leaf.field ?? leaf.name, leaf.type, leaf.pointer);
    const original = plan.time?.original ?? null;
    if (original !== null) add(original, 'integer', '/telemetry/time');
  }
  return problems;
}
