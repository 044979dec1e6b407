/** A serial cable of two pseudo terminals: `socat` is the cable, and ending it pulls the plug. */
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Running, start, until } from './processes.ts';
import { programOf } from './service.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface PtyPair {
  /** What the gateway opens. */
  readonly path: string;
  /** The device's end; null while it is unplugged. */
  device(): PtyDevice;
  /** The device is gone, at once; its path too. */
  unplug(): Promise<void>;
  plug(): Promise<void>;
}

const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;

/** The device's end of the cable: what it writes arrives as fast as the gateway reads. */
export class PtyDevice {
  readonly #descriptor: number;
  #waiting = Buffer.alloc(0);
  #timer: NodeJS.Timeout;
  #received = '';
  #closed: boolean = false;
  /** Bytes that the cable has taken. */
  taken = 0;
  onLine: (line: string) => void = () => undefined;

  constructor(path: string) {
    this.#descriptor = openSync(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    this.#timer = setInterval(() => this.#turn(), 2);
  }

  /** What the cable does not take at once waits. */
  write(bytes: string | Buffer): void {
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(bytes)]);
    this.#send();
  }

  get waitingBytes(): number {
    return this.#waiting.length;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    closeSync(this.#descriptor);
  }

  #turn(): void {
    this.#send();
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      const length = attempt(() => readSync(this.#descriptor, buffer));
      if (length === 0) break;
      this.#received += buffer.toString('latin1', 0, length);
    }
    const lines = this.#received.split('\n');
    this.#received = lines.pop() ?? '';
    for (const line of lines) this.onLine(line);
  }

  #send(): void {
    while (!this.#closed && this.#waiting.length > 0) {
      const length = attempt(() => writeSync(this.#descriptor, this.#waiting));
      if (length === 0) return;
      this.taken += length;
      this.#waiting = this.#waiting.subarray(length);
    }
  }
}

/** 0 where it cannot be done now, or never more. */
function attempt(what: () => number): number {
  try {
    return what();
  } catch {
    return 0;
  }
}

/** Plugged in. With `isHeld` it outlives whoever opens its path; without, nobody has the path open, and it does not. */
export async function startPtyPair(name = 'tty', isHeld = true): Promise<PtyPair> {
  const dir = temporaryFolder('pty');
  const path = join(dir, name);
  const far = join(dir, `${name}-device`);
  let cable: Running | null = null;
  let end: PtyDevice | null = null;
  /** Without it the cable would end when the gateway closes its side. */
  let held: number | null = null;

  async function plug(): Promise<void> {
    cable = start(programOf('socat'), [
      '-b65536',
      `pty,raw,echo=0,link=${path}`,
      `pty,raw,echo=0,link=${far}`,
    ]);
    await until(
      'the cable is there',
      () => {
        end ??= new PtyDevice(far);
        if (isHeld) held ??= openSync(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
        return true;
      },
      { everyMs: 2 },
    );
  }

  async function unplug(): Promise<void> {
    await cable?.kill('SIGKILL');
    end?.close();
    if (held !== null) closeSync(held);
    end = null;
    held = null;
    cable = null;
    rmSync(path, { force: true });
    rmSync(far, { force: true });
  }

  await plug();
  return {
    path,
    plug,
    unplug,
    device() {
      if (end === null) throw new Error('it is unplugged');
      return end;
    },
  };
}

/** Writes `line(0)`, `line(1)`, … at this rate until it is stopped, or the cable goes; resolves with how many. */
export async function writeLines(
  device: PtyDevice,
  options: {
    readonly perSecond: number;
    readonly line: (n: number) => string;
    readonly while: () => boolean;
  },
): Promise<number> {
  const sinceMs = performance.now();
  let sent = 0;
  while (options.while()) {
    const due = ((performance.now() - sinceMs) / 1000) * options.perSecond;
    let text = '';
    while (sent < due && text.length < 65_536) {
      text += options.line(sent);
      sent += 1;
    }
    if (text !== '') device.write(text);
    await sleep(Math.min(10, 500 / options.perSecond));
  }
  return sent;
}
