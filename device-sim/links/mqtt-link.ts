import type { Link, LinkListener, MqttLinkSpec, Outgoing } from '../contracts.ts';
import { Closing } from './closing.ts';
import { Flights, SUBSCRIBE_ID } from './flights.ts';
import { type ConnectionUser, KeptConnection } from './kept-connection.ts';
import type { LinkDeps, LinkNames } from './link-deps.ts';
import { LinkTimes, NEVER } from './link-times.ts';
import { LOST_WITH_IT, type MqttConnection } from './mqtt-connection.ts';
import { connectPacket, publishPacket, shortPacket, subscribePacket } from './mqtt-packets.ts';
import { Readiness } from './readiness.ts';
import type { Tickable } from './ticker.ts';

/** A message that is held back waits for the next one at most so long. */
const HOLD_MS = 1000;
const MAX_BACKLOG_BYTES = 1024 * 1024;

/**
 * One MQTT 3.1.1 client of one or several devices, and what may go wrong on its way (docs/device-sim.md tells each fault,
 * and what a gateway must make of it). Lean, because one process holds 15,000 of them: no timer of its own, no buffer
 * while idle.
 *
 * What is not acknowledged is kept and sent again in the next connection, with the same packet id and DUP, also where the
 * session was not kept. QoS 0 has no acknowledgement: a message counts as acknowledged when the system has its bytes, and
 * as refused where they are lost with the connection; what is handed over without a connection waits for the next one, and
 * leaves first there.
 */
export function createMqttLink(
  spec: MqttLinkSpec,
  names: LinkNames,
  listener: LinkListener,
  deps: LinkDeps,
): Link {
  return new MqttLink(spec, names, listener, deps);
}

class MqttLink implements Link, Tickable, ConnectionUser {
  readonly #spec: MqttLinkSpec;
  readonly #names: LinkNames;
  readonly #listener: LinkListener;
  readonly #times: LinkTimes;
  readonly #readiness: Readiness;
  readonly #kept: KeptConnection;
  /** Null with QoS 0. */
  readonly #flights: Flights | null;
  /** QoS 0: to be sent in the next connection. */
  #again: Outgoing[] | null = null;
  /** Waits for the next one to overtake it. */
  #held: Outgoing | null = null;
  #heldUntilMs = NEVER;
  #closing: Closing | null = null;

  constructor(spec: MqttLinkSpec, names: LinkNames, listener: LinkListener, deps: LinkDeps) {
    this.#spec = spec;
    this.#names = names;
    this.#listener = listener;
    this.#flights = spec.qos === 0 ? null : new Flights(spec.qos);
    this.#times = new LinkTimes(this, deps.ticker);
    this.#readiness = new Readiness(listener);
    const { cleanSession: clean, keepaliveSeconds } = spec;
    const hello = (): Buffer => connectPacket(names, deps, { clean, keepaliveSeconds });
    this.#kept = new KeptConnection(spec, { deps, hello, times: this.#times }, this);
  }

  // ── For the engine ────────────────────────────────────────────────────────────────────────────────────────

  get inFlight(): number {
    return (
      (this.#flights?.size ?? 0) +
      this.#kept.leaving +
      (this.#held === null ? 0 : 1) +
      (this.#again?.length ?? 0)
    );
  }

  get resent(): number {
    return this.#flights?.resent ?? 0;
  }

  get canSend(): boolean {
    const { current } = this.#kept;
    return (
      current !== null &&
      this.#closing === null &&
      this.inFlight < this.#spec.maxInFlight &&
      current.backlogBytes < MAX_BACKLOG_BYTES
    );
  }

  open(): void {
    this.#kept.open();
  }

  send(message: Outgoing): void {
    const mayWait = this.#held === null && this.#kept.current !== null && this.#closing === null;
    if (message.fault === 'reorder' && mayWait) {
      this.#held = message;
      this.#heldUntilMs = this.#times.nowMs + HOLD_MS;
      this.#times.wakeBy(this.#heldUntilMs);
    } else {
      this.#dispatch(message);
      this.#releaseHeld();
    }
    this.#readiness.note(this.canSend);
  }

  cut(): void {
    this.#kept.cut();
  }

  close(deadlineMs: number): Promise<void> {
    if (this.#kept.isClosed) return Promise.resolve();
    const untilMs = this.#times.nowMs + deadlineMs;
    this.#closing ??= new Closing();
    const closed = this.#closing.ask(untilMs);
    this.#readiness.note(false);
    this.#releaseHeld();
    this.#times.wakeBy(untilMs);
    this.#leaveIfDone();
    return closed;
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────────────────

  #dispatch(message: Outgoing): void {
    if (this.#kept.isEnding) {
      this.#listener.onRefused(message.token, 'the link is closed');
      return;
    }
    if (this.#flights === null) this.#dispatchOnce(message);
    else this.#dispatchKept(this.#flights, message);
    if (message.fault === 'half-open') this.#kept.fallSilent();
    if (message.fault === 'slow-consumer') this.#kept.slowDown();
  }

  /** QoS 0. */
  #dispatchOnce(message: Outgoing): void {
    const connection = this.#kept.current;
    if (connection === null) {
      this.#again ??= [];
      this.#again.push(message);
      return;
    }
    const packet = publishPacket(message.topic, message.payload, 0, 0, false);
    if (message.fault === 'cut') {
      // Half a packet can never be a reading: sending it again whole does not double it.
      this.#again ??= [];
      this.#again.push({ ...message, fault: null });
      this.#kept.cutWithin(packet);
      return;
    }
    if (message.fault === 'duplicate') connection.write(packet);
    connection.write(packet, message.token);
  }

  #dispatchKept(flights: Flights, message: Outgoing): void {
    const first = flights.add(message, false);
    if (first === null) {
      this.#listener.onRefused(message.token, 'all 65534 packet ids are in use');
      return;
    }
    const second = message.fault === 'duplicate' ? flights.add(message, true) : null;
    const connection = this.#kept.current;
    if (connection === null) return;
    if (flights.size <= 2) connection.awaitsAnswer();
    const packet = flights.packetOf(first);
    if (message.fault === 'cut') {
      this.#kept.cutWithin(packet);
      return;
    }
    connection.write(packet);
    if (second !== null) connection.write(flights.packetOf(second));
  }

  #releaseHeld(): void {
    const held = this.#held;
    this.#held = null;
    this.#heldUntilMs = NEVER;
    if (held !== null) this.#dispatch(held);
  }

  // ── From the connection ───────────────────────────────────────────────────────────────────────────────────

  up(connection: MqttConnection, sessionPresent: boolean): void {
    if (this.#spec.receipts && !sessionPresent) {
      connection.write(subscribePacket(`gateway/receipts/${this.#names.clientId}`, SUBSCRIBE_ID));
    }
    for (const packet of this.#flights?.packets() ?? []) connection.write(packet);
    const again = this.#again ?? [];
    this.#again = null;
    for (const message of again) this.#dispatch(message);
    this.#look(this.#times.nowMs);
  }

  acknowledged(kind: 'puback' | 'pubrec' | 'pubcomp', packetId: number): boolean {
    const answered = this.#flights?.[kind](packetId) ?? null;
    if (answered === 'lost') {
      this.#kept.gone('an acknowledgement was lost, on purpose');
      return false;
    }
    // Also for an id that is not known any more: else the gateway would wait for it for ever.
    if (kind === 'pubrec') this.#kept.current?.write(shortPacket('pubrel', packetId));
    if (answered !== null) this.#listener.onAcknowledged(answered);
    return true;
  }

  published(): void {
    this.#listener.onReceipt();
  }

  left(token: number, hasLeft: boolean): void {
    if (hasLeft) this.#listener.onAcknowledged(token);
    else this.#listener.onRefused(token, LOST_WITH_IT);
  }

  lost(words: string): void {
    this.#readiness.note(false);
    this.#releaseHeld();
    this.#listener.onLost(words);
    this.#leaveIfDone();
  }

  closed(): void {
    this.#closing?.done();
  }

  afterwards(): void {
    if (this.#closing === null) this.#readiness.look(this.canSend);
    else this.#leaveIfDone();
  }

  #leaveIfDone(): void {
    const closing = this.#closing;
    if (closing === null || this.#kept.isEnding) return;
    if (closing.isDue(this.inFlight, this.#times.nowMs)) this.#kept.close();
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────

  wake(nowMs: number): void {
    if (!this.#times.isAwaited(nowMs) || this.#kept.isClosed) return;
    this.#kept.wake(nowMs, (this.#flights?.size ?? 0) > 0);
    if (nowMs >= this.#heldUntilMs) this.#releaseHeld();
    this.afterwards();
    this.#look(nowMs);
  }

  /** When to look again. */
  #look(nowMs: number): void {
    if (this.#kept.isClosed) return;
    const closingMs = this.#closing?.nextMs(nowMs) ?? NEVER;
    this.#times.wakeBy(Math.min(closingMs, this.#kept.nextMs(nowMs), this.#heldUntilMs));
  }
}
