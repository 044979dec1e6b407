import type { FieldType, Violation } from '../contracts.ts';
import { printable } from '../printable.ts';

/** How a JSON Schema declares a field of this type. */
const DECLARED: Readonly<Record<FieldType, string>> = {
  float: 'number',
  integer: 'integer',
  string: 'string',
  boolean: 'boolean',
};
const SHOWN_CHARACTERS = 60;
const PLAIN_ARGUMENT = /^[\w.:/@-]+$/;

export interface TypeConflict {
  readonly measurement: string;
  readonly field: string;
  /** As the schema declares it. */
  readonly type: FieldType;
  /** What would be accepted; never empty. */
  readonly held: readonly FieldType[];
  /** Databases that hold it so; empty where this gateway knows it from its own readings. */
  readonly sinks: readonly string[];
  readonly first: { readonly device: string; readonly schema: string; readonly sinceMs: number } | null;
}

/**
 * What is wrong and how to mend it. The pointer is empty: a field may have been renamed or flattened from its property,
 * so the words name the field.
 */
export function typeViolation(conflict: TypeConflict): Violation {
  const { measurement, field, type, held, sinks, first } = conflict;
  const [wanted = type] = held;
  const name = shown(field);
  const who =
    sinks.length > 0
      ? `sink ${sinks.map(shown).join(' and ')} holds it as ${held.join(' and ')}`
      : `it is stored as ${wanted}${first === null ? '' : firstWords(first)}`;
  const remedies = [
    `declare it as ${DECLARED[wanted]}`,
    `store it under another name with "field": ${shown(`${field}_${type}`)}`,
    `when the database no longer holds it so: telemetry-gateway fields forget ${argument(measurement)} ${argument(field)}`,
  ];
  return {
    pointer: '',
    message: `field ${name} of ${shown(measurement)} must be ${wanted}, got ${type}: ${who}; ${remedies.join(', or ')}`,
  };
}

function firstWords({
  device,
  schema,
  sinceMs,
}: {
  readonly device: string;
  readonly schema: string;
  readonly sinceMs: number;
}): string {
  return ` since ${day(sinceMs)} (first by device ${shown(device)} under schema ${shown(schema)})`;
}

function day(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? 'long ago' : date.toISOString().slice(0, 10);
}

function shown(text: string): string {
  return `"${printable(text, SHOWN_CHARACTERS)}"`;
}

/** As a shell takes it. */
function argument(text: string): string {
  return PLAIN_ARGUMENT.test(text) ? text : `'${printable(text).replaceAll("'", "'\\''")}'`;
}
