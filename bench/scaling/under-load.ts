/** One subject under as much load as it acknowledges, from the generator. */
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from '../../test/support/processes.ts';
import { type Generated, generatorArgs, type Load } from '../measure.ts';
import { usageWithin, watchProcess } from './process-usage.ts';
import type { Subject } from './subjects.ts';

export interface LoadResult {
  readonly acknowledgedPerSecond: number;
  /** By its database, while the load was on; null where it has none. */
  readonly writtenPerSecond: number | null;
  readonly p99Ms: number | null;
  /** Of its own process. */
  readonly cores: number;
  readonly rssAnonBytes: number;
  readonly generatorCores: number;
}

/** Validators, tables and caches are warm, and the engine has compiled what is hot. */
const WARMUP_S = 3;

/** @throws Error where the generator fails, loses connections or gets no acknowledgement at all. */
export async function underLoad(subject: Subject, load: Load, ...more: string[]): Promise<LoadResult> {
  const child = start(
    process.execPath,
    generatorArgs(subject.port, load, '--warmup', String(WARMUP_S), ...more),
  );
  const watched = watchProcess(subject.pid);
  try {
    await until(
      'the generator is connected',
      () => child.stderr().includes('connected') || child.ended() !== null,
      {
        timeoutMs: 60_000,
      },
    );
    await sleep(WARMUP_S * 1000);
    const fromMs = performance.now();
    const before = await subject.written();
    const beforeMs = performance.now();
    await sleep(load.seconds * 1000 - 200);
    const after = await subject.written();
    const toMs = performance.now();
    await child.exited;
    if (child.stdout() === '') throw new Error(`the generator failed: ${child.stderr()}`);
    // Its own program printed it.
    const generated = JSON.parse(child.stdout()) as Generated;
    if (generated.broken > 0) throw new Error(`${generated.broken} connections broke`);
    if (generated.perSecond === 0) throw new Error('nothing was acknowledged');
    const usage = usageWithin(watched.samples, fromMs, toMs);
    if (usage === null) throw new Error('too short to measure');
    return {
      acknowledgedPerSecond: generated.perSecond,
      writtenPerSecond:
        before === null || after === null ? null : ((after - before) * 1000) / (toMs - beforeMs),
      p99Ms: generated.p99Ms,
      cores: usage.cores,
      rssAnonBytes: usage.rssAnonBytes,
      generatorCores: generated.coreShare,
    };
  } finally {
    watched.stop();
    await child.kill();
  }
}
