/** What the scaling bench measures, and a short look at the same. */
import type { ConnectionsStep } from './connections.ts';

export const SECTIONS = ['connections', 'payload', 'schemas', 'drain'] as const;
export type SectionName = (typeof SECTIONS)[number];

export interface ScalingPlan {
  readonly connections: {
    readonly steps: readonly ConnectionsStep[];
    /** Whether Mosquitto is measured beside it. */
    readonly beside: (step: ConnectionsStep) => boolean;
  };
  readonly payload: { readonly sizes: readonly number[]; readonly seconds: number };
  readonly schemas: { readonly counts: readonly number[]; readonly topics: number; readonly seconds: number };
  readonly drain: { readonly points: number; readonly livePerSecond: number };
}

/** Readings per second over all connections, the same at every step but the last. */
const STEADY = 2000;
const MOST = 15_000;

export function fullPlan(): ScalingPlan {
  return {
    connections: {
      steps: [
        ...[1, 10, 100, 1000, 5000, MOST].map((connections) => step(connections, STEADY, 20)),
        step(MOST, 10_000, 60),
      ],
      beside: () => true,
    },
    payload: { sizes: [50, 200, 1000, 4000, 16_000, 64_000], seconds: 6 },
    schemas: { counts: [1, 10, 100, 1000], topics: 10_000, seconds: 8 },
    drain: { points: 1_000_000, livePerSecond: 5000 },
  };
}

/** A minute or two. Its figures say whether it works, and little else. */
export function quickPlan(): ScalingPlan {
  return {
    connections: {
      steps: [step(1, 500, 4), step(100, 500, 4), step(1000, 500, 4)],
      beside: ({ connections }) => connections !== 100,
    },
    payload: { sizes: [50, 4000, 64_000], seconds: 2 },
    schemas: { counts: [1, 100], topics: 2000, seconds: 2 },
    drain: { points: 100_000, livePerSecond: 1000 },
  };
}

/** All, or those that are named, in the order of the report. @throws Error where one is not there. */
export function chosenSections(only: string | undefined): readonly SectionName[] {
  if (only === undefined) return SECTIONS;
  const wanted = only.split(',').map((name) => name.trim());
  const unknown = wanted.find((name) => !SECTIONS.some((section) => section === name));
  if (unknown !== undefined) throw new Error(`--only: ${unknown} is none of ${SECTIONS.join(', ')}`);
  return SECTIONS.filter((section) => wanted.includes(section));
}

function step(connections: number, perSecond: number, seconds: number): ConnectionsStep {
  return { connections, perSecond, seconds };
}
