import type { Clock } from '../contracts.ts';
import type { OpenPort, OpenPortFunction } from '../sources/serial/open-port.ts';
import type { Guess } from './guess-parts.ts';
import { guessStream } from './guess-stream.ts';

/** The usual ones, the likeliest first. */
export const USUAL_BAUD_RATES: readonly number[] = [
  115_200, 9600, 57_600, 38_400, 19_200, 4800, 230_400, 2400,
];
/** More of a sample tells nothing more. */
export const MAX_SAMPLE_BYTES = 256 * 1024;

export interface SniffDeps {
  readonly openPort: OpenPortFunction;
  readonly clock: Clock;
  /** Ends it early, with what has come by then. */
  readonly signal: AbortSignal;
}

export interface Sniffed {
  readonly guess: Guess;
  /** The first bytes that came. */
  readonly beginning: Buffer;
  readonly baudRate: number;
  /** Those that were listened at, in this order. */
  readonly tried: readonly number[];
}

const BEGINNING_BYTES = 64;
const LOOK_EVERY_MS = 250;
/** So many bytes that make no sense are enough. */
const GARBAGE_BYTES = 512;
/** So many frames that do are enough, where the rate was a guess. */
const ENOUGH_FRAMES = 10;

/**
 * Listens at a port, at each of the rates until one makes sense, for at most `listenMs` each. A port that is silent at the
 * first is silent. @throws what `openPort` throws.
 */
export async function sniffPort(
  path: string,
  { listenMs, baudRates }: { readonly listenMs: number; readonly baudRates: readonly number[] },
  deps: SniffDeps,
): Promise<Sniffed> {
  const tried: number[] = [];
  let best: Sniffed | null = null;
  for (const baudRate of baudRates) {
    if (deps.signal.aborted && best !== null) break;
    const port = await deps.openPort(path, {
      baudRate,
      dataBits: 8,
      parity: 'none',
      stopBits: 1,
      rtscts: false,
    });
    tried.push(baudRate);
    const { guess, beginning } = await listen(port, listenMs, tried.length > 1, deps);
    const sniffed = { guess, beginning, baudRate, tried };
    if (best === null || certainty(guess) > certainty(best.guess)) best = sniffed;
    if (guess.kind === 'nothing' ? tried.length === 1 : certainty(guess) === CERTAIN) break;
  }
  if (best === null) throw new Error('no rate to listen at');
  return best;
}

const CERTAIN = 3;

/** Packets whose contents cannot be read, and text that is in no format, may be what a wrong rate makes of something else. */
function certainty({ kind, explainedBytes, format }: Guess): number {
  if (explainedBytes > 0) return format === null ? CERTAIN - 1 : CERTAIN;
  return kind === 'text' ? 1 : 0;
}

/** Closes the port. */
async function listen(
  port: OpenPort,
  listenMs: number,
  isRetry: boolean,
  { clock, signal }: SniffDeps,
): Promise<Pick<Sniffed, 'guess' | 'beginning'>> {
  const sample = new Sample();
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  port.listen({
    data: (chunk) => {
      sample.add(chunk);
      if (sample.isFull) over.abort();
    },
    lost: () => over.abort(),
  });
  const endMs = clock.monotonicMs() + listenMs;
  let lookedAtBytes = 0;
  while (!until.aborted && clock.monotonicMs() < endMs) {
    await clock.sleep(Math.min(LOOK_EVERY_MS, Math.max(1, endMs - clock.monotonicMs())), until);
    // Each look costs as much as it has bytes to look at.
    if (sample.length < lookedAtBytes * 2 || sample.length === 0) continue;
    lookedAtBytes = sample.length;
    const guess = guessStream(sample.bytes());
    if (guess.kind === 'binary' && sample.length >= GARBAGE_BYTES) break;
    if (isRetry && guess.explainedBytes > 0 && guess.frames >= ENOUGH_FRAMES) break;
  }
  await port.close(true);
  const bytes = sample.bytes();
  return { guess: guessStream(bytes), beginning: bytes.subarray(0, BEGINNING_BYTES) };
}

/** The first bytes that came: a header comes once. */
class Sample {
  readonly #chunks: Buffer[] = [];
  length = 0;

  get isFull(): boolean {
    return this.length >= MAX_SAMPLE_BYTES;
  }

  add(chunk: Buffer): void {
    if (this.isFull) return;
    const part = Buffer.from(chunk.subarray(0, MAX_SAMPLE_BYTES - this.length));
    this.#chunks.push(part);
    this.length += part.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
