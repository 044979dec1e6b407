import { CauseCounter } from '../operations/rejection-causes.ts';

/** How a replay counts while it goes on; see `ReplayReport`. */
export interface ReplayTally {
  stored: number;
  duplicate: number;
  written: number;
  still: number;
  anew: number;
  gone: number;
  readonly causes: CauseCounter;
}

export function newTally(): ReplayTally {
  return { stored: 0, duplicate: 0, written: 0, still: 0, anew: 0, gone: 0, causes: new CauseCounter() };
}
