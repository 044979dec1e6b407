import { readSync, writeSync } from 'node:fs';
import { troubleOf } from './link-trouble.ts';

/** What a port reports to. None of them may throw. */
export interface TtyHandler {
  /** A view that is valid only during the call. */
  bytes(chunk: Buffer): void;
  /** Everything given to `write` has left. */
  empty(): void;
  /** Once, and nothing comes after it; not after `close`. */
  lost(words: string): void;
}

/** The part of serialport's binding on Linux and macOS that is used here. */
interface Binding {
  readonly fd: number | null;
  readonly poller: {
    poll(events: number): void;
    on(event: 'readable' | 'writable', listener: (error: Error | null) => void): unknown;
    removeAllListeners(): unknown;
  };
  close(): Promise<void>;
}

const READABLE = 1;
const WRITABLE = 2;
const PASSING = new Set(['EAGAIN', 'EWOULDBLOCK', 'EINTR']);
/** One for all ports: what is read is handed on before anything else happens. */
const chunk = Buffer.allocUnsafe(16 * 1024);

/**
 * A serial port, open for one connection. serialport opens it and sets it up; reading and writing are our own, because
 * its reader takes the end of a port that was pulled out for "nothing yet" (serialport/bindings-cpp issue 162).
 */
export class TtyPort {
  readonly #binding: Binding;
  readonly #handler: TtyHandler;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isOver: boolean = false;

  private constructor(binding: Binding, handler: TtyHandler) {
    this.#binding = binding;
    this.#handler = handler;
    binding.poller.on('readable', (error) => this.#onReadable(error));
    binding.poller.on('writable', (error) => {
      if (error === null) this.#send();
    });
    this.#await();
  }

  /** @throws Error in the system's words, or that serialport is not there for this platform. */
  static async open(path: string, baudRate: number, handler: TtyHandler): Promise<TtyPort> {
    const { SerialPort } = await import('serialport');
    const binding = await SerialPort.binding.open({ path, baudRate, lock: false });
    if (!('poller' in binding)) {
      await binding.close();
      throw new Error('serial links need Linux or macOS');
    }
    return new TtyPort(binding, handler);
  }

  /** Lost or closed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  write(bytes: Buffer): void {
    if (this.#isOver || bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waiting.length === 1) this.#await();
  }

  async close(): Promise<void> {
    this.#end();
    // A port that was pulled out, or is closed already, refuses it.
    await this.#binding.close().catch(() => undefined);
  }

  #end(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#binding.poller.removeAllListeners();
  }

  #lose(words: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#handler.lost(words);
  }

  #onReadable(error: Error | null): void {
    if (this.#isOver) return;
    try {
      const length = readSync(this.#binding.fd ?? -1, chunk);
      if (length === 0) this.#lose('the other end is gone');
      else this.#handler.bytes(chunk.subarray(0, length));
    } catch (caught) {
      if (!isPassing(caught)) this.#lose(troubleOf(caught));
    }
    if (error !== null) this.#lose(troubleOf(error));
    this.#await();
  }

  #send(): void {
    while (!this.#isOver) {
      const [first] = this.#waiting;
      if (first === undefined) break;
      try {
        const length = writeSync(this.#binding.fd ?? -1, first);
        this.#waitingBytes -= length;
        if (length === first.length) this.#waiting.shift();
        else {
          this.#waiting[0] = first.subarray(length);
          break;
        }
      } catch (error) {
        if (!isPassing(error)) this.#lose(troubleOf(error));
        break;
      }
    }
    if (this.#isOver) return;
    if (this.#waiting.length === 0) this.#handler.empty();
    this.#await();
  }

  /** Each call says anew what is awaited. */
  #await(): void {
    if (this.#isOver) return;
    try {
      this.#binding.poller.poll(READABLE | (this.#waiting.length > 0 ? WRITABLE : 0));
    } catch (error) {
      this.#lose(troubleOf(error));
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && PASSING.has(String(error.code));
}
