/** Larger and larger payloads: one text makes each reading as large as it is to be. */
import { temporaryFolder } from '../../test/support/temporary-folder.ts';
import { ENVIRONMENT, writeSchemas } from '../../test/support/test-schemas.ts';
import { endAndClean } from '../clean.ts';
import { progress } from '../progress.ts';
import type { PayloadRow } from './payload-report.ts';
import { SUBJECT_TITLES, type SubjectName, startSubject } from './subjects.ts';
import { underLoad } from './under-load.ts';

const CONNECTIONS = 50;
const WINDOW = 50;
/** Unacknowledged over all connections at most: the queue of the sender is not what is measured. */
const IN_FLIGHT_BYTES = 16e6;
const NAMES = Object.keys(SUBJECT_TITLES).filter((name): name is SubjectName =>
  Object.hasOwn(SUBJECT_TITLES, name),
);

/** Every size on every subject, `seconds` each. */
export async function measurePayloads(sizes: readonly number[], seconds: number): Promise<PayloadRow[]> {
  const rows: PayloadRow[] = [];
  for (const bytes of sizes) {
    for (const name of NAMES) {
      const subject = await startSubject(name, schemasWithText());
      try {
        const load = { connections: CONNECTIONS, window: windowFor(bytes), seconds, devices: 0 };
        const result = await underLoad(subject, load, '--payload', String(bytes));
        rows.push({ subject: name, bytes, ...result });
        progress(`${name}, ${bytes} bytes: ${result.acknowledgedPerSecond}/s`);
      } finally {
        await subject.stop();
        await endAndClean();
      }
    }
  }
  return rows;
}

/** Unacknowledged readings of a connection. */
export function windowFor(bytes: number): number {
  return Math.max(1, Math.min(WINDOW, Math.floor(IN_FLIGHT_BYTES / CONNECTIONS / bytes)));
}

function schemasWithText(): string {
  const properties = { ...Object(ENVIRONMENT.properties), note: { type: 'string' } };
  return writeSchemas(temporaryFolder('schemas'), { ...ENVIRONMENT, properties });
}
