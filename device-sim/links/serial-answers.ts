/** An answer of the gateway to a frame (docs/serial.md, "Acknowledgements"). */
export interface SerialAnswer {
  /** `seq` of the reading, or `#` and the number of the frame. */
  readonly n: string;
  /** Null: ACK. */
  readonly code: string | null;
}

/** Not taken: it is to be sent again later. Every other code says that it is on disk, as rejected. */
const NOT_TAKEN = new Set(['store-full', 'store-unavailable', 'stopping', 'internal']);
const MAX_LINE = 256;

export function isNotTaken({ code }: SerialAnswer): boolean {
  return code !== null && NOT_TAKEN.has(code);
}

/** Cuts what the gateway writes into answers; what is none is left out. */
export class AnswerLines {
  #rest = '';

  push(chunk: Buffer): SerialAnswer[] {
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    return lines.flatMap((line) => {
      const match = /^(?:ACK (#?-?\d+)|NAK (#?-?\d+) ([a-z-]+))\r?$/.exec(line);
      if (match === null) return [];
      const [, acknowledged, rejected, code] = match;
      return [{ n: acknowledged ?? rejected ?? '', code: code ?? null }];
    });
  }

  reset(): void {
    this.#rest = '';
  }
}

/** What the gateway calls a line in its answer: the integer property `seq`; null: it counts it. */
export function seqIn(payload: Buffer): string | null {
  if (payload[0] !== 0x7b) return null;
  try {
    const reading: unknown = JSON.parse(payload.toString('utf8'));
    if (typeof reading !== 'object' || reading === null || !('seq' in reading)) return null;
    return Number.isSafeInteger(reading.seq) ? String(reading.seq) : null;
  } catch {
    return null;
  }
}
