import { statSync } from 'node:fs';
import { messageOf } from '../../errors.ts';
import type { SerialPortStatus } from '../../operations-contract.ts';
import type { FoundPort } from './find-ports.ts';
import type { OpenPort, OpenPortFunction } from './open-port.ts';
import { type ConnectionDeps, PortConnection, type WriteResult } from './port-connection.ts';
import { PortCounters } from './port-counters.ts';
import { realPathOf } from './port-identity.ts';
import type { SerialEntry } from './serial-entry.ts';

/** Where its port is at the moment, or why it cannot be told. */
export type Located = FoundPort | { readonly absent: string };

export interface KeeperDeps extends ConnectionDeps {
  readonly openPort: OpenPortFunction;
  /** Why opening failed, in words that say what to do. Never rejects. */
  readonly explain: (path: string, error: unknown) => Promise<string>;
  /** A port was opened; told after the event. */
  readonly opened: (port: FoundPort, name: string) => void;
  /** Changes when what is at this path is replaced; null: there is nothing. */
  readonly signatureOf: (path: string) => string | null;
  /** Ports in use by their real paths, and who of us uses them. */
  readonly inUse: Map<string, string>;
  /** From 0 to 1. */
  readonly random: () => number;
}

type State = SerialPortStatus['state'];

const FIRST_RETRY_MS = 1_000;
const RETRY_FACTOR = 1.5;
const LONGEST_RETRY_MS = 30_000;
/** Of each wait, at random, so that many ports do not try at the same moments. */
const JITTER = 0.2;
/** After a connection that worked: udev needs a moment to take the path away. */
const AFTER_LOSS_MS = 250;
/** A connection that brought a frame, or lasted so long, worked. */
const WORKED_AFTER_MS = 10_000;

/**
 * Keeps one device's port open: waits for it to appear, opens it, and when it is lost opens it again, for ever. A port that
 * is there and cannot be opened is tried again with growing pauses; one that appears, or changes its rights, at once.
 * Driven by `tick`, which is to come every half second or so.
 */
export class PortKeeper {
  readonly device: string;
  readonly entry: SerialEntry;
  readonly #deps: KeeperDeps;
  readonly #locate: () => Located;
  readonly #counters = new PortCounters();
  #state: State = 'waiting';
  #reason: string | null = 'it has not been looked for yet';
  #sinceMs: number;
  #path: string | null = null;
  #connection: PortConnection | null = null;
  /** The port that is open or being opened. */
  #found: FoundPort | null = null;
  #signature: string | null = null;
  #openedMs = 0;
  #retryAtMs = 0;
  #failures = 0;
  /** A port that is still being closed cannot be opened: its lock is ours. */
  #closing: boolean = false;
  #stopped: boolean = false;
  #opening: Promise<void> = Promise.resolve();
  #told = '';
  #toldDiscardedBytes = 0;

  constructor(entry: SerialEntry, device: string, locate: () => Located, deps: KeeperDeps) {
    this.entry = entry;
    this.device = device;
    this.#locate = locate;
    this.#deps = deps;
    this.#sinceMs = deps.clock.nowMs();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  tick(nowMs: number): void {
    if (this.#stopped) return;
    this.#tellDiscarded();
    if (this.#state === 'open') this.#watch(nowMs);
    else if (this.#state !== 'opening' && !this.#closing) this.#look(nowMs);
  }

  /** Second line of defence: the driver may not tell that the device is gone. */
  #watch(nowMs: number): void {
    this.#connection?.tick(nowMs);
    const found = this.#found;
    if (found === null || this.#state !== 'open') return;
    const signature = this.#deps.signatureOf(found.path);
    if (signature === null) this.#connection?.lost('its path is gone');
    else if (placeOf(signature) !== placeOf(this.#signature)) {
      this.#connection?.lost('its path leads to another port');
    }
  }

  #look(nowMs: number): void {
    const located = this.#locate();
    if ('absent' in located) {
      this.#wait(located.absent);
      return;
    }
    const user = this.#deps.inUse.get(located.realPath);
    if (user !== undefined) {
      this.#wait(`${located.path} is used by ${user} already`);
      return;
    }
    const signature = this.#deps.signatureOf(located.path);
    const isNew = this.#state === 'waiting' || signature !== this.#signature;
    if (!isNew && nowMs < this.#retryAtMs) return;
    this.#signature = signature;
    this.#opening = this.#open(located).catch((error: unknown) => {
      this.#deps.events.emit('hook.failed', { hook: 'serial open', error: messageOf(error) });
      this.#leave(located);
      this.#retryLater(messageOf(error));
    });
  }

  #wait(reason: string): void {
    this.#become('waiting', reason);
    this.#path = null;
    if (this.#told === reason) return;
    this.#told = reason;
    this.#deps.events.emit('serial.waiting', { port: this.entry.name, device: this.device, reason });
  }

  async #open(found: FoundPort): Promise<void> {
    const { path, realPath } = found;
    const { openPort, inUse, explain } = this.#deps;
    this.#become('opening', null);
    this.#path = path;
    this.#found = found;
    inUse.set(realPath, `the port ${this.entry.name}`);
    let port: OpenPort;
    try {
      const { baudRate, dataBits, parity, stopBits, rtscts } = this.entry;
      port = await openPort(path, { baudRate, dataBits, parity, stopBits, rtscts });
    } catch (error) {
      const reason = await explain(path, error);
      this.#leave(found);
      this.#retryLater(reason);
      if (this.#told === reason || this.#stopped) return;
      this.#told = reason;
      this.#deps.events.emit('serial.cannot-open', { port: this.entry.name, path, reason });
      return;
    }
    if (this.#stopped) {
      await port.close(true);
      this.#leave(found);
      return;
    }
    this.#opened(port, path);
    this.#deps.opened(found, this.entry.name);
  }

  #opened(port: OpenPort, path: string): void {
    const { entry, device } = this;
    const { events, clock } = this.#deps;
    const topic = entry.topic.replaceAll('{device}', device);
    this.#become('open', null);
    this.#told = '';
    this.#openedMs = clock.monotonicMs();
    this.#counters.opened += 1;
    events.emit('serial.opened', { port: entry.name, path, device });
    this.#connection = new PortConnection(
      port,
      { entry, device, topic, path },
      this.#deps,
      this.#counters,
      (reason) => this.#onLost(reason),
    );
  }

  #onLost(reason: string): void {
    const connection = this.#connection;
    const found = this.#found;
    this.#connection = null;
    if (connection === null || found === null || this.#stopped) return;
    const { clock, events } = this.#deps;
    const nowMs = clock.monotonicMs();
    this.#retryLater(reason);
    if (connection.frames > 0 || nowMs - this.#openedMs >= WORKED_AFTER_MS) {
      this.#failures = 0;
      this.#retryAtMs = nowMs + AFTER_LOSS_MS;
    }
    events.emit('serial.lost', { port: this.entry.name, path: found.path, reason });
    this.#closing = true;
    void this.#letGo(connection, found);
  }

  async #letGo(connection: PortConnection, found: FoundPort): Promise<void> {
    await connection.letGo();
    this.#leave(found);
    this.#closing = false;
  }

  #leave(found: FoundPort): void {
    this.#found = null;
    this.#deps.inUse.delete(found.realPath);
  }

  #retryLater(reason: string): void {
    const pauseMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * RETRY_FACTOR ** this.#failures);
    this.#failures += 1;
    const jitter = 1 - JITTER + 2 * JITTER * this.#deps.random();
    this.#retryAtMs = this.#deps.clock.monotonicMs() + pauseMs * jitter;
    this.#become('retrying', reason);
  }

  #become(state: State, reason: string | null): void {
    if (this.#state !== state) this.#sinceMs = this.#deps.clock.nowMs();
    this.#state = state;
    this.#reason = reason;
  }

  #tellDiscarded(): void {
    const { discardedBytes, lastReason } = this.#counters;
    const bytes = discardedBytes - this.#toldDiscardedBytes;
    if (bytes === 0) return;
    this.#toldDiscardedBytes = discardedBytes;
    this.#deps.events.emit('serial.discarded', { port: this.entry.name, bytes, reason: lastReason });
  }

  /** Never rejects. */
  async write(payload: Buffer): Promise<WriteResult> {
    const connection = this.#connection;
    if (connection === null)
      return { ok: false, error: `the port is not open: ${this.#reason ?? this.#state}` };
    return await connection.write(payload);
  }

  status(): SerialPortStatus {
    const { entry, device } = this;
    const counters = this.#counters;
    return {
      port: entry.name,
      device,
      path: this.#path,
      state: this.#state,
      reason: this.#reason,
      sinceMs: this.#sinceMs,
      frames: counters.frames,
      bytes: counters.bytes,
      refused: counters.refused,
      unanswered: counters.unanswered,
      reopened: Math.max(0, counters.opened - 1),
      discardedBytes: counters.discardedBytes,
      discarded: counters.discardedByReason,
      lastDiscardedHex: counters.rawLog().toString('hex'),
    };
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    const connection = this.#connection;
    this.#become('stopped', null);
    if (connection !== null) await connection.stop(deadlineMs);
    else await this.#opening;
  }
}

/** What is at a path, and in its last part when its rights were last changed. Null: nothing is there. */
export function signatureOf(path: string): string | null {
  try {
    const { dev, ino, rdev, ctimeMs } = statSync(path);
    return `${realPathOf(path)} ${dev}:${ino}:${rdev} ${ctimeMs}`;
  } catch {
    return null;
  }
}

function placeOf(signature: string | null): string {
  return signature?.slice(0, signature.lastIndexOf(' ')) ?? '';
}
