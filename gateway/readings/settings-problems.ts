import type { DeviceSettings } from '../ledger-contract.ts';
import { calibrationProblem } from './calibration.ts';
import { type Columns, clashes, extraTagProblem, NO_COLUMNS } from './device-settings.ts';
import type { ReadingSchema } from './reading-schema.ts';
import { tagProblem } from './series-words.ts';

/** By measurement (or `{capture}`) in lower case: each is one table, in which a name means one thing. */
export function columnsOf(schemas: readonly ReadingSchema[]): ReadonlyMap<string, Columns> {
  const tables = new Map<string, Map<string, { name: string; isTag: boolean }>>();
  for (const { plan, fields } of schemas) {
    const table = tables.get(plan.measurement.toLowerCase()) ?? new Map();
    tables.set(plan.measurement.toLowerCase(), table);
    for (const key of plan.series.tags.keys()) table.set(key.toLowerCase(), { name: key, isTag: true });
    for (const { name } of fields) table.set(name.toLowerCase(), { name, isTag: false });
  }
  return tables;
}

/** In words, what of a device's settings would not be applied under these schemas, and why. */
export function settingsProblems(settings: DeviceSettings, schemas: readonly ReadingSchema[]): string[] {
  const problems: string[] = [];
  const aliasProblem = settings.alias === null ? null : tagProblem(settings.alias);
  if (aliasProblem !== null) problems.push(`the alias ${aliasProblem}`);
  const columns = columnsOf(schemas);
  for (const [key, text] of settings.tags) {
    const problem = extraTagProblem(key, text);
    if (problem !== null) problems.push(problem);
    else {
      const clash = schemas.find(({ plan }) => {
        const source = plan.series.tags.get(key);
        const isTold = source !== undefined && source.kind !== 'capture';
        return isTold || clashes(key, columns.get(plan.measurement.toLowerCase()) ?? NO_COLUMNS);
      });
      if (clash === undefined) continue;
      problems.push(
        `the tag "${key}" is left out in measurement ${clash.plan.measurement}: ${clash.id} has a tag or field of that name`,
      );
    }
  }
  for (const [name, steps] of settings.calibration) {
    const fields = schemas.flatMap(({ id, plan }) =>
      plan.fields.filter((leaf) => leaf.field === name).map(({ type }) => ({ id, type })),
    );
    if (fields.length === 0)
      problems.push(`the calibration of "${name}" has no effect: no schema has this field`);
    for (const { id, type } of fields) {
      const problem = calibrationProblem(type, steps);
      if (problem !== null) problems.push(`the calibration is not applied: "${name}" of ${id} ${problem}`);
    }
  }
  return problems;
}
