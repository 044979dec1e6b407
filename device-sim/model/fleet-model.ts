import type { FleetSpec, PayloadFault } from '../contracts.ts';
import { EPISODES, type EpisodeShare, episodeShares } from './episodes.ts';
import { identityRoles } from './identity-roles.ts';
import { SINGLE_FAULTS, type SingleFault } from './payload-faults.ts';
import type { SchemaModel } from './schema-model.ts';
import { createVerdicts, type Verdicts } from './verdict.ts';

/** What the devices of one schema in one fleet share. */
export interface FleetModel {
  readonly model: SchemaModel;
  readonly fleet: FleetSpec;
  /** Of the fleet among fleets. */
  readonly fleetIndex: number;
  readonly verdicts: Verdicts;
  readonly episodes: readonly EpisodeShare[];
  readonly singles: readonly { readonly fault: SingleFault; readonly rate: number }[];
  readonly undigested: readonly string[];
  readonly startMs: number;
}

const CLOCK_FAULTS: readonly PayloadFault[] = ['clock-skew', 'clock-drift', 'clock-1970'];

export function createFleetModel(
  model: SchemaModel,
  fleet: FleetSpec,
  fleetIndex: number,
  startMs: number,
): FleetModel {
  const { schema, judges, mapping, time, leaves, sharesTopics } = model;
  const hasOwnTime = time !== null && !time.isAge;
  const hasClockFaults = hasOwnTime && CLOCK_FAULTS.some((fault) => (fleet.faults[fault] ?? 0) > 0);
  const { ofRun } = identityRoles(schema, leaves, { seed: 0, index: 0, startMs });
  const undigested = new Set(ofRun.map((path) => mapping.nameOf(path)).filter((name) => name !== null));
  if (time !== null && time.original !== null) undigested.add(time.original);
  return {
    model,
    fleet,
    fleetIndex,
    verdicts: createVerdicts({
      schema,
      judges,
      mapping,
      time,
      startMs,
      sharesTopics,
      hasClockFaults,
      undigested,
    }),
    episodes: episodeShares(
      fleet.faults,
      EPISODES.filter((kind) => hasOwnTime || !CLOCK_FAULTS.includes(kind)),
    ),
    singles: SINGLE_FAULTS.map((fault) => ({ fault, rate: fleet.faults[fault] ?? 0 })).filter(
      ({ rate }) => rate > 0,
    ),
    undigested: [...undigested].sort(),
    startMs,
  };
}
