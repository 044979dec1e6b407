/** What a command sees of the world; `main.ts` makes it from the process, tests make it from nothing. */
export interface CommandIo {
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly version: string;
  readonly nodeVersion: string;
  /** Standard output is a terminal. */
  readonly isTerminal: boolean;
  /**
   * Aborts when the program is told to stop; its reason is the signal's name. Until it is asked for, a signal ends the
   * program at once. To be asked for once.
   */
  stopSignal(): AbortSignal;
  /** Standard output. Never throws, also when nobody reads any more. */
  write(text: string): void;
  /** Standard error. */
  writeError(text: string): void;
  /** Standard input to its end; null where it is a terminal. @throws GatewayError `usage` beyond `maxBytes`. */
  readInput(maxBytes: number): Promise<Buffer | null>;
}
