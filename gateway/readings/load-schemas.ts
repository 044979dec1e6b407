import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError, messageOf, type Problem } from '../errors.ts';
import { type CompiledReadings, compileReadings } from './compile-readings.ts';
import { ANY_FORMAT, type FormatProblem, type MappingDeps } from './mapping-deps.ts';
import { optionalTags } from './optional-tags.ts';
import { compileReadingSchema, type ReadingSchema } from './reading-schema.ts';
import { consistencyProblems } from './schema-consistency.ts';
import { senderProblems, shareProblems } from './sender-unknown.ts';
import { TickCounter } from './tick-counter.ts';

/** A larger file is a problem of its own; a copy of each is kept in the store. */
export const MAX_SCHEMA_BYTES = 256 * 1024;
const MAX_FILES = 1000;

export interface LoadedSchemas {
  /** A consistent set: a file with problems is left out. */
  readonly schemas: readonly ReadingSchema[];
  readonly problems: readonly Problem[];
}

/** Left out: every format is taken at its word, no clock is known, no device has settings. */
export interface LoadOptions extends Partial<MappingDeps> {
  readonly formatProblem?: FormatProblem;
  /** Readings come from other brokers too: a note for each schema that wants to know their sender. */
  readonly fromBrokers?: boolean;
  /** What is read from brokers is shared with gateways that are no peers: a note for each schema that minds. */
  readonly sharesAlone?: boolean;
}

/** For commands that look at a folder once. */
export interface LoadedReadings {
  readonly readings: CompiledReadings;
  /** `$id` of each schema that can be used. */
  readonly schemas: readonly string[];
  readonly problems: readonly Problem[];
  /** Worth a word, but in the way of nothing: what is declared and stored nowhere, tags that may be left out, senders that are not known. */
  readonly notes: readonly Problem[];
  nearest(topic: string): string | null;
}

/** The names of the schema files of a folder, sorted. @throws GatewayError `schema-invalid` where it cannot be read. */
export function schemaFiles(dir: string): string[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    throw new GatewayError('schema-invalid', `the schemas in ${dir} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return names.filter(isSchemaFile).sort(byName).slice(0, MAX_FILES);
}

export function isSchemaFile(name: string): boolean {
  return name.endsWith('.json') && !name.startsWith('.');
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** The text of a schema file, or the problem with it. */
export function readSchemaFile(dir: string, name: string): string | Problem {
  const problem = (message: string): Problem => ({ file: name, line: 1, column: 1, pointer: '', message });
  try {
    const path = join(dir, name);
    const { size } = statSync(path);
    if (size > MAX_SCHEMA_BYTES) return problem(`has ${size} bytes; at most ${MAX_SCHEMA_BYTES} are read`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    return problem(`cannot be read: ${messageOf(error)}`);
  }
}

/** Compiles schema files, given by name and text. */
export function compileSchemas(
  files: ReadonlyMap<string, string>,
  formatProblem: FormatProblem = ANY_FORMAT,
): LoadedSchemas {
  const schemas: ReadingSchema[] = [];
  const problems: Problem[] = [];
  for (const [file, text] of files) {
    const compiled = compileReadingSchema(file, text, formatProblem);
    problems.push(...compiled.problems);
    if (compiled.schema !== null) schemas.push(compiled.schema);
  }
  const { kept, problems: together } = largestConsistent(schemas);
  return { schemas: kept, problems: [...problems, ...together] };
}

/** Leaves out what does not go together with the files before it. */
export function largestConsistent(schemas: readonly ReadingSchema[]): {
  readonly kept: readonly ReadingSchema[];
  readonly problems: readonly Problem[];
} {
  const problems = consistencyProblems(schemas);
  const atFault = new Set(problems.map(({ file }) => file));
  return { kept: schemas.filter(({ file }) => !atFault.has(file)), problems };
}

/** Reads and compiles a folder of schema files. @throws GatewayError `schema-invalid` where it cannot be read. */
export function loadSchemas(dir: string, formatProblem: FormatProblem = ANY_FORMAT): LoadedSchemas {
  const texts = new Map<string, string>();
  const unreadable: Problem[] = [];
  for (const name of schemaFiles(dir)) {
    const text = readSchemaFile(dir, name);
    if (typeof text === 'string') texts.set(name, text);
    else unreadable.push(text);
  }
  const { schemas, problems } = compileSchemas(texts, formatProblem);
  return { schemas, problems: [...unreadable, ...problems] };
}

/** As a command needs it: in a process of its own, where no reading was stored before. */
export function loadReadings(dir: string, options: LoadOptions = {}): LoadedReadings {
  const { formatProblem, fromBrokers = false, sharesAlone = false, ...deps } = options;
  const { schemas, problems } = loadSchemas(dir, formatProblem);
  const readings = compileReadings(schemas, { ticks: new TickCounter({ fresh: true }), ...deps });
  return {
    readings,
    schemas: schemas.map(({ id }) => id),
    problems,
    notes: [
      ...(fromBrokers ? senderProblems(schemas) : []),
      ...(sharesAlone ? shareProblems(schemas) : []),
      ...optionalTags(schemas),
      ...schemas.flatMap((schema) =>
        schema.plan.unmapped.map(({ pointer, why }) =>
          schema.problem(pointer, `is checked, but not stored (${why})`),
        ),
      ),
    ],
    nearest: (topic) => readings.nearest(topic),
  };
}
