import type { Clock } from '../contracts.ts';
import { printable } from '../printable.ts';
import type { OutboxPlace } from '../store-contract.ts';
import type { Flight } from './in-flight.ts';

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

/** What the last trial has shown. */
type Finding =
  /** The connection ended while nothing was sent. */
  | 'idle'
  /** It ended at another message as well. */
  | 'any'
  /** There was no other message. */
  | 'lonely'
  /** Another one was acknowledged, and then it ended at this one. */
  | 'guilty';

/** How far the trial over this connection is; `none`: there is no trial. */
type Phase = 'none' | 'quiet' | 'probing' | 'probed' | 'unprobed';

/**
 * Finds the message at which the other broker ends the connection each time (too large for it, a topic that it cannot
 * stand): MQTT 3.1.1 knows no other way of refusing one. A broker that is down in some other way, and another client with
 * our id, look the same. So after ten times, of late with the message alone, it is given up only when three trials in a row
 * have shown that it is the cause: one connection lasts while nothing is sent, and ends at the message; over the next
 * another message is acknowledged, and then it ends at this one. Else it waits, for ever, with words. The message itself
 * goes first, so that a broker that is well by then gets everything in order.
 */
export class DeadlyMessage {
  readonly #clock: Clock;
  readonly #clientId: string;
  #suspect: Flight | null = null;
  #sinceMs = 0;
  #times = 0;
  #proofs = 0;
  /** Trials that have shown nothing, in a row. */
  #inVain = 0;
  #finding: Finding | null = null;
  #phase: Phase = 'none';
  /** The last connection has lasted until the suspect was sent: the next one is for another message. */
  #isToProbe = false;
  #probe: OutboxPlace | null = null;
  readonly #failedProbes = new Set<string>();

  constructor(clock: Clock, clientId: string) {
    this.#clock = clock;
    this.#clientId = clientId;
  }

  /** A connection was made. True: it is for a trial, and nothing is to be sent but what that says. */
  connected(): boolean {
    this.#phase = this.#times >= TRIAL_AFTER ? 'quiet' : 'none';
    return this.#phase === 'quiet';
  }

  /** The connection has ended, and `head` was not answered. True: give it up. */
  lost(head: Flight | null): boolean {
    const phase = this.#phase;
    this.#phase = 'none';
    if (phase === 'quiet') return this.#showsNothing('idle');
    if (phase === 'probing') {
      this.#noteFailedProbe();
      return this.#showsNothing('any');
    }
    if (head === null || this.#clock.monotonicMs() - head.sentAtMs > SOON_MS) {
      this.#forget();
      return false;
    }
    if (this.#suspect === null || !isSame(this.#suspect.place, head.place)) {
      this.#forget();
      this.#sinceMs = this.#clock.nowMs();
    }
    this.#suspect = head;
    this.#times += 1;
    this.#isToProbe = phase === 'unprobed';
    if (phase === 'probed') {
      this.#finding = 'guilty';
      this.#inVain = 0;
      this.#proofs += 1;
    }
    if (this.#proofs < PROOFS) return false;
    this.#forget();
    return true;
  }

  /** One message was answered, outside of a trial or at its end. */
  answered(): void {
    this.#forget();
  }

  /** The connection has lasted, and another message is on its way over it. */
  probing(probe: OutboxPlace): void {
    this.#probe = probe;
    this.#phase = 'probing';
  }

  /** It was answered: now the suspect. */
  probed(): void {
    if (this.#phase === 'probing') this.#phase = 'probed';
  }

  /** There is no other message. */
  lonely(): void {
    this.#finding = 'lonely';
    this.#inVain += 1;
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

  #words({ bytes, topic }: Flight): string {
    const it = `a message of ${bytes} bytes on ${printable(topic, MAX_TOPIC_SHOWN)}`;
    switch (this.#finding) {
      case 'idle':
        return `the broker cuts the connection also while nothing is sent: perhaps another client has the id ${this.#clientId}; ${it} waits, nothing is given up`;
      case 'any':
        return `the broker cuts the connection at ${it}, and at others too: the fault lies there, nothing is given up`;
      case 'lonely':
        return `the broker cuts the connection at ${it}, the only one that waits; it is given up only when the broker has taken another one: mend the limits or the rights there, or let something else come`;
      case 'guilty':
        return `the broker cuts the connection at ${it}, and takes others (${this.#proofs} of ${PROOFS})`;
      default:
        return `the broker cuts the connection at ${it} (${Math.min(this.#times, TRIAL_AFTER)} of ${TRIAL_AFTER}): perhaps it cannot take that, perhaps another client has the id ${this.#clientId}; it is given up only when that is clear`;
    }
  }

  /** The next connection is for the suspect alone, at once: the broker may be well again. */
  #showsNothing(finding: Finding): false {
    this.#finding = finding;
    this.#inVain += 1;
    this.#proofs = 0;
    this.#isToProbe = false;
    this.#times = TRIAL_AFTER - 1;
    return false;
  }

  #noteFailedProbe(): void {
    if (this.#probe === null) return;
    if (this.#failedProbes.size >= MOST_FAILED_PROBES) this.#failedProbes.clear();
    this.#failedProbes.add(keyOf(this.#probe));
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
    this.#failedProbes.clear();
  }
}

function isSame(a: OutboxPlace, b: OutboxPlace): boolean {
  return a.seq === b.seq && a.count === b.count;
}

function keyOf({ seq, count }: OutboxPlace): string {
  return `${seq}.${count}`;
}
