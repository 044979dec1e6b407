/**
 * The one error class of the gateway, its table of codes, and guards named for the decision they serve.
 * A code is a contract with users: documented, stable, matched by tests.
 */

/** What each code means, and what to do about it. */
export const ERROR_CODES = {
  'config-invalid': 'The configuration cannot be used; each problem is listed with its place.',
  'schema-invalid': 'A reading schema cannot be used; each problem is listed with its place.',
  'address-in-use': 'Another program listens on this address; stop it, or configure another port.',
  'address-unavailable': 'This machine cannot listen on this address; check host and port.',
  'data-unwritable': 'The data folder cannot be written; check its owner and rights.',
  'data-in-use': 'Another gateway runs on this data folder; stop it, or configure another folder.',
  'store-version':
    'The store was written by a newer version; start that version, or use another data folder.',
  'store-damaged': 'The store cannot be read; keep a copy of it, then use another data folder.',
  'store-full': 'The store is at its limit; it takes readings again when the sinks have caught up.',
  'store-unavailable': 'The store cannot commit (disk full or failing); it is probed and heals by itself.',
  stopping: 'The gateway is shutting down.',
  undecodable: 'The payload is not what its format says.',
  'line-protocol': 'Not line protocol as the gateway writes it, or text that it cannot carry.',
  'too-large': 'The payload is larger than the limit.',
  'sink-unknown': 'No sink of this name is known.',
  'sink-configured': 'The sink is in use; remove it from the configuration first.',
  'sink-unavailable': 'The sink cannot be opened; it is tried again.',
  'optional-missing': 'An optional package is not installed on this platform.',
  'broker-unavailable': 'The other broker cannot be reached, or refuses; the message says why.',
  'port-unavailable': 'The serial port cannot be opened; the message says why.',
  'not-running': 'No gateway runs on this data folder.',
  starting: 'The gateway on this data folder is just starting; ask again in a moment.',
  'not-found': 'There is nothing under this name.',
  'replay-busy': 'Another replay is under way; wait until it is done.',
  internal: 'Something failed that should not; it was contained, and the log says what.',
  usage: 'The command was given something it does not understand.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Something wrong with a file, at its place. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** JSON Pointer (RFC 6901) to the value; empty for the whole. */
  readonly pointer: string;
  readonly message: string;
}

/** `gateway.yaml:12:5 /mqtt/listeners/0/port must be an integer` */
export function problemText({ file, line, column, pointer, message }: Problem): string {
  return `${file}:${line}:${column} ${pointer === '' ? '' : `${pointer} `}${message}`;
}

export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  /** Each problem with its place, where files are at fault (`config-invalid`, `schema-invalid`); else empty. */
  readonly problems: readonly Problem[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly problems?: readonly Problem[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.problems = options.problems ?? [];
  }
}

export function isGatewayError(error: unknown, code?: ErrorCode): error is GatewayError {
  return error instanceof GatewayError && (code === undefined || error.code === code);
}

/** Nothing was taken and the sender should try again: do not acknowledge. */
export function isRefusal(error: unknown): error is GatewayError {
  return (
    isGatewayError(error) &&
    (error.code === 'store-full' || error.code === 'store-unavailable' || error.code === 'stopping')
  );
}

/** What to say of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
