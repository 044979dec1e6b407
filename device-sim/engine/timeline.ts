import type { StageSpec } from '../contracts.ts';

/** How fast readings are due in the course of a run; µs after its start. */
export interface Timeline {
  /** Infinity: until interrupted. */
  readonly endUs: number;
  /** Over how much time the connections come; 0: before the start. */
  readonly rampUs: number;
  readonly storms: readonly { readonly atUs: number; readonly share: number; readonly stage: number }[];
  /** Time weighted with the rates of the stages, from the start until then: two minutes at rate 3 are six. */
  weightAt(offsetUs: number): number;
  /** When so much weighted time has passed; Infinity where the run ends before. */
  offsetAt(weightUs: number): number;
}

interface Segment {
  readonly fromUs: number;
  readonly toUs: number;
  readonly rate: number;
  readonly weightUs: number;
}

/** The stages one after the other. */
export function createTimeline(stages: readonly StageSpec[]): Timeline {
  const segments: Segment[] = [];
  const storms: { atUs: number; share: number; stage: number }[] = [];
  let fromUs = 0;
  let weightUs = 0;
  for (const [index, { kind, durationMs, rate, share }] of stages.entries()) {
    const toUs = durationMs === null ? Number.POSITIVE_INFINITY : fromUs + durationMs * 1000;
    segments.push({ fromUs, toUs, rate, weightUs });
    if (kind === 'storm') storms.push({ atUs: fromUs, share, stage: index });
    weightUs += rate === 0 ? 0 : (toUs - fromUs) * rate;
    fromUs = toUs;
  }
  const first = stages[0];
  return {
    endUs: fromUs,
    rampUs: first?.kind === 'ramp' && first.durationMs !== null ? first.durationMs * 1000 : 0,
    storms,
    weightAt(offsetUs) {
      const segment = segments.find(({ toUs }) => offsetUs < toUs) ?? segments.at(-1);
      if (segment === undefined) return 0;
      return segment.weightUs + (Math.min(offsetUs, segment.toUs) - segment.fromUs) * segment.rate;
    },
    offsetAt(wantedUs) {
      for (const segment of segments) {
        if (segment.rate === 0) continue;
        const offsetUs = segment.fromUs + (wantedUs - segment.weightUs) / segment.rate;
        if (offsetUs < segment.toUs) return offsetUs;
      }
      return Number.POSITIVE_INFINITY;
    },
  };
}
