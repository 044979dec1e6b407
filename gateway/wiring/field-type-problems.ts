/** What a database would refuse of what the schemas are to write, told before the first reading is sent. */
import type { FieldType } from '../contracts.ts';
import type { Problem } from '../errors.ts';
import type { ReadingSchema } from '../readings/reading-schema.ts';
import type { FieldTypes } from '../sinks/influxdb-field-types.ts';

/** How a property is declared whose field has this type. */
const DECLARED: Readonly<Record<FieldType, string>> = {
  float: '"type": "number"',
  integer: '"type": "integer"',
  string: '"type": "string"',
  boolean: '"type": "boolean"',
};

/**
 * Fields of the schemas that the database holds already with another type, each at its property. A measurement that a
 * topic names is only known when a reading comes, and is passed over. A field that is held with several types, one of
 * them the schema's, may be taken or not, by the shard: no problem can be told.
 */
export function fieldTypeProblems(schemas: readonly ReadingSchema[], held: FieldTypes): readonly Problem[] {
  const problems: Problem[] = [];
  for (const schema of schemas) {
    const { measurement, fields, time } = schema.plan;
    const known = held.get(measurement);
    if (known === undefined || measurement.startsWith('{')) continue;
    const compare = (name: string, type: FieldType, pointer: string): void => {
      const types = known.get(name);
      const [first] = types ?? [];
      if (types === undefined || first === undefined || types.includes(type)) return;
      problems.push(schema.problem(pointer, words(measurement, name, type, types, first)));
    };
    for (const { field, name, type, pointer } of fields) compare(field ?? name, type, pointer);
    const original = time?.original ?? null;
    if (original !== null) compare(original, 'integer', '/telemetry/time');
  }
  return problems;
}

function words(
  measurement: string,
  field: string,
  type: FieldType,
  types: readonly FieldType[],
  first: FieldType,
): string {
  return `would be refused by the database: it holds "${field}" of ${measurement} as ${types.join(' and ')}, this is ${type}; declare it as ${DECLARED[first]}, or store it under another name by "field"`;
}
