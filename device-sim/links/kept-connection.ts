import type { MqttLinkSpec } from '../contracts.ts';
import { backOffMs } from './back-off.ts';
import type { LinkDeps } from './link-deps.ts';
import { type LinkTimes, NEVER } from './link-times.ts';
import { troubleOf } from './link-trouble.ts';
import { type ConnectionOwner, MqttConnection } from './mqtt-connection.ts';

/** From the first byte to CONNACK: 15,000 that come at once take their turns. */
const CONNECT_MS = 60_000;
const SLOW_MS = [2000, 5000] as const;
/** Beyond keepalive × 1.5 (MQTT 3.1.1, 3.1.2.10), and where there is no keepalive. */
const SILENCE_MS = [1000, 3000] as const;
const SILENCE_WITHOUT_KEEPALIVE_MS = 5000;
/** After DISCONNECT the other side may take its time; then it is cut. */
const GOODBYE_MS = 1000;

/** `silent`: half-open, it waits until the gateway must have given its connection up. `waiting`: to connect again. */
type State = 'idle' | 'connecting' | 'up' | 'silent' | 'waiting' | 'leaving' | 'closed';

/** Who sends over it. None of these may throw. */
export interface ConnectionUser extends Omit<ConnectionOwner, 'up' | 'gone'> {
  /** A new connection stands. */
  up(connection: MqttConnection, sessionPresent: boolean): void;
  /** It is over, or never stood; it comes again after a pause. */
  lost(words: string): void;
  /** It has ended, and does not come again. */
  closed(): void;
}

/** One connection that comes again by itself, after a pause that doubles; and what goes wrong with it on purpose. */
export class KeptConnection implements ConnectionOwner {
  readonly #spec: MqttLinkSpec;
  readonly #deps: LinkDeps;
  /** CONNECT. */
  readonly #hello: () => Buffer;
  readonly #times: LinkTimes;
  readonly #user: ConnectionUser;
  #state: State = 'idle';
  #connection: MqttConnection | null = null;
  /** One that is half-open, or still being cut: it stays until the next one stands. */
  #ghost: MqttConnection | null = null;
  #attempt = 0;
  /** It does not read until then. */
  #slowUntilMs = NEVER;

  constructor(
    spec: MqttLinkSpec,
    { deps, hello, times }: { deps: LinkDeps; hello: () => Buffer; times: LinkTimes },
    user: ConnectionUser,
  ) {
    this.#spec = spec;
    this.#deps = deps;
    this.#hello = hello;
    this.#times = times;
    this.#user = user;
  }

  /** Null while none stands. */
  get current(): MqttConnection | null {
    return this.#state === 'up' ? this.#connection : null;
  }

  /** QoS 0 messages that have not left. */
  get leaving(): number {
    return (this.#connection?.leaving ?? 0) + (this.#ghost?.leaving ?? 0);
  }

  /** It says goodbye, or has. */
  get isEnding(): boolean {
    return this.#state === 'leaving' || this.#state === 'closed';
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  open(): void {
    if (this.#state === 'idle') this.#connect();
  }

  /** It says goodbye where it stands; `closed` follows, at once or later. */
  close(): void {
    const { current } = this;
    this.#state = 'leaving';
    if (current === null) {
      this.#end();
      return;
    }
    this.#times.stateEndsIn(GOODBYE_MS);
    current.end();
  }

  // ── What goes wrong on purpose ────────────────────────────────────────────────────────────────────────────

  /** As a dead network would. */
  cut(): void {
    if (this.#state === 'up' || this.#state === 'connecting' || this.#state === 'silent') {
      this.gone('cut on purpose');
    }
  }

  /** In the middle of this packet, while it stands. */
  cutWithin(packet: Buffer): void {
    const connection = this.#connection;
    if (connection === null) return;
    const length = 1 + this.#deps.random.below(packet.length - 1);
    connection.cutAfter(packet.subarray(0, length));
    this.#leaveBehind(connection);
    this.gone('cut in mid-packet, on purpose');
  }

  /** Half-open, for longer than the keepalive allows. */
  fallSilent(): void {
    const { current } = this;
    if (current === null) return;
    current.abandon();
    this.#leaveBehind(current);
    this.#state = 'silent';
    const keepaliveMs = this.#spec.keepaliveSeconds * 1000;
    const leastMs = keepaliveMs === 0 ? SILENCE_WITHOUT_KEEPALIVE_MS : keepaliveMs * 1.5;
    this.#times.stateEndsIn(leastMs + this.#between(SILENCE_MS));
  }

  /** There is no other one yet: the next one that stands ends it. */
  #leaveBehind(connection: MqttConnection): void {
    this.#connection = null;
    this.#ghost = connection;
  }

  /** It reads nothing for some seconds. */
  slowDown(): void {
    const { current } = this;
    if (current === null) return;
    current.deafen();
    this.#slowUntilMs = this.#times.nowMs + this.#between(SLOW_MS);
    this.#times.wakeBy(this.#slowUntilMs);
  }

  #between([least, most]: readonly [number, number]): number {
    return least + (most - least) * this.#deps.random.next();
  }

  // ── From one connection to the next ───────────────────────────────────────────────────────────────────────

  #connect(): void {
    this.#state = 'connecting';
    this.#times.stateEndsIn(CONNECT_MS);
    const { url, keepaliveSeconds } = this.#spec;
    const { tls, ticker } = this.#deps;
    try {
      const options = { url: url ?? this.#deps.url, tls, connect: this.#hello(), keepaliveSeconds, ticker };
      this.#connection = new MqttConnection(options, this);
    } catch (error) {
      this.gone(troubleOf(error));
    }
  }

  up(sessionPresent: boolean): void {
    const connection = this.#connection;
    if (connection === null) return;
    // Before it counts as standing: what is lost with it makes room, and what waits for this one is older.
    this.#endGhost();
    this.#state = 'up';
    this.#times.stateLasts();
    this.#attempt = 0;
    this.#user.up(connection, sessionPresent);
  }

  gone(words: string): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#slowUntilMs = NEVER;
    if (this.#state === 'leaving') {
      connection?.destroy();
      this.#end();
      return;
    }
    this.#state = 'waiting';
    connection?.destroy();
    const { reconnectMinMs, reconnectMaxMs } = this.#spec;
    this.#times.stateEndsIn(backOffMs(this.#attempt, reconnectMinMs, reconnectMaxMs, this.#deps.random));
    this.#attempt += 1;
    this.#user.lost(words);
  }

  #end(): void {
    this.#state = 'closed';
    const connection = this.#connection;
    this.#connection = null;
    connection?.destroy();
    this.#endGhost();
    this.#user.closed();
  }

  #endGhost(): void {
    const ghost = this.#ghost;
    this.#ghost = null;
    ghost?.destroy();
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Does what is due. `isWaiting`: something is unacknowledged. */
  wake(nowMs: number, isWaiting: boolean): void {
    if (this.#times.isStateOver(nowMs)) this.#stateIsOver();
    if (nowMs >= this.#slowUntilMs) {
      this.#slowUntilMs = NEVER;
      this.#connection?.hear();
    }
    this.current?.watch(nowMs, isWaiting);
  }

  #stateIsOver(): void {
    if (this.#state === 'connecting') this.gone('it did not answer to the connection');
    else if (this.#state === 'waiting') this.#connect();
    else if (this.#state === 'leaving') this.#end();
    else if (this.#state === 'silent') {
      this.#user.lost('half-open: silent for longer than the keepalive allows, on purpose');
      // Unless that was the end of it.
      if (this.#state === 'silent') this.#connect();
    }
  }

  /** When to wake it, unless its state is over before. */
  nextMs(nowMs: number): number {
    return Math.min(this.#slowUntilMs, this.current?.nextWatchMs(nowMs) ?? NEVER);
  }

  // ── From the connection ───────────────────────────────────────────────────────────────────────────────────

  acknowledged(kind: 'puback' | 'pubrec' | 'pubcomp', packetId: number): boolean {
    return this.#user.acknowledged(kind, packetId);
  }

  published(): void {
    this.#user.published();
  }

  left(token: number, hasLeft: boolean): void {
    this.#user.left(token, hasLeft);
  }

  afterwards(): void {
    this.#user.afterwards();
  }
}
