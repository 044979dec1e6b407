import { WebSocket } from 'ws';
import { troubleOf } from './link-trouble.ts';
import type { Wire, WireHandler, WireTarget } from './wire.ts';
import { secureContextOf, serverNameOf } from './wire-tls.ts';

/** MQTT over WebSocket (MQTT 3.1.1, 6): binary frames, subprotocol `mqtt`. @throws Error where the CA cannot be read. */
export function openWebSocketWire({ url, tls }: WireTarget, handler: WireHandler): Wire {
  const socket = new WebSocket(url, ['mqtt'], {
    perMessageDeflate: false,
    ...(url.protocol === 'wss:'
      ? {
          secureContext: secureContextOf(tls),
          rejectUnauthorized: !tls.insecure,
          servername: serverNameOf(url),
        }
      : {}),
  });
  return new WebSocketWire(socket, handler);
}

class WebSocketWire implements Wire {
  readonly #socket: WebSocket;
  /** Null: nothing is to be heard of it any more. */
  #handler: WireHandler | null;
  #wasFull: boolean = false;

  constructor(socket: WebSocket, handler: WireHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.binaryType = 'nodebuffer';
    socket.on('open', () => this.#handler?.opened());
    // With this binary type it is a Buffer; text frames are no MQTT, but bytes all the same.
    socket.on('message', (data) => {
      if (Buffer.isBuffer(data)) this.#handler?.bytes(data);
    });
    socket.on('error', (error) => this.#gone(troubleOf(error)));
    socket.on('close', () => this.#gone('the other side closed the connection'));
  }

  get backlogBytes(): number {
    return this.#socket.bufferedAmount;
  }

  write(bytes: Buffer, left: ((hasLeft: boolean) => void) | null): void {
    this.#socket.send(bytes, { binary: true }, (error) => {
      left?.(error === null || error === undefined);
      if (this.#wasFull && this.backlogBytes === 0) {
        this.#wasFull = false;
        this.#handler?.drained();
      }
    });
    if (this.backlogBytes > 0) this.#wasFull = true;
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
    this.#socket.close();
  }

  cutAfter(bytes: Buffer): void {
    this.#handler = null;
    this.#socket.send(bytes, { binary: true }, () => this.#socket.terminate());
  }

  destroy(): void {
    this.#handler = null;
    this.#socket.terminate();
  }

  #gone(words: string): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#socket.terminate();
    handler?.gone(words);
  }
}
