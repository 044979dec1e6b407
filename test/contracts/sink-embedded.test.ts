import { join } from 'node:path';
import { createEmbeddedSink } from '../../gateway/sinks/embedded.ts';
import { queryCopy } from '../support/duckdb-copy.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { describeSink } from './sink-suite.ts';

describeWith(['duckdb'], 'the embedded sink', () => {
  describeSink('embedded', async () => {
    const path = join(temporaryFolder('embedded'), 'embedded.duckdb');
    return {
      ownCursor: true,
      sink: () => createEmbeddedSink({ path, maxBytes: null, maxAgeMs: null }),
      count: async (measurement) => {
        const [row] = await queryCopy(path, `SELECT count(*)::INTEGER FROM main."${measurement}"`);
        return Number(row?.[0] ?? 0);
      },
    };
  });
});
