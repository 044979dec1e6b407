import type { Link, LinkListener, Outgoing, SerialLinkSpec } from '../contracts.ts';
import { backOffMs } from './back-off.ts';
import { Closing } from './closing.ts';
import type { LinkDeps, LinkNames } from './link-deps.ts';
import { LinkTimes, NEVER } from './link-times.ts';
import { troubleOf } from './link-trouble.ts';
import { Readiness } from './readiness.ts';
import { AnswerLines, isNotTaken, type SerialAnswer } from './serial-answers.ts';
import { openSerial, type SerialConnection } from './serial-connection.ts';
import { lineProblem } from './serial-lines.ts';
import { type SerialSender, SerialWithAck, SerialWithoutAck } from './serial-senders.ts';
import type { Tickable } from './ticker.ts';
import type { TtyHandler } from './tty-port.ts';

const REOPEN_MS = [500, 10_000] as const;
const UNPLUGGED_MS = [1000, 3000] as const;
/** What was written before is in the cable still: so long the gateway gets to read it. */
const DRAIN_MS = 300;
const MAX_WAITING_BYTES = 16 * 1024;

type State = 'idle' | 'opening' | 'up' | 'unplugging' | 'waiting' | 'leaving' | 'closed';

/**
 * Firmware on a serial cable: one line for each message, behind a line feed that saves it from what was broken before it.
 * With `ack` one line at a time is under way, until the gateway says that it is on disk; it is sent again when no answer
 * comes. Without, a line counts as acknowledged when the system has taken it, which promises nothing.
 */
export function createSerialLink(
  spec: SerialLinkSpec,
  names: LinkNames,
  listener: LinkListener,
  deps: LinkDeps,
): Link {
  return new SerialLink(spec, names, listener, deps);
}

class SerialLink implements Link, Tickable, TtyHandler {
  readonly #spec: SerialLinkSpec;
  readonly #names: LinkNames;
  readonly #listener: LinkListener;
  readonly #deps: LinkDeps;
  readonly #sender: SerialSender;
  readonly #answers = new AnswerLines();
  readonly #times: LinkTimes;
  readonly #readiness: Readiness;
  #state: State = 'idle';
  #connection: SerialConnection | null = null;
  #attempt = 0;
  #closing: Closing | null = null;

  constructor(spec: SerialLinkSpec, names: LinkNames, listener: LinkListener, deps: LinkDeps) {
    this.#spec = spec;
    this.#names = names;
    this.#listener = listener;
    this.#deps = deps;
    this.#sender = spec.ack
      ? new SerialWithAck(listener, deps.random)
      : new SerialWithoutAck(listener, deps.random);
    this.#times = new LinkTimes(this, deps.ticker);
    this.#readiness = new Readiness(listener);
  }

  // ── For the engine ────────────────────────────────────────────────────────────────────────────────────────

  get inFlight(): number {
    return this.#sender.size;
  }

  get resent(): number {
    return this.#sender.resent;
  }

  get canSend(): boolean {
    return (
      this.#state === 'up' &&
      this.#closing === null &&
      this.#sender.hasRoom &&
      (this.#connection?.port.waitingBytes ?? 0) < MAX_WAITING_BYTES
    );
  }

  open(): void {
    if (this.#state === 'idle') this.#open();
  }

  send(message: Outgoing): void {
    const problem = this.#state === 'closed' ? 'the link is closed' : lineProblem(message.payload);
    if (problem !== null) {
      this.#listener.onRefused(message.token, problem);
      return;
    }
    this.#sender.take(message, this.#times.nowMs);
    this.#turn();
    this.#readiness.note(this.canSend);
  }

  cut(): void {
    if (this.#state === 'up' || this.#state === 'unplugging') this.#unplug('unplugged on purpose');
  }

  close(deadlineMs: number): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve();
    const untilMs = this.#times.nowMs + deadlineMs;
    this.#closing ??= new Closing();
    const closed = this.#closing.ask(untilMs);
    this.#times.wakeBy(untilMs);
    this.#turn();
    this.#leaveIfDone();
    return closed;
  }

  // ── The port ──────────────────────────────────────────────────────────────────────────────────────────────

  #open(): void {
    this.#state = 'opening';
    this.#answers.reset();
    openSerial(this.#spec, this.#names, this.#deps.ports, this).then(
      (connection) => this.#opened(connection),
      (error: unknown) => {
        if (this.#state !== 'opening') return;
        const delayMs = backOffMs(this.#attempt, ...REOPEN_MS, this.#deps.random);
        this.#attempt += 1;
        this.#wait(troubleOf(error), delayMs);
      },
    );
  }

  #opened(connection: SerialConnection): void {
    if (this.#state !== 'opening') {
      void connection.unplug();
      return;
    }
    this.#connection = connection;
    if (connection.port.isOver) {
      this.#unplug('the port was lost as soon as it was open');
      return;
    }
    this.#state = 'up';
    this.#attempt = 0;
    this.#sender.opened(this.#times.nowMs);
    this.#turn();
    this.#afterwards();
  }

  bytes(chunk: Buffer): void {
    for (const answer of this.#answers.push(chunk)) this.#answered(answer);
    this.#turn();
    this.#afterwards();
  }

  #answered(answer: SerialAnswer): void {
    this.#sender.answered(answer, isNotTaken(answer), this.#times.nowMs);
  }

  empty(): void {
    this.#sender.left();
    this.#afterwards();
  }

  lost(words: string): void {
    if (this.#state === 'up' || this.#state === 'unplugging') this.#unplug(words);
  }

  #unplug(words: string): void {
    const connection = this.#connection;
    this.#connection = null;
    const [least, most] = UNPLUGGED_MS;
    this.#state = 'waiting';
    this.#sender.lost();
    this.#times.stateLasts();
    const delayMs = least + (most - least) * this.#deps.random.next();
    // The name must be free before the next one is made.
    const gone = connection === null ? Promise.resolve() : connection.unplug();
    void gone.then(() => {
      if (this.#state === 'waiting') this.#times.stateEndsIn(delayMs);
    });
    this.#lose(words);
  }

  #wait(words: string, delayMs: number): void {
    this.#state = 'waiting';
    this.#times.stateEndsIn(delayMs);
    this.#lose(words);
  }

  #lose(words: string): void {
    this.#readiness.note(false);
    this.#listener.onLost(words);
    this.#leaveIfDone();
  }

  /** Writes what the sender has to say now. */
  #turn(): void {
    const port = this.#connection?.port;
    if (this.#state === 'up' && port !== undefined) {
      const isUnplugged = this.#sender.turn(port, this.#times.nowMs);
      if (isUnplugged) {
        this.#state = 'unplugging';
        this.#times.stateEndsIn(DRAIN_MS);
      }
    }
    this.#look();
  }

  #afterwards(): void {
    if (this.#closing === null) this.#readiness.look(this.canSend);
    else this.#leaveIfDone();
  }

  // ── Its end ───────────────────────────────────────────────────────────────────────────────────────────────

  #leaveIfDone(): void {
    const closing = this.#closing;
    if (closing === null || this.#state === 'leaving' || this.#state === 'closed') return;
    if (!closing.isDue(this.inFlight, this.#times.nowMs)) return;
    const wasUp = this.#connection !== null;
    this.#state = 'leaving';
    if (wasUp) this.#times.stateEndsIn(DRAIN_MS);
    else this.#end();
  }

  #end(): void {
    this.#state = 'closed';
    const connection = this.#connection;
    this.#connection = null;
    const gone = connection === null ? Promise.resolve() : connection.unplug();
    void gone.then(() => this.#closing?.done());
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────

  wake(nowMs: number): void {
    if (!this.#times.isAwaited(nowMs) || this.#state === 'closed') return;
    if (this.#times.isStateOver(nowMs)) {
      if (this.#state === 'waiting') this.#open();
      else if (this.#state === 'unplugging') this.#unplug('unplugged on purpose');
      else if (this.#state === 'leaving') this.#end();
    }
    this.#turn();
    this.#afterwards();
  }

  /** When to look again. */
  #look(): void {
    if (this.#state === 'closed') return;
    const closingMs = this.#closing?.nextMs(this.#times.nowMs) ?? NEVER;
    const senderMs = this.#state === 'up' ? this.#sender.nextMs() : NEVER;
    this.#times.wakeBy(Math.min(senderMs, closingMs));
  }
}
