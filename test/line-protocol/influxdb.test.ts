import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeLine, type LinePoint } from '../../gateway/line-protocol/encode.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { field, measurement, name } from './points.ts';

interface Answer {
  results: { series?: { name: string; columns: string[]; values: unknown[][] }[] }[];
}

/** InfluxQL's own quoting of an identifier. */
function selectAll({ measurement: name }: LinePoint): string {
  return `SELECT * FROM "${name.replace(/[\\"]/g, '\\$&')}"`;
}

describeWith(['influxd'], 'InfluxDB reads what the encoder writes', () => {
  it('finds every measurement, tag, key and value exactly as given', async () => {
    // JSON numbers carry InfluxDB's answer: integers beyond 2^53 would be rounded on the way back, not in the database.
    const exact = field.filter((f) => f.type !== 'integer' || Number.isSafeInteger(Number(f.value)));
    const points: LinePoint[] = fc
      .sample(fc.tuple(measurement, name, name, name, exact), { numRuns: 400, seed: 7 })
      .map(([m, tagKey, tagValue, fieldKey, value], i) => ({
        measurement: `${m}${i}`,
        tags: [[`t${tagKey}`, tagValue]],
        fields: [[`f${fieldKey}`, value]],
        timestampNs: String(1_000_000 + i),
      }));
    const influxd = await startInfluxd();
    await influxd.createDatabase('lines');
    const written = await fetch(`${influxd.url}/write?db=lines&precision=ns`, {
      method: 'POST',
      body: points.map(encodeLine).join(''),
    });
    expect([written.status, await written.text()]).toEqual([204, '']);
    const response = await fetch(`${influxd.url}/query?db=lines&epoch=ns`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `q=${encodeURIComponent(points.map(selectAll).join(';'))}`,
    });
    const text = await response.text();
    // The shape is InfluxDB's documented answer.
    const answer = JSON.parse(text) as Answer;
    const found = answer.results.map(({ series = [] }) =>
      series.flatMap(({ columns, values }) => columns.map((column, i) => [column, values[0]?.[i]])),
    );
    for (const [i, p] of points.entries()) {
      const [fieldKey, value] = p.fields[0] ?? ['', null];
      const [tagKey, tagValue] = p.tags[0] ?? ['', ''];
      const expected: [string, unknown][] = [
        ['time', 1_000_000 + i],
        [fieldKey, value?.type === 'integer' ? Number(value.value) : value?.value],
        [tagKey, tagValue],
      ];
      expect(found[i], encodeLine(p)).toEqual(expect.arrayContaining(expected));
    }
  }, 60_000);
});
