import { readSync, writeSync } from 'node:fs';
import { GatewayError, messageOf } from '../../errors.ts';

/** How the bits travel. */
export interface LineSettings {
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
  /** Hardware flow control. */
  readonly rtscts: boolean;
}

export interface PortListener {
  /** A view of what was read: valid only during the call. Must not throw. */
  data(chunk: Buffer): void;
  /** The device is gone, for this reason. At most once, and nothing comes after it. */
  lost(reason: string): void;
}

/** A port that was opened, for one connection: it is never opened again. */
export interface OpenPort {
  /** Bytes given to `write` that the system has not taken yet. */
  readonly waitingBytes: number;
  /** Begins to read, and goes on whatever happens: a port that is not read does not notice an unplug. */
  listen(listener: PortListener): void;
  /** Resolves when the system has taken all bytes. Rejects when the port is closed or lost before that. */
  write(bytes: Buffer): Promise<void>;
  /** Never rejects. `discard`: what was written and has not left yet is thrown away, so that nothing waits for it. */
  close(discard: boolean): Promise<void>;
}

/** @throws Error in the system's own words; `opening-trouble.ts` makes sense of them. */
export type OpenPortFunction = (path: string, settings: LineSettings) => Promise<OpenPort>;

const READABLE = 1;
const WRITABLE = 2;
/** What a terminal gives at most in one read (N_TTY_BUF_SIZE, Linux); less means that it is empty. */
const FULL_READ_BYTES = 4095;
/** Then others get their turn: of noise with line feeds, 16 KiB are some 60 rejections. */
const READS_A_TURN = 4;
/** One for all ports: what is read is handed on before anything else happens. */
const chunk = Buffer.allocUnsafe(64 * 1024);

/** The part of serialport's binding on Linux and macOS that is used here. */
interface PolledBinding {
  readonly fd: number | null;
  readonly poller: {
    poll(events: number): void;
    on(event: 'readable' | 'writable', listener: (error: Error | null) => void): unknown;
    removeAllListeners(): unknown;
  };
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The same where there is no file descriptor to poll (Windows). */
interface AwaitedBinding {
  read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }>;
  write(bytes: Buffer): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a port exclusively: a second program that asks for a lock is refused, and so are we where one has it.
 *
 * serialport opens it, locks it and sets it up. Reading and writing are our own: serialport's reader takes a read of
 * 0 bytes, which is how a device that was pulled out answers, for "nothing yet" and spins for ever
 * (github.com/serialport/bindings-cpp issues 162 and 175). Here it is the end of the port. Reads and writes do not block
 * and happen on the main thread, so none can be under way on a descriptor that is being closed.
 */
export const openPort: OpenPortFunction = async (path, settings) => {
  const { SerialPort } = await import('serialport').catch((error: unknown) => {
    throw new GatewayError('optional-missing', `serialport does not work here: ${messageOf(error)}`);
  });
  const binding = await SerialPort.binding.open({ path, ...settings, lock: true });
  return 'poller' in binding ? new PolledPort(binding) : new AwaitedPort(binding);
};

interface Outgoing {
  readonly bytes: Buffer;
  offset: number;
  readonly taken: () => void;
  readonly failed: (error: Error) => void;
}

export class PolledPort implements OpenPort {
  readonly #binding: PolledBinding;
  readonly #outgoing: Outgoing[] = [];
  #listener: PortListener | null = null;
  #waitingBytes = 0;
  /** Lost or closed: nothing is read or written any more. */
  #over: boolean = false;
  #closed: Promise<void> | null = null;

  constructor(binding: PolledBinding) {
    this.#binding = binding;
    binding.poller.on('readable', (error) => this.#onReadable(error));
    binding.poller.on('writable', (error) => {
      if (error === null && !this.#over) this.#send();
    });
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  listen(listener: PortListener): void {
    this.#listener = listener;
    this.#await();
  }

  write(bytes: Buffer): Promise<void> {
    if (this.#over) return Promise.reject(new Error('the port is closed'));
    return new Promise((taken, failed) => {
      this.#outgoing.push({ bytes, offset: 0, taken, failed });
      this.#waitingBytes += bytes.length;
      if (this.#outgoing.length === 1) this.#send();
    });
  }

  close(discard: boolean): Promise<void> {
    this.#closed ??= this.#close(discard);
    return this.#closed;
  }

  async #close(discard: boolean): Promise<void> {
    this.#end();
    // A port that was pulled out refuses both.
    if (discard) await this.#binding.flush().catch(() => undefined);
    await this.#binding.close().catch(() => undefined);
  }

  #end(): void {
    this.#over = true;
    this.#binding.poller.removeAllListeners();
    this.#waitingBytes = 0;
    for (const { failed } of this.#outgoing.splice(0)) failed(new Error('the port was lost'));
  }

  #lose(reason: string): void {
    if (this.#over) return;
    this.#end();
    this.#listener?.lost(reason);
  }

  /** Also called when the device has hung up: what can still be read is read first. */
  #onReadable(error: Error | null): void {
    if (this.#over || this.#listener === null) return;
    const trouble = this.#read(this.#listener) ?? (error === null ? null : HUNG_UP);
    if (trouble !== null) this.#lose(trouble);
    else this.#await();
  }

  /** Why it is lost; null where it is not. */
  #read(listener: PortListener): string | null {
    for (let reads = 0; reads < READS_A_TURN && !this.#over; reads += 1) {
      let length: number;
      try {
        length = readSync(this.#binding.fd ?? -1, chunk);
      } catch (error) {
        if (isPassing(error)) return null;
        return systemReason(error);
      }
      if (length === 0) return HUNG_UP;
      listener.data(chunk.subarray(0, length));
      if (length < FULL_READ_BYTES) return null;
    }
    return null;
  }

  #send(): void {
    for (let next = this.#outgoing[0]; next !== undefined; next = this.#outgoing[0]) {
      try {
        const length = writeSync(this.#binding.fd ?? -1, next.bytes, next.offset);
        next.offset += length;
        this.#waitingBytes -= length;
      } catch (error) {
        if (!isPassing(error)) {
          this.#lose(systemReason(error));
          return;
        }
        break;
      }
      if (next.offset < next.bytes.length) break;
      this.#outgoing.shift();
      next.taken();
    }
    if (this.#outgoing.length > 0) this.#await();
  }

  /** Each call says anew what is awaited. */
  #await(): void {
    if (this.#over) return;
    const reading = this.#listener === null ? 0 : READABLE;
    try {
      this.#binding.poller.poll(reading | (this.#outgoing.length > 0 ? WRITABLE : 0));
    } catch (error) {
      this.#lose(messageOf(error));
    }
  }
}

export class AwaitedPort implements OpenPort {
  readonly #binding: AwaitedBinding;
  #waitingBytes = 0;
  #over: boolean = false;
  #listener: PortListener | null = null;
  #closed: Promise<void> | null = null;

  constructor(binding: AwaitedBinding) {
    this.#binding = binding;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  listen(listener: PortListener): void {
    this.#listener = listener;
    void this.#readOn(listener);
  }

  async #readOn(listener: PortListener): Promise<void> {
    const buffer = Buffer.allocUnsafe(4096);
    while (!this.#over) {
      try {
        const { bytesRead } = await this.#binding.read(buffer, 0, buffer.length);
        if (this.#over) return;
        if (bytesRead === 0) this.#lose(HUNG_UP);
        else listener.data(buffer.subarray(0, bytesRead));
      } catch (error) {
        this.#lose(messageOf(error));
      }
    }
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#over) throw new Error('the port is closed');
    this.#waitingBytes += bytes.length;
    try {
      await this.#binding.write(bytes);
    } catch (error) {
      this.#lose(messageOf(error));
      throw error;
    } finally {
      this.#waitingBytes -= bytes.length;
    }
  }

  #lose(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener?.lost(reason);
  }

  close(_discard: boolean): Promise<void> {
    this.#over = true;
    this.#closed ??= this.#binding.close().catch(() => undefined);
    return this.#closed;
  }
}

const HUNG_UP = 'the device hung up';

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function isPassing(error: unknown): boolean {
  return ['EAGAIN', 'EWOULDBLOCK', 'EINTR'].includes(codeOf(error));
}

function systemReason(error: unknown): string {
  const code = codeOf(error);
  if (code === 'EIO' || code === 'ENXIO' || code === 'ENODEV') return `${HUNG_UP} (${code})`;
  return messageOf(error);
}
