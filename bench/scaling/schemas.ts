/** More and more schemas, each with a measurement of its own, over the same number of topics. */
import { temporaryFolder } from '../../test/support/temporary-folder.ts';
import { ENVIRONMENT, type SchemaDocument, writeSchemas } from '../../test/support/test-schemas.ts';
import { endAndClean } from '../clean.ts';
import { progress } from '../progress.ts';
import type { SchemasRow } from './schemas-report.ts';
import { startSubject } from './subjects.ts';
import { underLoad } from './under-load.ts';

const CONNECTIONS = 50;

/** Every count on the gateway with InfluxDB and with its sink away, `seconds` each. */
export async function measureSchemas(
  counts: readonly number[],
  topics: number,
  seconds: number,
): Promise<SchemasRow[]> {
  const rows: SchemasRow[] = [];
  for (const schemas of counts) {
    for (const name of ['gateway-paused', 'gateway'] as const) {
      const folder = writeSchemas(temporaryFolder('schemas'), ...manySchemas(schemas));
      const subject = await startSubject(name, folder);
      try {
        // A topic for each place in the windows.
        const load = {
          connections: CONNECTIONS,
          window: Math.ceil(topics / CONNECTIONS),
          seconds,
          devices: topics,
        };
        const result = await underLoad(subject, load, '--schemas', String(schemas));
        rows.push({ subject: name, schemas, topics, startMs: subject.startMs ?? Number.NaN, ...result });
        progress(`${name}, ${schemas} schemas: ${result.acknowledgedPerSecond}/s`);
      } finally {
        await subject.stop();
        await endAndClean();
      }
    }
  }
  return rows;
}

/** As many as asked for, for the topics `sensors/DEVICE/kind-0000` and on. */
export function manySchemas(count: number): SchemaDocument[] {
  return Array.from({ length: count }, (_, i) => {
    const kind = String(i).padStart(4, '0');
    const telemetry = {
      measurement: `kind_${kind}`,
      topics: [`sensors/{device}/kind-${kind}`],
      time: { property: 'ts', unit: 'ms' },
    };
    const pressure = { type: 'number', minimum: 300, maximum: 1200, unit: 'hPa' };
    const properties = { ...Object(ENVIRONMENT.properties), pressure };
    return { ...ENVIRONMENT, $id: `kind-${kind}.v1`, telemetry, properties };
  });
}
