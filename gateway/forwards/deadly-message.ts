import type { Clock } from '../contracts.ts';
import { printable } from '../printable.ts';
import type { OutboxPlace } from '../store-contract.ts';
import type { Flight } from './in-flight.ts';
import { type LargestTaken, sizeOf } from './largest-taken.ts';

/** A connection that ends sooner than this after a message may have ended because of it. */
const SOON_MS = 5_000;
/** After so many times it is sent alone; after so many it is tried whether it is the cause. */
const ALONE_AFTER = 2;
const TRIAL_AFTER = 10;
/** In a row: a broker that ends connections at random gets through one of them, hardly through all. */
const PROOFS = 3;
/** Longer than all that ended because of a message have lasted. */
const FIRST_QUIET_MS = 2 * SOON_MS;
const LONGEST_QUIET_MS = 60_000;
const MOST_DOUBLINGS = 10;
const MOST_FAILED_PROBES = 1_000;
const MAX_TOPIC_SHOWN = 200;
/** So long what is larger than anything taken must be cut while smaller ones are taken: room is made sooner than that. */
const TOO_LARGE_AFTER_MS = 3_600_000;
/** Until then the broker is not given more than a few of the same. */
const PROBE_AGAIN_MS = 600_000;
/** What was found too large for it tells of others so long: limits are changed. */
const TOO_LARGE_FOR_MS = 86_400_000;

/** What the last trial has shown. */
type Finding =
  /** The connection ended while nothing was sent. */
  | 'idle'
  /** It ended at another message as well. */
  | 'any'
  /** There was no other message that could show anything. */
  | 'lonely'
  /** A smaller one was acknowledged, and then it ended at this one: too large, or there is no room. */
  | 'large'
  /** One at least as large was acknowledged, and then it ended at this one. */
  | 'guilty';

/** The other message; `size` as of `sizeOf`, 0 where it was not taken. */
interface Probed {
  readonly place: OutboxPlace;
  readonly size: number;
}

/** How far the trial over this connection is; `none`: there is no trial. */
type Phase = 'none' | 'quiet' | 'probing' | 'probed' | 'unprobed';

/**
 * Finds the message at which the other broker ends the connection each time (too large for it, a topic that it cannot
 * stand): MQTT 3.1.1 knows no other way of refusing one. A broker that is down in some other way, and another client with
 * our id, look the same. So after ten times, of late with the message alone, it is given up only when three trials in a row
 * have shown that it is the cause: one connection lasts while nothing is sent, and ends at the message; over the next
 * another message, at least as large, is acknowledged, and then it ends at this one. Else it waits, for ever, with words.
 * The message itself goes first, so that a broker that is well by then gets everything in order.
 *
 * A broker that is full for a while cuts the connection at large messages and takes small ones, like one that has a limit
 * (Mosquitto and its `memory_limit`). A smaller message tells them apart only where the one in question is larger than
 * all that was ever taken, and that stays so for an hour.
 */
export class DeadlyMessage {
  readonly #clock: Clock;
  readonly #clientId: string;
  readonly #taken: LargestTaken;
  #suspect: Flight | null = null;
  #sinceMs = 0;
  #times = 0;
  #proofs = 0;
  /** Trials in a row with a smaller message; and when the first of them was, and the last. */
  #sizeProofs = 0;
  #firstSizeProofMs = 0;
  #lastSizeProofMs = 0;
  #tooLarge: { readonly size: number; readonly atMs: number } | null = null;
  /** Trials that have shown nothing, in a row. */
  #inVain = 0;
  #finding: Finding | null = null;
  #phase: Phase = 'none';
  /** The last connection has lasted until the suspect was sent: the next one is for another message. */
  #isToProbe = false;
  #probe: Probed | null = null;
  /** The connection has ended at another message that is at least as large as well. */
  #smallerProbes: 'something' | 'more than a larger one' = 'something';
  #searchedTo: OutboxPlace | null = null;
  readonly #failedProbes = new Set<string>();

  constructor(clock: Clock, clientId: string, taken: LargestTaken) {
    this.#clock = clock;
    this.#clientId = clientId;
    this.#taken = taken;
  }

  /** A connection was made. True: it is for a trial, and nothing is to be sent but what that says. */
  connected(): boolean {
    this.#phase = this.#times >= TRIAL_AFTER ? 'quiet' : 'none';
    return this.#phase === 'quiet';
  }

  /** The connection has ended, and `head` was not answered. Else than null: give it up, and why. */
  lost(head: Flight | null): string | null {
    const phase = this.#phase;
    this.#phase = 'none';
    if (phase === 'quiet') return this.#showsNothing('idle');
    if (phase === 'probing') {
      this.#noteFailedProbe();
      return this.#showsNothing('any');
    }
    if (head === null || this.#clock.monotonicMs() - head.sentAtMs > SOON_MS) {
      this.#forget();
      return null;
    }
    if (this.#suspect === null || !isSame(this.#suspect.place, head.place)) {
      this.#forget();
      this.#sinceMs = this.#clock.nowMs();
    }
    this.#suspect = head;
    this.#times += 1;
    if (phase === 'probed') this.#holdAgainst(head);
    this.#isToProbe = phase === 'unprobed' && this.#mayProbe(head);
    const words = this.#verdict(head);
    if (words !== null) this.#forget();
    return words;
  }

  /** One message was answered, outside of a trial or at its end. */
  answered(): void {
    this.#forget();
  }

  /** The connection has lasted, and another message is on its way over it. */
  probing(probe: Probed): void {
    this.#probe = probe;
    this.#phase = 'probing';
  }

  /** It was taken, or refused for what it is: now the suspect. */
  probed(isTaken: boolean): void {
    if (this.#phase !== 'probing' || this.#probe === null) return;
    if (!isTaken) this.#noteFailedProbe();
    this.#probe = { ...this.#probe, size: isTaken ? this.#probe.size : 0 };
    this.#phase = 'probed';
  }

  /** There is no other message, up to `searchedTo`, that could show anything. */
  lonely(searchedTo: OutboxPlace): void {
    this.#finding = 'lonely';
    this.#inVain += 1;
    this.#searchedTo = searchedTo;
  }

  /** The connection has lasted, or the other message was refused, which tells nothing: now the suspect. */
  unprobed(): void {
    this.#phase = 'unprobed';
  }

  /** At another message than the suspect the connection has ended as well. */
  hasFailed(probe: OutboxPlace): boolean {
    return this.#failedProbes.has(keyOf(probe));
  }

  get suspect(): Flight | null {
    return this.#suspect;
  }

  /** Where to look for another message. */
  get searchedTo(): OutboxPlace | null {
    return this.#searchedTo;
  }

  /** What a smaller message that is taken may show. */
  get smallerProbes(): 'nothing' | 'something' | 'more than a larger one' {
    if (this.#suspect === null || !this.#mayBeTooLarge(this.#suspect)) return 'nothing';
    return this.#smallerProbes;
  }

  /** Of the connection of a trial: it is for another message, at once. Else it is to last first. */
  get isToProbe(): boolean {
    return this.#isToProbe;
  }

  get isProbing(): boolean {
    return this.#phase === 'probing';
  }

  /** Nothing is to be sent but by the trial. */
  get isSilent(): boolean {
    return this.#phase === 'quiet' || this.#phase === 'probing';
  }

  get isSentAlone(): boolean {
    return this.#times >= ALONE_AFTER;
  }

  /** How long nothing is sent over the connection of a trial. */
  get quietMs(): number {
    return Math.min(LONGEST_QUIET_MS, FIRST_QUIET_MS * 2 ** Math.min(this.#inVain, MOST_DOUBLINGS));
  }

  /** What is the matter, and since when, ms since the epoch; null while a message has not failed alone. */
  get trouble(): { readonly words: string; readonly sinceMs: number } | null {
    const suspect = this.#suspect;
    if (suspect === null || this.#times <= ALONE_AFTER) return null;
    return { words: this.#words(suspect), sinceMs: this.#sinceMs };
  }

  #words(suspect: Flight): string {
    const { bytes, topic } = suspect;
    const size = sizeOf(suspect);
    const it = `a message of ${bytes} bytes on ${printable(topic, MAX_TOPIC_SHOWN)}`;
    switch (this.#finding) {
      case 'idle':
        return `the broker cuts the connection also while nothing is sent: perhaps another client has the id ${this.#clientId}; ${it} waits, nothing is given up`;
      case 'any':
        return `the broker cuts the connection at ${it}, and at others too: the fault lies there, perhaps it has no room; nothing is given up`;
      case 'lonely':
        return `the broker cuts the connection at ${it}, ${this.#lonelyWords(size)}: mend the limits or the rights there, or let something else come`;
      case 'large':
        return `the broker cuts the connection at ${it}, larger than all that it has taken, and takes smaller ones (${this.#sizeProofs} times): it has no room, or takes none of that size; it is given up when that stays so for an hour: make room, or raise the limit there`;
      case 'guilty':
        return `the broker cuts the connection at ${it}, and takes others (${this.#proofs} of ${PROOFS})`;
      default:
        return `the broker cuts the connection at ${it} (${Math.min(this.#times, TRIAL_AFTER)} of ${TRIAL_AFTER}): perhaps it has no room or cannot take that, perhaps another client has the id ${this.#clientId}; it is given up only when that is clear`;
    }
  }

  #lonelyWords(size: number): string {
    if (this.#taken.bytes >= size)
      return 'and has taken one as large before: perhaps it has no room; it waits, and is given up only when the broker has taken another one as large and not this one';
    return this.#taken.isKnown
      ? 'the only one that waits; it is given up only when the broker has taken another one'
      : 'and whether it has taken one as large before is not known; it waits, and is given up only when the broker has taken another one as large';
  }

  /** No limit is below what was taken. */
  #mayBeTooLarge(suspect: Flight): boolean {
    return this.#taken.isKnown && sizeOf(suspect) > this.#taken.bytes;
  }

  /** Another one was taken, and then the connection has ended at this one. */
  #holdAgainst(suspect: Flight): void {
    const size = sizeOf(suspect);
    if (this.#probe !== null && this.#probe.size >= size) {
      this.#finding = 'guilty';
      this.#inVain = 0;
      this.#proofs += 1;
      return;
    }
    this.#inVain += 1;
    if (!this.#mayBeTooLarge(suspect)) return;
    this.#finding = 'large';
    this.#lastSizeProofMs = this.#clock.monotonicMs();
    if (this.#sizeProofs === 0) this.#firstSizeProofMs = this.#lastSizeProofMs;
    this.#sizeProofs += 1;
  }

  #mayProbe(suspect: Flight): boolean {
    if (this.#sizeProofs === 0 || this.#isKnownTooLarge(suspect)) return true;
    return this.#clock.monotonicMs() - this.#lastSizeProofMs >= PROBE_AGAIN_MS;
  }

  /** One that was not larger was found so of late, and nothing of its size was taken since. */
  #isKnownTooLarge(suspect: Flight): boolean {
    const found = this.#tooLarge;
    if (found === null || this.#taken.bytes >= found.size) return false;
    return sizeOf(suspect) >= found.size && this.#clock.monotonicMs() - found.atMs < TOO_LARGE_FOR_MS;
  }

  #verdict(suspect: Flight): string | null {
    const cut = `the broker cuts the connection at its ${suspect.bytes} bytes, each time, and takes`;
    if (this.#proofs >= PROOFS) return `${cut} others as large`;
    if (this.#sizeProofs < PROOFS || !this.#mayBeTooLarge(suspect)) return null;
    const nowMs = this.#clock.monotonicMs();
    const lastedMs = this.#lastSizeProofMs - this.#firstSizeProofMs;
    if (lastedMs < TOO_LARGE_AFTER_MS && !this.#isKnownTooLarge(suspect)) return null;
    this.#tooLarge = { size: sizeOf(suspect), atMs: nowMs };
    return `${cut} smaller ones; it has never taken one as large`;
  }

  /** The next connection is for the suspect alone, at once: the broker may be well again. */
  #showsNothing(finding: Finding): null {
    this.#finding = finding;
    this.#inVain += 1;
    this.#proofs = 0;
    this.#sizeProofs = 0;
    this.#isToProbe = false;
    this.#times = TRIAL_AFTER - 1;
    return null;
  }

  #noteFailedProbe(): void {
    if (this.#probe === null) return;
    if (this.#suspect !== null && this.#probe.size >= sizeOf(this.#suspect))
      this.#smallerProbes = 'more than a larger one';
    if (this.#failedProbes.size >= MOST_FAILED_PROBES) this.#failedProbes.clear();
    this.#failedProbes.add(keyOf(this.#probe.place));
  }

  #forget(): void {
    this.#suspect = null;
    this.#times = 0;
    this.#proofs = 0;
    this.#inVain = 0;
    this.#finding = null;
    this.#phase = 'none';
    this.#isToProbe = false;
    this.#probe = null;
    this.#sizeProofs = 0;
    this.#smallerProbes = 'something';
    this.#searchedTo = null;
    this.#failedProbes.clear();
  }
}

function isSame(a: OutboxPlace, b: OutboxPlace): boolean {
  return a.seq === b.seq && a.count === b.count;
}

function keyOf({ seq, count }: OutboxPlace): string {
  return `${seq}.${count}`;
}
