import { isGatewayError } from '../../errors.ts';

/** What a frame is answered once it is decided. */
interface Answer {
  readonly n: string;
  /** Null: it is taken. */
  readonly code: string | null;
}

interface Held {
  /** Null: there is nothing to wait for. */
  readonly committed: Promise<void> | null;
  /** Why nothing in it was taken; null while that is not known, or when it was committed. */
  failure: string | null;
  done: boolean;
  bytes: number;
  readonly answers: Answer[];
}

/** Refused frames whose answer waits for the commit of those before them, at most. */
const MAX_WAITING_REFUSALS = 4096;

/**
 * Follows frames to their commit. Where the port's firmware waits for answers, each frame gets one, in the order they
 * came and after its commit: `ACK n`, or `NAK n code`. One `then` for each commit group.
 */
export class FrameAnswers {
  readonly #send: ((text: string) => void) | null;
  readonly #queue: Held[] = [];
  readonly #idle: (() => void)[] = [];
  #last: Held | null = null;
  #uncommittedBytes = 0;
  #waitingRefusals = 0;

  /** `send` gets whole lines; null: nobody is answered. */
  constructor(send: ((text: string) => void) | null) {
    this.#send = send;
  }

  /** Of frames that were taken and whose commit has not come yet. */
  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }

  /** A frame was taken, or rejected with `code`: both are to be committed first. */
  hold(committed: Promise<void>, bytes: number, n: string, code: string | null): void {
    let held = this.#last;
    if (held === null || held.committed !== committed) {
      held = { committed, failure: null, done: false, bytes: 0, answers: [] };
      this.#follow(held, committed);
    }
    held.bytes += bytes;
    this.#uncommittedBytes += bytes;
    if (this.#send !== null) held.answers.push({ n, code });
  }

  /**
   * A frame was not taken. It has its turn behind those before it. False: too many wait for theirs (the disk does nothing),
   * and this one gets no answer.
   */
  refuse(n: string, code: string): boolean {
    if (this.#send === null) return true;
    if (this.#waitingRefusals === MAX_WAITING_REFUSALS) return false;
    this.#last = null;
    this.#waitingRefusals += 1;
    this.#queue.push({ committed: null, failure: null, done: true, bytes: 0, answers: [{ n, code }] });
    this.#release();
    return true;
  }

  /** Resolves when nothing is awaited. */
  idle(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }

  #follow(held: Held, committed: Promise<void>): void {
    this.#last = held;
    this.#queue.push(held);
    committed.then(
      () => {
        held.done = true;
        this.#release();
      },
      (error: unknown) => {
        held.failure = isGatewayError(error) ? error.code : 'internal';
        held.done = true;
        this.#release();
      },
    );
  }

  #release(): void {
    let text = '';
    for (let head = this.#queue[0]; head?.done === true; head = this.#queue[0]) {
      this.#queue.shift();
      if (this.#last === head) this.#last = null;
      this.#uncommittedBytes -= head.bytes;
      if (head.committed === null) this.#waitingRefusals -= 1;
      for (const { n, code } of head.answers) {
        const reason = head.failure ?? code;
        text += reason === null ? `ACK ${n}\n` : `NAK ${n} ${reason}\n`;
      }
    }
    if (text !== '') this.#send?.(text);
    if (this.#queue.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
