import type { Episode } from './episodes.ts';
import type { SaidTime } from './verdict.ts';

/** Minutes to hours behind and ahead; no whole ms, so that it meets no time of another reading. */
const SKEWS_US = [
  -25_203_417_301, -5_700_113_809, -660_021_507, 660_017_603, 1_560_031_211, 10_800_043_907, 32_400_057_103,
];
/** Seconds gained in a second. */
const DRIFTS = [-0.05, -0.01, 0.01, 0.05];
/** Between its start and its first reading. */
const BOOT_US = 5_250_000;

/** Sets what a clock says: right, or as an episode has it. */
export function readClock(said: SaidTime, episode: Episode | null, offsetUs: number): void {
  said.offsetUs = offsetUs;
  said.shiftUs = 0;
  said.base = 'start';
  switch (episode?.kind) {
    case 'clock-skew':
      said.shiftUs = SKEWS_US[Math.floor(episode.measure * SKEWS_US.length)] ?? 0;
      break;
    case 'clock-drift': {
      const drift = DRIFTS[Math.floor(episode.measure * DRIFTS.length)] ?? 0;
      said.shiftUs = Math.round((offsetUs - episode.fromUs) * drift);
      break;
    }
    case 'clock-1970':
      said.base = 'epoch';
      said.shiftUs = offsetUs - episode.fromUs + BOOT_US;
      break;
    default:
  }
}
