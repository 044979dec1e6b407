import type { ClockDiagnosis, ClockPolicy, DeviceClocks } from '../ledger-contract.ts';
import { inIso, LAST_US, type OwnTime, type TimeProblem, type TimeReader } from './reading-time.ts';

/** Which time a reading gets: its own as `own` holds it then, that of its arrival, or none. */
export type TimeVerdict = 'own' | 'arrival' | TimeProblem;

export interface TimePolicy {
  /** Whether the device's time is kept as a field where another one is taken. */
  readonly keepsOriginal: boolean;
  /**
   * @param own as parsed; `correct` changes it
   * @param value as it was sent, for words
   * @param isProvisional the gateway's own clock is not set: nothing is refused
   */
  judge(own: OwnTime, value: unknown, device: string, nowMs: number, isProvisional: boolean): TimeVerdict;
}

/** Clocks that run at an even pace: an old time of theirs is an old reading. */
const EVEN: ReadonlySet<ClockDiagnosis> = new Set(['good', 'offset', 'drifting']);

/**
 * What a schema does with a device's own time.
 *
 * `trust` takes it as it is, within the window. For the others the question is whether a time in the past means an old
 * reading (the device was offline and sends its buffer) or a clock that is slow. One reading cannot tell; the clock's
 * record can. So a time further back than the tolerance is believed only of a clock that is known (`offsetUs` is
 * not null), runs at an even pace, and either is right within the tolerance or (under `correct`) has its offset taken away.
 * A time ahead by more than the tolerance is never believed: nothing is measured in the future.
 */
export function timePolicy(
  policy: ClockPolicy,
  reader: TimeReader,
  toleranceUs: number,
  clocks: DeviceClocks,
): TimePolicy {
  const { fromUs } = reader;
  const aheadUs = Math.min(reader.aheadUs, toleranceUs);
  const isEven = (device: string): boolean => EVEN.has(clocks.diagnosis(device));
  const isNear = (us: number, nowUs: number): boolean =>
    us >= fromUs && us <= LAST_US && us <= nowUs + aheadUs && us >= nowUs - toleranceUs;
  const isOlder = (us: number, nowUs: number): boolean => us >= fromUs && us < nowUs;

  /** Near arrival, or old by a clock that is known to be right. */
  const isBelieved = ({ us }: OwnTime, device: string, nowUs: number, nowMs: number): boolean => {
    if (isNear(us, nowUs)) return true;
    if (!isOlder(us, nowUs)) return false;
    const offsetUs = clocks.offsetUs(device, nowMs);
    return offsetUs !== null && Math.abs(offsetUs) <= toleranceUs && isEven(device);
  };

  const correct = (own: OwnTime, device: string, nowUs: number, nowMs: number): TimeVerdict => {
    if (own.us < fromUs || own.us > LAST_US) return 'arrival';
    const offsetUs = clocks.offsetUs(device, nowMs);
    // No finer than the clock's own tick: a corrected time must not look more exact than the sent one.
    const tickUs = own.span === 1_000_000 ? 1000 : 1;
    const correctedUs = offsetUs === null ? own.us : own.us - Math.round(offsetUs / tickUs) * tickUs;
    const isGood =
      isNear(correctedUs, nowUs) || (offsetUs !== null && isOlder(correctedUs, nowUs) && isEven(device));
    if (!isGood) return 'arrival';
    own.us = correctedUs;
    return 'own';
  };

  return {
    keepsOriginal: policy === 'arrival' || policy === 'correct',
    judge(own, value, device, nowMs, isProvisional) {
      if (isProvisional) return own.us >= fromUs && own.us <= LAST_US ? 'own' : 'arrival';
      const nowUs = nowMs * 1000;
      switch (policy) {
        case 'trust': {
          const message = reader.outOfRange(own.us, value, nowMs);
          return message === null ? 'own' : { code: 'time-out-of-range', message };
        }
        case 'arrival':
          return isBelieved(own, device, nowUs, nowMs) ? 'own' : 'arrival';
        case 'correct':
          return correct(own, device, nowUs, nowMs);
        case 'reject': {
          if (isBelieved(own, device, nowUs, nowMs)) return 'own';
          const words = clocks.words(device);
          const clock = words === null ? '' : `; the clock of this device: ${words}`;
          const message = reader.outOfRange(own.us, value, nowMs) ?? apart(own.us, nowUs);
          return { code: 'time-out-of-range', message: `${message}${clock}` };
        }
      }
    },
  };
}

function apart(us: number, nowUs: number): string {
  const side = us > nowUs ? 'ahead of' : 'behind';
  return `is ${inIso(us)}, ${spanInWords(Math.abs(us - nowUs) / 1000)} ${side} its arrival, more than telemetry.time.tolerance`;
}

/** `3 h 0 min`, `12 d 4 h`, `7 min 30 s`. */
function spanInWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60);
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
