import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createEmbeddedSink } from '../../gateway/sinks/embedded.ts';
import { queryCopy } from '../support/duckdb-copy.ts';
import { run } from '../support/processes.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describeWith(['duckdb', 'tmpfs'], 'the embedded store on a full disk', () => {
  const folder = join(temporaryFolder('embedded-full'), 'disk');
  afterAll(async () => {
    await run('umount', ['-l', folder]);
  });

  it('says so, harms nothing, and goes on with the same slice when there is room', async () => {
    mkdirSync(folder);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', folder]);
    expect(mounted.stderr).toBe('');
    const path = join(folder, 'e.duckdb');
    const ballast = join(folder, 'ballast');
    writeFileSync(ballast, Buffer.alloc(6 * 1024 * 1024));
    const sink = createEmbeddedSink({ path, maxBytes: null, maxAgeMs: null });
    const never = new AbortController().signal;
    await sink.open('store', 1_000_000, never);
    const slice = (seq: number): Buffer =>
      Buffer.from(
        Array.from(
          { length: 2000 },
          (_, i) => `m a=${Math.random()},b=${Math.random()} ${seq * 10_000 + i}\n`,
        ).join(''),
      );
    let seq = 0;
    let decision = await sink.write(slice(1), 1, never);
    while (decision.kind === 'written' && seq < 1000) {
      seq += 1;
      decision = await sink.write(slice(seq + 1), seq + 1, never);
    }
    expect(seq).toBeGreaterThan(2);
    expect(decision).toMatchObject({ kind: 'pause', reason: expect.stringContaining('the disk is full') });
    rmSync(ballast);
    expect(await sink.write(slice(seq + 1), seq + 1, never)).toEqual({ kind: 'written' });
    await sink.close();
    expect(await queryCopy(path, 'SELECT count(*)::INTEGER, count(DISTINCT time)::INTEGER FROM m')).toEqual([
      [2000 * (seq + 1), 2000 * (seq + 1)],
    ]);
  });
});
