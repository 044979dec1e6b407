import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GatewayError } from '../../gateway/errors.ts';
import { makeFolders } from '../../gateway/make-folders.ts';

const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
const PLUG_MS = 5000;
const MAX_WORDS = 4000;

/**
 * A serial cable of two pseudo terminals; `socat` is the cable (Debian package `socat`), and ending it pulls the plug.
 * The gateway's end has a name that stays the same, `<folder>/<name>`, a link that is made last and taken away first, so
 * that whoever finds it can open it. It ends by itself when this process does, even by a kill: nobody holds its ends then.
 */
export class PtyCable {
  /** What the gateway opens. */
  readonly path: string;
  /** The device's end. */
  readonly farPath: string;
  readonly #socat: ChildProcess;
  readonly #exited: Promise<void>;
  /** Else the cable would end when the gateway closes its side. */
  readonly #held: number;
  #isUnplugged: boolean = false;

  private constructor(
    path: string,
    ends: readonly [near: string, far: string],
    socat: ChildProcess,
    exited: Promise<void>,
  ) {
    this.path = path;
    this.farPath = ends[1];
    this.#socat = socat;
    this.#exited = exited;
    // Before it has its name: a gateway that has it open for itself alone would keep us out.
    this.#held = openSync(ends[0], O_RDWR | O_NOCTTY | O_NONBLOCK);
    const temporary = `${path}.${socat.pid ?? 0}.new`;
    symlinkSync(ends[0], temporary);
    renameSync(temporary, path);
  }

  /** @throws GatewayError `optional-missing` where socat is not installed; Error in its words where it fails. */
  static async plug(folder: string, name: string): Promise<PtyCable> {
    makeFolders(resolve(folder));
    // A group of its own: Ctrl-C is for the simulator, which waits for the last acknowledgements.
    const socat = spawn('socat', ['-d', '-d', '-b65536', 'pty,raw,echo=0', 'pty,raw,echo=0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    const exited = new Promise<void>((resolve) => {
      socat.once('error', () => resolve());
      socat.once('exit', () => resolve());
    });
    const ends = await endsOf(socat);
    try {
      return new PtyCable(join(folder, portName(name)), ends, socat, exited);
    } catch (error) {
      socat.kill('SIGKILL');
      throw error;
    }
  }

  /** The device is gone, at once; its path too. */
  async unplug(): Promise<void> {
    if (this.#isUnplugged) return await this.#exited;
    this.#isUnplugged = true;
    rmSync(this.path, { force: true });
    this.#socat.kill('SIGKILL');
    await this.#exited;
    closeSync(this.#held);
  }
}

/** Fit for a file: what a path may not hold, or a shell would take amiss, becomes `-`. */
export function portName(device: string): string {
  const name = device.replace(/[^\w.-]/g, '-');
  return name.startsWith('.') ? `-${name}` : name;
}

/** The paths of both ends, which socat tells on its standard error. */
function endsOf(socat: ChildProcess): Promise<readonly [string, string]> {
  return new Promise((resolve, reject) => {
    let words = '';
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socat.kill('SIGKILL');
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error(`socat made no cable: ${words}`)), PLUG_MS);
    socat.once('error', (error) => fail(isMissing(error) ? missing() : error));
    socat.once('exit', () => fail(new Error(`socat ended: ${words.trim()}`)));
    socat.stderr?.on('data', (chunk: Buffer) => {
      words = (words + chunk.toString()).slice(-MAX_WORDS);
      if (!words.includes('starting data transfer loop')) return;
      const [near, far] = [...words.matchAll(/PTY is (\S+)/g)].map(([, path = '']) => path);
      if (near === undefined || far === undefined) return;
      clearTimeout(timer);
      resolve([near, far]);
    });
  });
}

function isMissing(error: Error): boolean {
  return 'code' in error && error.code === 'ENOENT';
}

function missing(): GatewayError {
  return new GatewayError(
    'optional-missing',
    'socat is not installed; simulated serial cables are made with it (Debian: apt-get install socat)',
  );
}
