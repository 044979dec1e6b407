/** What a process took while a load was on: cores and memory. */
import { rssAnonBytes } from '../../test/support/gateway-process.ts';
import { cpuSeconds } from '../measure.ts';

export interface UsageSample {
  /** Of `performance.now()`. */
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly rssAnonBytes: number;
}

export interface Usage {
  readonly cores: number;
  /** The highest in that time. */
  readonly rssAnonBytes: number;
}

export interface WatchedProcess {
  readonly samples: readonly UsageSample[];
  stop(): void;
}

const SAMPLE_MS = 250;

/** Looks at it four times a second until it has ended, or `stop()`. */
export function watchProcess(pid: number): WatchedProcess {
  const samples: UsageSample[] = [];
  const look = (): void => {
    try {
      samples.push({
        atMs: performance.now(),
        cpuSeconds: cpuSeconds([pid]),
        rssAnonBytes: rssAnonBytes(pid),
      });
    } catch {
      // It has ended.
      clearInterval(timer);
    }
  };
  const timer = setInterval(look, SAMPLE_MS);
  look();
  return { samples, stop: () => clearInterval(timer) };
}

/** Within a time, both ends included; null where fewer than two samples lie in it. */
export function usageWithin(samples: readonly UsageSample[], fromMs: number, toMs: number): Usage | null {
  const within = samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  const first = within[0];
  const last = within.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return null;
  return {
    cores: ((last.cpuSeconds - first.cpuSeconds) * 1000) / (last.atMs - first.atMs),
    rssAnonBytes: Math.max(...within.map((sample) => sample.rssAnonBytes)),
  };
}
