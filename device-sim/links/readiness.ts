import type { LinkListener } from '../contracts.ts';

/** Tells a listener that a link may send: once, and again when it could not in between. */
export class Readiness {
  readonly #listener: LinkListener;
  #wasTold: boolean = false;

  constructor(listener: LinkListener) {
    this.#listener = listener;
  }

  /** What may have changed has changed. */
  look(canSend: boolean): void {
    const wasTold = this.#wasTold;
    this.#wasTold = canSend;
    if (canSend && !wasTold) this.#listener.onReady();
  }

  /** Tells nothing: for where the listener itself is at work. */
  note(canSend: boolean): void {
    if (!canSend) this.#wasTold = false;
  }
}
