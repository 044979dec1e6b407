import type { Clock, Ingest, Message, Outcome } from '../../contracts.ts';
import { isRefusal, messageOf } from '../../errors.ts';
import type { Events } from '../../monitoring/events.ts';
import type { Framer, FramerOutput } from '../framing/framer.ts';
import { goesOn } from '../mqtt-broker/publication.ts';
import { CsvHeader } from './csv-header.ts';
import { FrameAnswers } from './frame-answers.ts';
import type { OpenPort, PortListener } from './open-port.ts';
import type { PortCounters } from './port-counters.ts';
import type { SerialEntry } from './serial-entry.ts';

export interface ConnectionDeps {
  readonly ingest: Ingest;
  readonly events: Events;
  readonly clock: Clock;
  /** A new framer for each connection: a half frame must never be glued to the next connection's bytes. */
  readonly createFramer: (framing: SerialEntry['framing'], output: FramerOutput) => Framer;
  /** Counts a reading that was not handed to `ingest` at all, as refused, in the account. */
  readonly refused: (device: string, readings: number) => void;
  /** Hands a reading to subscribers of its topic, as the broker does with those of its clients. */
  readonly forward: (topic: string, payload: Buffer) => void;
  /** The sequence number in a payload that was refused, null where there is none. */
  readonly seqOf: (payload: Buffer, format: string | null) => number | null;
}

/** What a connection is for. */
export interface ConnectionPlace {
  readonly entry: SerialEntry;
  readonly device: string;
  readonly topic: string;
  readonly path: string;
}

export type WriteResult =
  | { readonly ok: true; readonly bytes: number }
  | { readonly ok: false; readonly error: string };

/**
 * Taken from one port and not on disk yet. A serial line cannot be told to wait: beyond this, frames are refused and
 * counted. At 115200 baud it is six minutes of a disk that does nothing.
 */
const MAX_UNCOMMITTED_BYTES = 4 * 1024 * 1024;
/** What a frame costs beside its bytes until it is on disk, about. */
const FRAME_OVERHEAD_BYTES = 64;
/** Answers and downlinks that a device does not take: beyond this they are not sent. */
const MAX_WAITING_BYTES = 64 * 1024;
const MAX_WAITING_WRITES = 64;
/** After so long without a byte the framer is told that the line is idle. */
const IDLE_MS = 1_000;

/** One opened port, from its first byte to its loss. Cuts bytes into frames, hands them on, answers them. */
export class PortConnection implements PortListener {
  readonly #port: OpenPort;
  readonly #place: ConnectionPlace;
  readonly #deps: ConnectionDeps;
  readonly #counters: PortCounters;
  readonly #onLost: (reason: string) => void;
  readonly #answers: FrameAnswers;
  readonly #header: CsvHeader | null;
  readonly #settledMs: number;
  /** Null until the port has settled. */
  #framer: Framer | null = null;
  #inFramer: boolean = false;
  #over: boolean = false;
  #frames = 0;
  #lastByteMs: number;
  #toldIdle: boolean = true;
  #waitingWrites = 0;

  constructor(
    port: OpenPort,
    place: ConnectionPlace,
    deps: ConnectionDeps,
    counters: PortCounters,
    onLost: (reason: string) => void,
  ) {
    const { entry } = place;
    this.#port = port;
    this.#place = place;
    this.#deps = deps;
    this.#counters = counters;
    this.#onLost = onLost;
    this.#answers = new FrameAnswers(entry.ack ? (text) => this.#answer(text) : null);
    this.#header = entry.csvHeader === null ? null : new CsvHeader(entry.csvHeader);
    this.#lastByteMs = deps.clock.monotonicMs();
    this.#settledMs = this.#lastByteMs + entry.settleMs;
    port.listen(this);
  }

  /** Frames so far: of a connection that brought none it is doubtful whether it was one. */
  get frames(): number {
    return this.#frames;
  }

  // ── What comes ──────────────────────────────────────────────────────────────────────────────────────────

  data(chunk: Buffer): void {
    if (this.#over) return;
    this.#counters.bytes += chunk.length;
    this.#lastByteMs = this.#deps.clock.monotonicMs();
    this.#toldIdle = false;
    if (this.#lastByteMs < this.#settledMs) {
      this.#counters.discard('settling', chunk.length, chunk);
      return;
    }
    this.#framer ??= this.#newFramer();
    if (this.#framer !== null) this.#tell(this.#framer, (framer) => framer.push(chunk));
  }

  #newFramer(): Framer | null {
    try {
      return this.#deps.createFramer(this.#place.entry.framing, {
        frame: (bytes) => this.#onFrame(bytes),
        discarded: ({ reason, bytes, last }) => this.#counters.discard(reason, bytes, last),
      });
    } catch (error) {
      this.#failed('framing', error);
      return null;
    }
  }

  /** What a frame sets off may end this connection, and the framer must not be called from within. */
  #tell(framer: Framer, what: (framer: Framer) => void): void {
    this.#inFramer = true;
    try {
      what(framer);
    } catch (error) {
      this.#failed('framing', error);
    } finally {
      this.#inFramer = false;
    }
    if (this.#over) this.#endFramer();
  }

  #endFramer(): void {
    const framer = this.#framer;
    this.#framer = null;
    try {
      framer?.end();
    } catch (error) {
      this.#failed('framing', error);
    }
  }

  #onFrame(bytes: Buffer): void {
    const payload = this.#header === null ? bytes : this.#header.take(bytes);
    if (payload === null) return;
    this.#frames += 1;
    this.#counters.frames += 1;
    const { entry, device, topic, path } = this.#place;
    const message: Message = {
      source: 'serial',
      topic,
      payload,
      client: entry.name,
      username: null,
      device,
      transfer: null,
      retain: false,
      address: path,
      format: entry.format,
      receipts: entry.ack,
      relay: null,
    };
    if (this.#answers.uncommittedBytes > MAX_UNCOMMITTED_BYTES) {
      this.#deps.refused(device, 1);
      this.#refuse(message, 'store-unavailable', 'too much that it sent is not on disk yet');
      return;
    }
    try {
      const { outcomes, committed } = this.#deps.ingest.ingest(message);
      const { n, code } = answerFor(outcomes, this.#frames);
      this.#answers.hold(committed, payload.length + FRAME_OVERHEAD_BYTES, n, code);
      if (goesOn(outcomes)) this.#forward(topic, payload);
    } catch (error) {
      if (isRefusal(error)) this.#refuse(message, error.code, error.message);
      else {
        this.#failed('ingest', error);
        this.#refuse(message, 'internal', messageOf(error));
      }
    }
  }

  #forward(topic: string, payload: Buffer): void {
    try {
      this.#deps.forward(topic, payload);
    } catch (error) {
      this.#failed('forward', error);
    }
  }

  #refuse({ payload, format }: Message, code: string, reason: string): void {
    const { entry } = this.#place;
    this.#counters.refused += 1;
    this.#deps.events.emit('serial.refused', { port: entry.name, reason });
    if (!entry.ack) return;
    const seq = this.#deps.seqOf(payload, format);
    if (!this.#answers.refuse(seq === null ? `#${this.#frames}` : String(seq), code))
      this.#counters.unanswered += 1;
  }

  #failed(hook: string, error: unknown): void {
    this.#deps.events.emit('hook.failed', { hook: `serial ${hook}`, error: messageOf(error) });
  }

  /** Looks at what only time tells: that the line is idle, or has been silent for too long. */
  tick(nowMs: number): void {
    const silentMs = nowMs - this.#lastByteMs;
    if (!this.#toldIdle && silentMs >= IDLE_MS && this.#framer !== null) {
      this.#toldIdle = true;
      this.#tell(this.#framer, (framer) => framer.idle());
    }
    const { silenceMs } = this.#place.entry;
    if (silenceMs !== null && silentMs >= silenceMs) this.lost(`nothing came for ${silenceMs / 1000} s`);
  }

  // ── What goes ───────────────────────────────────────────────────────────────────────────────────────────

  #answer(text: string): void {
    if (this.#over) return;
    if (this.#port.waitingBytes > MAX_WAITING_BYTES) {
      this.#counters.unanswered += text.split('\n').length - 1;
      this.#deps.events.emit('serial.unanswered', { port: this.#place.entry.name });
      return;
    }
    // Where it fails the port is lost, and says so itself.
    this.#port.write(Buffer.from(text)).catch(() => undefined);
  }

  /** Never rejects. Nothing is kept for later: what cannot be written now is refused. */
  async write(payload: Buffer): Promise<WriteResult> {
    if (this.#over) return { ok: false, error: 'the port is closed' };
    if (this.#deps.clock.monotonicMs() < this.#settledMs)
      return { ok: false, error: 'the port has just been opened and is settling' };
    if (payload.length > MAX_WAITING_BYTES)
      return { ok: false, error: `at most ${MAX_WAITING_BYTES} bytes can be written at once` };
    if (
      this.#port.waitingBytes + payload.length > MAX_WAITING_BYTES ||
      this.#waitingWrites >= MAX_WAITING_WRITES
    )
      return { ok: false, error: 'too much waits to be written: the device does not read' };
    this.#waitingWrites += 1;
    try {
      await this.#port.write(payload);
      return { ok: true, bytes: payload.length };
    } catch (error) {
      return { ok: false, error: messageOf(error) };
    } finally {
      this.#waitingWrites -= 1;
    }
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────

  /** It is lost, for whatever reason: the first one counts. */
  lost(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    if (!this.#inFramer) this.#endFramer();
    this.#onLost(reason);
  }

  /** Lets go of a port that was lost. Never rejects. */
  async letGo(): Promise<void> {
    await this.#port.close(true);
  }

  /** Takes nothing more, answers what is in flight until `signal` aborts, and closes the port. Never rejects. */
  async stop(deadlineMs: number): Promise<void> {
    const { clock } = this.#deps;
    const cut = new AbortController();
    // What comes from here on is not taken, so firmware sends it again.
    this.#framer = STOPPED;
    await Promise.race([this.#answers.idle(), clock.sleep(deadlineMs, cut.signal)]);
    cut.abort();
    this.#over = true;
    const close = new AbortController();
    await Promise.race([this.#port.close(false), clock.sleep(CLOSE_MS, close.signal)]);
    close.abort();
  }
}

/** A device with flow control may hold up the closing of its port. */
const CLOSE_MS = 500;

const STOPPED: Framer = {
  push: () => undefined,
  idle: () => undefined,
  end: () => undefined,
};

/**
 * What firmware is told of a frame: the `seq` of its reading (of several, the last; of rejected ones, the first), or
 * where it has none `#` and the number of the frame on this connection, which no `seq` can be mistaken for.
 */
function answerFor(
  outcomes: readonly Outcome[],
  frame: number,
): { readonly n: string; readonly code: string | null } {
  let seq: number | null = null;
  for (const outcome of outcomes) {
    if (outcome.kind === 'rejected')
      return { n: outcome.seq === null ? `#${frame}` : String(outcome.seq), code: outcome.code };
    seq = outcome.receipt?.seq ?? seq;
  }
  return { n: seq === null ? `#${frame}` : String(seq), code: null };
}
