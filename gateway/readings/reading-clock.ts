import type { ArrivalClock, Identity } from '../contracts.ts';
import type { DeviceClocks } from '../ledger-contract.ts';
import { escapeName } from '../line-protocol/encode.ts';
import { escapePointer } from './json-document.ts';
import { valueAt } from './property-path.ts';
import type { OwnTime, TimeProblem, TimeReader } from './reading-time.ts';
import type { TickCounter } from './tick-counter.ts';
import type { TimePlan } from './time-plan.ts';
import { type TimePolicy, timePolicy } from './time-policy.ts';

/** A clock may be set to the wrong zone and run; what is further ahead is a mark for "no time". */
const RUNS_AHEAD_US = 86_400 * 1e6;
/** A time beyond 64 bits of µs is none to keep. */
const MAX_KEPT_US = 9.2e18;
const NS_PER_US = 1000;
const US_PER_MS = 1000;

/**
 * Which time one reading after the other gets: `look` decides, and the properties say what it has decided, until the next
 * look. One for each schema, reused: a reading costs no object.
 */
export class ReadingClock {
  /** Of the property that holds the time. */
  readonly pointer: string;
  /** The device's own time as it was sent, µs; null where there is none, and for an age. */
  sentUs: number | null = null;
  /** When the reading counts as measured, ms; later than any time while the gateway does not know the time. */
  atMs = 0;
  /** A resend has the same time, and another reading another one. */
  isRecognisable: boolean = false;
  /** `,device_time=1i` where the device's own time is kept beside another; else empty. */
  originalField = '';
  private readonly plan: TimePlan | null;
  private readonly read: (reading: unknown) => unknown;
  private readonly policy: TimePolicy | null;
  /** `,device_time=`; null where no original is kept. */
  private readonly originalKey: string | null;
  private readonly own: OwnTime = { us: 0, span: 1_000_000, subNs: 0 };
  private isOwn: boolean = false;
  private isProvisional: boolean = false;

  /** @param plan null: readings have the time of their arrival */
  constructor(plan: TimePlan | null, clocks: DeviceClocks) {
    const path = plan?.path ?? [];
    const original = plan?.original ?? null;
    this.plan = plan;
    this.read = valueAt(path);
    this.policy = plan === null ? null : timePolicy(plan.clock, plan.reader, plan.toleranceUs, clocks);
    this.originalKey = original === null ? null : `,${escapeName(original)}=`;
    this.pointer = path.map((name) => `/${escapePointer(name)}`).join('');
  }

  /** Decides on a reading's time. The problem that rejects it, or null. */
  look(reading: unknown, device: string, arrival: ArrivalClock, nowMs: number): TimeProblem | null {
    const { plan, policy } = this;
    this.isOwn = false;
    this.isRecognisable = false;
    this.isProvisional = arrival.isProvisional;
    this.atMs = this.isProvisional ? Number.POSITIVE_INFINITY : nowMs;
    if (plan === null || policy === null) return null;
    this.sentUs = null;
    this.originalField = '';
    const value = this.read(reading);
    if (value === undefined || value === null) return null;
    return plan.isAge
      ? this.lookAtAge(plan.reader, value, arrival, nowMs)
      : this.lookAtTime(plan.reader, policy, value, device, nowMs);
  }

  /**
   * Every gateway gives the reading the same time: the one that it says, which is trusted. Whether another policy believes
   * it depends on what is known of the device's clock; an age counts from the arrival.
   */
  get hasOwnTime(): boolean {
    return this.isOwn && this.plan?.isAge === false && this.plan.clock === 'trust';
  }

  /** The timestamp of the line; null where the device's clock stands still. */
  nextNs(seriesKey: string, arrival: ArrivalClock, ticks: TickCounter): string | null {
    const { own } = this;
    if (!this.isOwn) return arrival.nextNs();
    if (own.span === 1) return `${own.us}${String(own.subNs).padStart(3, '0')}`;
    const ns = ticks.nextNs(seriesKey, own.us, own.span);
    return ns === null && this.isProvisional ? arrival.nextNs() : ns;
  }

  /**
   * The same, where other gateways may store the same reading: the digits that the device's time does not have come from
   * `name`, so that it is one point for all. Of two readings of one series in one tick, one in `span` pairs would meet.
   */
  nextNsByName(name: Identity, seriesKey: string, arrival: ArrivalClock, ticks: TickCounter): string | null {
    const { us, span } = this.own;
    if (!this.isOwn || span === 1) return this.nextNs(seriesKey, arrival, ticks);
    return withDigits(span === NS_PER_US ? us : us / US_PER_MS, name, span);
  }

  /** The device's own time of any reading, also of one that is not valid. Ends what `look` has decided. */
  sentUsOf(reading: unknown): number | null {
    const { plan, own } = this;
    if (plan === null || plan.isAge) return null;
    const value = this.read(reading);
    if (value === undefined || value === null) return null;
    return plan.reader.parse(value, 0, own) === null && Number.isFinite(own.us) ? own.us : null;
  }

  private lookAtTime(
    reader: TimeReader,
    policy: TimePolicy,
    value: unknown,
    device: string,
    nowMs: number,
  ): TimeProblem | null {
    const { own, isProvisional, originalKey } = this;
    const problem = reader.parse(value, 0, own);
    if (problem !== null) return problem;
    const toldUs = own.us;
    if (Number.isFinite(toldUs)) this.sentUs = toldUs;
    const verdict = policy.judge(own, value, device, nowMs, isProvisional);
    if (typeof verdict !== 'string') return verdict;
    const isOwn = verdict === 'own';
    if (isOwn) this.atMs = own.us / 1000;
    this.isOwn = isOwn;
    // A clock that does not run repeats itself: then equal bytes are no resend.
    this.isRecognisable = isOwn || (toldUs >= reader.fromUs && toldUs <= nowMs * 1000 + RUNS_AHEAD_US);
    if (originalKey !== null && (!isOwn || own.us !== toldUs) && Math.abs(toldUs) < MAX_KEPT_US) {
      this.originalField = `${originalKey}${toldUs}i`;
    }
    return null;
  }

  private lookAtAge(
    reader: TimeReader,
    value: unknown,
    arrival: ArrivalClock,
    nowMs: number,
  ): TimeProblem | null {
    const { own, isProvisional } = this;
    // To the ms also then: what is counted back in ms must not end in a fraction of one.
    const baseUs = (isProvisional ? Number(arrival.nextNs().slice(0, -6)) : Math.trunc(nowMs)) * 1000;
    const problem = reader.parse(value, baseUs, own);
    if (problem !== null) return problem;
    if (isProvisional) {
      // Nothing is refused for its time now: what cannot be counted back counts from its arrival.
      this.isOwn = own.us > 0 && own.us <= baseUs + reader.aheadUs;
      return null;
    }
    const message = reader.outOfRange(own.us, value, nowMs);
    if (message !== null) return { code: 'time-out-of-range', message };
    this.isOwn = true;
    this.atMs = own.us / 1000;
    return null;
  }
}

/** @param span ns in one tick of `time`: a power of ten */
function withDigits(time: number, name: Identity, span: number): string {
  return `${time}${String(name.low % span).padStart(String(span).length - 1, '0')}`;
}
