import type { LinkDeps } from './link-deps.ts';

/** What a wire reports to. None of them may throw. */
export interface WireHandler {
  opened(): void;
  bytes(chunk: Buffer): void;
  /** The backlog has left. */
  drained(): void;
  /** Closed by the other side, or broken. Once, and nothing comes after it. */
  gone(words: string): void;
}

/** A stream of bytes to the gateway and back: TCP, TLS or WebSocket. */
export interface Wire {
  /** Given to it and not taken by the system. */
  readonly backlogBytes: number;
  /** `left` is called when the system has the bytes, or with false when they are lost with the connection. */
  write(bytes: Buffer, left: ((hasLeft: boolean) => void) | null): void;
  /** Reads no more; the other side notices when its buffers are full. */
  pause(): void;
  resume(): void;
  /** Leaves it open, unread and unheard: what a device that lost its network leaves behind. */
  abandon(): void;
  /** Ends it in good order behind what was written; `gone` comes when the other side has closed too. */
  end(): void;
  /** Writes this, and cuts it. Nothing is heard of it any more. */
  cutAfter(bytes: Buffer): void;
  /** At once. Nothing is heard of it any more. */
  destroy(): void;
}

/** Where a wire leads. */
export interface WireTarget {
  readonly url: URL;
  readonly tls: LinkDeps['tls'];
}
