import type { FieldReport, SeriesReport } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import { table } from './table.ts';
import { count, moment } from './wording.ts';

const DEVICES_SHOWN = 20;

/** The series budget for people: whose they are, and which tag makes them. `~` before what is estimated. */
export function seriesText(report: SeriesReport): string {
  const { total, budget, refusedReadings, estimatedRefusedSeries, measurements, devices } = report;
  const parts = [`${count(total)} of at most ${count(budget)} series\n`];
  if (refusedReadings > 0)
    parts.push(
      `${count(refusedReadings)} readings were rejected (cardinality): they would have begun about ${count(estimatedRefusedSeries)} more\n`,
    );
  if (measurements.length > 0)
    parts.push(
      table(
        [
          { title: 'measurement' },
          { title: 'series', align: 'right' },
          { title: 'at most', align: 'right' },
          { title: 'refused', align: 'right' },
          { title: 'values of each tag' },
        ],
        measurements.map((each) => [
          printable(each.measurement, 64),
          count(each.series),
          each.budget === null ? '-' : count(each.budget),
          each.refusedEstimate === 0 ? '0' : `~${count(each.refusedEstimate)}`,
          each.tags
            .map(({ key, valuesEstimate }) => `${printable(key, 48)} ~${count(valuesEstimate)}`)
            .join(', '),
        ]),
      ),
    );
  if (devices.length > 0)
    parts.push(
      table(
        [{ title: 'device' }, { title: 'series', align: 'right' }],
        devices.slice(0, DEVICES_SHOWN).map(({ device, series }) => [printable(device, 64), count(series)]),
      ),
    );
  return parts.join('\n');
}

/** The types of fields for people. */
export function fieldsText(fields: readonly FieldReport[]): string {
  if (fields.length === 0) return 'no fields yet\n';
  return table(
    [
      { title: 'measurement' },
      { title: 'field' },
      { title: 'type' },
      { title: 'since' },
      { title: 'first by' },
      { title: 'schema' },
      { title: 'known from' },
    ],
    fields.map(({ measurement, field, type, firstSeenMs, device, schema, origin }) => [
      printable(measurement, 64),
      printable(field, 64),
      type,
      firstSeenMs === 0 ? '-' : moment(firstSeenMs),
      printable(device ?? '-', 48),
      printable(schema ?? '-', 64),
      printable(origin, 48),
    ]),
  );
}
