import { pino } from 'pino';
import { PinoPretty } from 'pino-pretty';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'auto' | 'json' | 'pretty';
  /** Decides what `auto` means. */
  readonly isTerminal: boolean;
}

/** Where log lines go, already in their final form. */
export interface LogDestination {
  write(text: string): void;
}

/** What waits for a slow reader of the log; beyond it lines are lost, and the gateway goes on. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * A destination that never holds the event loop: a reader of the log that stalls costs lines, not readings. One that
 * goes away (`| head`) is forgotten without a word. `flush` writes what waits; call it before the process ends.
 */
export function createLogDestination(descriptor: number): LogDestination & { flush(): void } {
  const destination = pino.destination({ fd: descriptor, sync: false, maxLength: MAX_WAITING_BYTES });
  let usable = true;
  destination.on('error', () => {
    usable = false;
  });
  return {
    write(text) {
      if (usable) destination.write(text);
    },
    flush() {
      try {
        if (usable) destination.flushSync();
      } catch {
        // Its reader has gone; there is nobody to tell.
      }
    },
  };
}

/** Pretty on a terminal, else JSON, one object a line. Everything in this process: no worker that could be lost with it. */
export function createLogger(options: LogOptions, destination: LogDestination): pino.Logger {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && options.isTerminal);
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(settings, pretty ? prettyStream(options.isTerminal, destination) : destination);
}

function prettyStream(colorize: boolean, destination: LogDestination): LogDestination {
  const format = PinoPretty.prettyFactory({
    colorize,
    translateTime: 'SYS:HH:MM:ss',
    // The message says it all; the fields are for machines.
    hideObject: true,
  });
  return { write: (line) => destination.write(format(line)) };
}
