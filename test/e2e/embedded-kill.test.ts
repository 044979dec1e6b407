import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { queryCopy } from '../support/duckdb-copy.ts';
import { start, until } from '../support/processes.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const WRITER = fileURLToPath(new URL('../../dist/test/support/embedded-writer.js', import.meta.url));
const ROUNDS = 12;
const POINTS = 50;

describeWith(['duckdb'], 'the embedded store, killed in the middle of its work', () => {
  it('has each reading it confirmed exactly once, and goes on behind it', async () => {
    const path = join(temporaryFolder('embedded-kill'), 'e.duckdb');
    let confirmed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const writer = start(process.execPath, [WRITER, path]);
      await until('it is open', () => {
        const ended = writer.ended();
        if (ended !== null) throw new Error(`ended with ${ended}: ${writer.stderr()}`);
        return writer.stdout().includes('open ');
      });
      const openedAt = Number(/open (\d+)/.exec(writer.stdout())?.[1]);
      expect(openedAt).toBeGreaterThanOrEqual(confirmed);
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 300));
      await writer.kill('SIGKILL');
      const last = writer
        .stdout()
        .match(/written \d+\n/g)
        ?.at(-1);
      confirmed = Math.max(openedAt, last === undefined ? 0 : Number(/\d+/.exec(last)?.[0]));
    }
    expect(confirmed).toBeGreaterThan(ROUNDS);
    const [[cursor] = []] = await queryCopy(path, 'SELECT through_seq::INTEGER FROM gateway.cursor');
    expect(Number(cursor)).toBeGreaterThanOrEqual(confirmed);
    const tables = await queryCopy(path, 'SELECT table_name FROM gateway.tables');
    const all = tables.map(([table]) => `SELECT time FROM main."${String(table)}"`).join(' UNION ALL ');
    const [counted] = await queryCopy(
      path,
      `SELECT count(*)::INTEGER, count(DISTINCT time)::INTEGER, max(epoch_ns(time) // 1000)::INTEGER FROM (${all})`,
    );
    expect(counted).toEqual([Number(cursor) * POINTS, Number(cursor) * POINTS, cursor]);
  });
});
