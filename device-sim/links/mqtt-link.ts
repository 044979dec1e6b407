import type { Link, LinkListener, MqttLinkSpec, Outgoing } from '../contracts.ts';
import { backOffMs } from './back-off.ts';
import { Flights, SUBSCRIBE_ID } from './flights.ts';
import type { LinkDeps, LinkNames } from './link-deps.ts';
import { troubleOf } from './link-trouble.ts';
import { type ConnectionOwner, LOST_WITH_IT, MqttConnection } from './mqtt-connection.ts';
import { connectPacket, publishPacket, shortPacket, subscribePacket } from './mqtt-packets.ts';
import type { Tickable } from './ticker.ts';

/** From the first byte to CONNACK: 15,000 that come at once take their turns. */
const CONNECT_MS = 60_000;
/** A message that is held back waits for the next one at most so long. */
const HOLD_MS = 1000;
const SLOW_MS = [2000, 5000] as const;
/** Beyond keepalive × 1.5 (MQTT 3.1.1, 3.1.2.10), and where there is no keepalive. */
const SILENCE_MS = [1000, 3000] as const;
const SILENCE_WITHOUT_KEEPALIVE_MS = 5000;
/** After DISCONNECT the other side may take its time; then it is cut. */
const GOODBYE_MS = 1000;
const MAX_BACKLOG_BYTES = 1024 * 1024;
const NEVER = Number.POSITIVE_INFINITY;

/** `silent`: half-open, it waits until the gateway must have given its connection up. `waiting`: to connect again. */
type State = 'idle' | 'connecting' | 'up' | 'silent' | 'waiting' | 'leaving' | 'closed';

/**
 * One MQTT 3.1.1 client of one or several devices, and what may go wrong on its way (docs/device-sim.md tells each fault,
 * and what a gateway must make of it). Lean, because one process holds 15,000 of them: no timer of its own, no buffer
 * while idle.
 *
 * What is not acknowledged is kept and sent again in the next connection, with the same packet id and DUP, also where the
 * session was not kept. QoS 0 has no acknowledgement: a message counts as acknowledged when the system has its bytes, and
 * as refused where they are lost with the connection.
 */
export function createMqttLink(
  spec: MqttLinkSpec,
  names: LinkNames,
  listener: LinkListener,
  deps: LinkDeps,
): Link {
  return new MqttLink(spec, names, listener, deps);
}

class MqttLink implements Link, Tickable, ConnectionOwner {
  readonly #spec: MqttLinkSpec;
  readonly #names: LinkNames;
  readonly #listener: LinkListener;
  readonly #deps: LinkDeps;
  /** Null with QoS 0. */
  readonly #flights: Flights | null;
  #state: State = 'idle';
  #connection: MqttConnection | null = null;
  /** A half-open one: it stays until the next one stands. */
  #ghost: MqttConnection | null = null;
  #attempt = 0;
  /** When the present state is over; its meaning follows from the state. */
  #stateUntilMs = NEVER;
  #wakeAtMs = NEVER;
  /** It does not read until then. */
  #slowUntilMs = NEVER;
  /** QoS 0: to be sent in the next connection. */
  #again: Outgoing[] | null = null;
  /** Waits for the next one to overtake it. */
  #held: Outgoing | null = null;
  #heldUntilMs = NEVER;
  #wasReady: boolean = false;
  #closing: { readonly resolve: () => void; readonly untilMs: number } | null = null;

  constructor(spec: MqttLinkSpec, names: LinkNames, listener: LinkListener, deps: LinkDeps) {
    this.#spec = spec;
    this.#names = names;
    this.#listener = listener;
    this.#deps = deps;
    this.#flights = spec.qos === 0 ? null : new Flights(spec.qos);
  }

  // ── For the engine ────────────────────────────────────────────────────────────────────────────────────────

  get inFlight(): number {
    return (
      (this.#flights?.size ?? 0) +
      (this.#connection?.leaving ?? 0) +
      (this.#held === null ? 0 : 1) +
      (this.#again?.length ?? 0)
    );
  }

  get resent(): number {
    return this.#flights?.resent ?? 0;
  }

  get canSend(): boolean {
    return (
      this.#state === 'up' &&
      this.#closing === null &&
      this.inFlight < this.#spec.maxInFlight &&
      (this.#connection?.backlogBytes ?? 0) < MAX_BACKLOG_BYTES
    );
  }

  open(): void {
    if (this.#state === 'idle') this.#connect();
  }

  send(message: Outgoing): void {
    const held = this.#held;
    if (message.fault === 'reorder' && held === null && this.#state === 'up' && this.#closing === null) {
      this.#held = message;
      this.#heldUntilMs = this.#nowMs() + HOLD_MS;
      this.#wakeBy(this.#heldUntilMs);
    } else {
      this.#dispatch(message);
      this.#releaseHeld();
    }
    if (!this.canSend) this.#wasReady = false;
  }

  cut(): void {
    if (this.#state === 'up' || this.#state === 'connecting' || this.#state === 'silent') {
      this.gone('cut on purpose');
    }
  }

  close(deadlineMs: number): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#closing?.resolve;
      const untilMs = this.#nowMs() + deadlineMs;
      this.#closing = {
        untilMs,
        resolve: () => {
          before?.();
          resolve();
        },
      };
      this.#wasReady = false;
      this.#releaseHeld();
      this.#wakeBy(untilMs);
      this.#leaveIfDone();
    });
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────────────────

  #dispatch(message: Outgoing): void {
    if (this.#state === 'closed' || this.#state === 'leaving') {
      this.#listener.onRefused(message.token, 'the link is closed');
      return;
    }
    if (this.#flights === null) this.#dispatchOnce(message);
    else this.#dispatchKept(this.#flights, message);
    if (this.#state !== 'up') return;
    if (message.fault === 'half-open') this.#fallSilent();
    if (message.fault === 'slow-consumer') this.#slowDown();
  }

  /** QoS 0. */
  #dispatchOnce(message: Outgoing): void {
    const connection = this.#state === 'up' ? this.#connection : null;
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
      this.#cutWithin(connection, packet);
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
    const connection = this.#state === 'up' ? this.#connection : null;
    if (connection === null) return;
    if (flights.size <= 2) connection.awaitsAnswer();
    const packet = flights.packetOf(first);
    if (message.fault === 'cut') {
      this.#cutWithin(connection, packet);
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

  // ── What goes wrong on purpose ────────────────────────────────────────────────────────────────────────────

  #cutWithin(connection: MqttConnection, packet: Buffer): void {
    const length = 1 + this.#deps.random.below(packet.length - 1);
    connection.cutAfter(packet.subarray(0, length));
    this.gone('cut in mid-packet, on purpose');
  }

  #fallSilent(): void {
    this.#ghost?.destroy();
    this.#ghost = this.#connection;
    this.#connection = null;
    this.#state = 'silent';
    this.#ghost?.abandon();
    const keepaliveMs = this.#spec.keepaliveSeconds * 1000;
    const leastMs = keepaliveMs === 0 ? SILENCE_WITHOUT_KEEPALIVE_MS : keepaliveMs * 1.5;
    this.#until(leastMs + this.#between(SILENCE_MS));
  }

  #slowDown(): void {
    this.#connection?.deafen();
    this.#slowUntilMs = this.#nowMs() + this.#between(SLOW_MS);
    this.#wakeBy(this.#slowUntilMs);
  }

  #between([least, most]: readonly [number, number]): number {
    return least + (most - least) * this.#deps.random.next();
  }

  // ── The connection ────────────────────────────────────────────────────────────────────────────────────────

  #connect(): void {
    this.#state = 'connecting';
    this.#until(CONNECT_MS);
    const { url, cleanSession, keepaliveSeconds } = this.#spec;
    try {
      this.#connection = new MqttConnection(
        {
          url: url ?? this.#deps.url,
          tls: this.#deps.tls,
          connect: connectPacket(this.#names, this.#deps, { clean: cleanSession, keepaliveSeconds }),
          keepaliveSeconds,
          ticker: this.#deps.ticker,
        },
        this,
      );
    } catch (error) {
      this.gone(troubleOf(error));
    }
  }

  up(sessionPresent: boolean): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (this.#state === 'connecting') this.#state = 'up';
    this.#stateUntilMs = NEVER;
    this.#attempt = 0;
    this.#ghost?.destroy();
    this.#ghost = null;
    if (this.#spec.receipts && !sessionPresent) {
      connection.write(subscribePacket(`gateway/receipts/${this.#names.clientId}`, SUBSCRIBE_ID));
    }
    for (const packet of this.#flights?.packets() ?? []) connection.write(packet);
    const again = this.#again ?? [];
    this.#again = null;
    for (const message of again) this.#dispatch(message);
    this.#look(this.#nowMs());
  }

  acknowledged(kind: 'puback' | 'pubrec' | 'pubcomp', packetId: number): boolean {
    const answered = this.#flights?.[kind](packetId) ?? null;
    if (answered === 'lost') {
      this.gone('an acknowledgement was lost, on purpose');
      return false;
    }
    // Also for an id that is not known any more: else the gateway would wait for it for ever.
    if (kind === 'pubrec') this.#connection?.write(shortPacket('pubrel', packetId));
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

  /** The connection is over, or never stood; it comes again after a pause. */
  gone(words: string): void {
    this.#wasReady = false;
    this.#slowUntilMs = NEVER;
    const connection = this.#connection;
    this.#connection = null;
    if (this.#state === 'leaving') {
      connection?.destroy();
      this.#end();
      return;
    }
    this.#state = 'waiting';
    connection?.destroy();
    const { reconnectMinMs, reconnectMaxMs } = this.#spec;
    this.#until(backOffMs(this.#attempt, reconnectMinMs, reconnectMaxMs, this.#deps.random));
    this.#attempt += 1;
    this.#releaseHeld();
    this.#listener.onLost(words);
    this.#leaveIfDone();
  }

  afterwards(): void {
    if (this.#closing !== null) {
      this.#leaveIfDone();
      return;
    }
    const isReady = this.canSend;
    const wasReady = this.#wasReady;
    this.#wasReady = isReady;
    if (isReady && !wasReady) this.#listener.onReady();
  }

  // ── Its end ───────────────────────────────────────────────────────────────────────────────────────────────

  #leaveIfDone(): void {
    const closing = this.#closing;
    if (closing === null || this.#state === 'leaving' || this.#state === 'closed') return;
    if (this.inFlight > 0 && this.#nowMs() < closing.untilMs) return;
    const wasUp = this.#state === 'up';
    this.#state = 'leaving';
    if (!wasUp || this.#connection === null) {
      this.#end();
      return;
    }
    this.#until(GOODBYE_MS);
    this.#connection.end();
  }

  #end(): void {
    this.#state = 'closed';
    this.#connection?.destroy();
    this.#ghost?.destroy();
    this.#connection = null;
    this.#ghost = null;
    this.#closing?.resolve();
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────

  #until(delayMs: number): void {
    this.#stateUntilMs = this.#nowMs() + delayMs;
    this.#wakeBy(this.#stateUntilMs);
  }

  #wakeBy(atMs: number): void {
    if (atMs < this.#wakeAtMs) this.#wakeAtMs = this.#deps.ticker.wakeAt(this, atMs);
  }

  wake(nowMs: number): void {
    if (nowMs < this.#wakeAtMs || this.#state === 'closed') return;
    this.#wakeAtMs = NEVER;
    if (nowMs >= this.#stateUntilMs) {
      this.#stateUntilMs = NEVER;
      this.#stateIsOver();
    }
    if (nowMs >= this.#heldUntilMs) this.#releaseHeld();
    if (nowMs >= this.#slowUntilMs) {
      this.#slowUntilMs = NEVER;
      this.#connection?.hear();
    }
    if (this.#state === 'up') this.#connection?.watch(nowMs, (this.#flights?.size ?? 0) > 0);
    this.afterwards();
    this.#look(nowMs);
  }

  #stateIsOver(): void {
    if (this.#state === 'connecting') this.gone('it did not answer to the connection');
    else if (this.#state === 'waiting') this.#connect();
    else if (this.#state === 'leaving') this.#end();
    else if (this.#state === 'silent') {
      this.#listener.onLost('half-open: silent for longer than the keepalive allows, on purpose');
      this.#connect();
    }
  }

  /** When to look again. */
  #look(nowMs: number): void {
    if (this.#state === 'closed') return;
    const closingMs = this.#closing?.untilMs ?? NEVER;
    const watchMs = this.#state === 'up' ? (this.#connection?.nextWatchMs(nowMs) ?? NEVER) : NEVER;
    const nextMs = closingMs > nowMs ? Math.min(closingMs, watchMs) : watchMs;
    this.#wakeBy(Math.min(nextMs, this.#stateUntilMs, this.#heldUntilMs, this.#slowUntilMs));
  }

  #nowMs(): number {
    return this.#deps.ticker.monotonicMs();
  }
}
