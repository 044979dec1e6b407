import { messageOf } from '../../errors.ts';

/** What a sender is answered: the packet's first byte above, its packet id below. 0: nothing (QoS 0). */
export type Answer = number;

export const PUBACK = 0x40;
export const PUBREC = 0x50;
export const PUBCOMP = 0x70;

export function answer(kind: typeof PUBACK | typeof PUBREC | typeof PUBCOMP, packetId: number): Answer {
  return (kind << 16) | packetId;
}

/** Who waits for the answer. */
export interface Sender {
  /** The commit is on disk. Called in the order of arrival; true the first time since `flush`. */
  settle(answer: Answer): boolean;
  /** Sends what was settled and goes on reading. */
  flush(): void;
  /** It was not committed: `answer` must never be sent, nor anything after it. */
  refuse(reason: string, answer: Answer): void;
}

/** Stands where nobody waits: there is only something to be done after the commit. */
export const NOBODY: Sender = {
  settle: () => false,
  flush: () => undefined,
  refuse: () => undefined,
};

interface Held<After> {
  readonly committed: Promise<void>;
  state: 'waiting' | 'committed' | 'failed';
  reason: string;
  readonly senders: Sender[];
  readonly answers: Answer[];
  readonly afters: (After | null)[];
  bytes: number;
}

/**
 * Holds answers until their commit, and lets them go in the order of arrival. One `then` per commit group; per message
 * only three array slots.
 */
export class Acknowledgements<After> {
  readonly #after: (after: After) => void;
  readonly #failed: (where: string, error: unknown) => void;
  readonly #queue: Held<After>[] = [];
  #last: Held<After> | null = null;
  #uncommittedBytes = 0;
  #releasing: boolean = false;
  readonly #idle: (() => void)[] = [];

  /**
   * `after` is called for what a message leaves to be done once it is on disk, `failed` for what must never happen.
   * Neither stops the others.
   */
  constructor(after: (after: After) => void, failed: (where: string, error: unknown) => void) {
    this.#after = after;
    this.#failed = failed;
  }

  /** Of everything taken whose commit has not come yet. */
  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }

  hold(committed: Promise<void>, sender: Sender, answer: Answer, after: After | null, bytes: number): void {
    const held = this.#of(committed);
    held.senders.push(sender);
    held.answers.push(answer);
    held.afters.push(after);
    held.bytes += bytes;
    this.#uncommittedBytes += bytes;
  }

  /** Counts what nobody waits for. */
  note(committed: Promise<void>, bytes: number): void {
    this.#of(committed).bytes += bytes;
    this.#uncommittedBytes += bytes;
  }

  /** Resolves when nothing is held. */
  idle(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }

  #of(committed: Promise<void>): Held<After> {
    const last = this.#last;
    if (last !== null && last.committed === committed) return last;
    const held: Held<After> = {
      committed,
      state: 'waiting',
      reason: '',
      senders: [],
      answers: [],
      afters: [],
      bytes: 0,
    };
    this.#last = held;
    this.#queue.push(held);
    committed.then(
      () => {
        held.state = 'committed';
        this.#release();
      },
      (error: unknown) => {
        held.state = 'failed';
        held.reason = messageOf(error);
        this.#release();
      },
    );
    return held;
  }

  #release(): void {
    // A sender that goes on reading may hold more, in groups that are not at the head.
    if (this.#releasing) return;
    this.#releasing = true;
    const touched: Sender[] = [];
    for (let head = this.#queue[0]; head !== undefined && head.state !== 'waiting'; head = this.#queue[0]) {
      this.#queue.shift();
      if (this.#last === head) this.#last = null;
      this.#uncommittedBytes -= head.bytes;
      if (head.state === 'committed') this.#settle(head, touched);
      else this.#refuse(head);
    }
    for (const sender of touched) {
      try {
        sender.flush();
      } catch (error) {
        this.#failed('acknowledge', error);
      }
    }
    this.#releasing = false;
    if (this.#queue.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #settle(held: Held<After>, touched: Sender[]): void {
    const { senders, answers, afters } = held;
    for (let i = 0; i < senders.length; i += 1) {
      const sender = senders[i];
      const after = afters[i];
      if (sender === undefined) continue;
      if (after !== null && after !== undefined) {
        try {
          this.#after(after);
        } catch (error) {
          this.#failed('forward', error);
        }
      }
      if (sender.settle(answers[i] ?? 0)) touched.push(sender);
    }
  }

  #refuse(held: Held<After>): void {
    held.senders.forEach((sender, i) => {
      try {
        sender.refuse(held.reason, held.answers[i] ?? 0);
      } catch (error) {
        this.#failed('refuse', error);
      }
    });
  }
}

/** The packets for these answers, in their order (MQTT 3.1.1, 3.4, 3.5, 3.7: all have the same shape). */
export function encodeAnswers(answers: readonly Answer[]): Buffer {
  const packets = Buffer.allocUnsafe(answers.length * 4);
  let at = 0;
  for (const reply of answers) {
    packets[at] = reply >> 16;
    packets[at + 1] = 2;
    packets[at + 2] = (reply >> 8) & 0xff;
    packets[at + 3] = reply & 0xff;
    at += 4;
  }
  return packets;
}
