import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { troubleOf } from './link-trouble.ts';
import type { Wire, WireHandler, WireTarget } from './wire.ts';
import { hostOf, secureContextOf, serverNameOf } from './wire-tls.ts';

/** TCP, or TLS over it. @throws Error where the CA cannot be read. */
export function openSocketWire({ url, tls }: WireTarget, port: number, handler: WireHandler): Wire {
  const secure = url.protocol === 'mqtts:';
  const host = hostOf(url);
  const socket = secure
    ? connectTls({
        host,
        port,
        servername: serverNameOf(url),
        secureContext: secureContextOf(tls),
        rejectUnauthorized: !tls.insecure,
      })
    : connectTcp({ host, port, noDelay: true });
  if (secure) socket.setNoDelay(true);
  return new SocketWire(socket, secure ? 'secureConnect' : 'connect', handler);
}

class SocketWire implements Wire {
  readonly #socket: Socket;
  /** Null: nothing is to be heard of it any more. */
  #handler: WireHandler | null;

  constructor(socket: Socket, opened: 'connect' | 'secureConnect', handler: WireHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.once(opened, () => this.#handler?.opened());
    socket.on('data', (chunk: Buffer) => this.#handler?.bytes(chunk));
    socket.on('drain', () => this.#handler?.drained());
    socket.on('error', (error) => this.#gone(troubleOf(error)));
    socket.on('close', () => this.#gone('the other side closed the connection'));
  }

  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer, left: ((hasLeft: boolean) => void) | null): void {
    if (left === null) this.#socket.write(bytes);
    else this.#socket.write(bytes, (error) => left(error === null || error === undefined));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  abandon(): void {
    this.#handler = null;
    this.#socket.pause();
  }

  end(): void {
    this.#socket.end();
    // What still comes is not waited for.
    this.#socket.resume();
  }

  cutAfter(bytes: Buffer): void {
    this.#handler = null;
    this.#socket.write(bytes, () => this.#socket.destroy());
  }

  destroy(): void {
    this.#handler = null;
    this.#socket.destroy();
  }

  #gone(words: string): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#socket.destroy();
    handler?.gone(words);
  }
}
