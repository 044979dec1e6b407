/**
 * What an answer to a write means: the one place where that is decided. Pure.
 *
 * | answer                                             | decision                                          |
 * | -------------------------------------------------- | ------------------------------------------------- |
 * | 204; 201 of a verified InfluxDB 3 without errors   | written                                           |
 * | any other 2xx (a proxy's page)                     | pause                                             |
 * | 400, 422 in InfluxDB's own words about lines       | isolate                                           |
 * | 400, 422 with any other body                       | pause                                             |
 * | 413                                                | halve                                             |
 * | 408, 425, 429, 5xx, no answer                      | retry, when `Retry-After` says so, else by back-off |
 * | 401, 403, 404, TLS trouble, everything else        | pause                                             |
 *
 * No status ever drops a point. `dropped=N` in InfluxDB's words is not believed: 1.6.7 says 0 where it wrote the rest.
 */

import { printable } from '../printable.ts';
import type { Decision, FieldConflict } from '../sink-contract.ts';

/** What came back from a write. */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** Names in lower case. */
      readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
      /** Without secrets. */
      readonly body: string;
      /** The server has said in its own headers that it is InfluxDB 3. */
      readonly verifiedV3: boolean;
      /** When it came, ms since the epoch: a `Retry-After` date counts from here. */
      readonly receivedMs: number;
      /** A line of what was sent, by its place from 0, without its line break; null beyond the end. */
      readonly lineAt: (index: number) => string | null;
    }
  | {
      /** No answer came: the connection failed, ended or took too long. */
      readonly kind: 'failed';
      /** Node's code: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, … */
      readonly code: string | null;
      readonly message: string;
    };

const MAX_WORDS = 500;

export function classify(answer: Answer): Decision {
  if (answer.kind === 'failed') return classifyFailure(answer.code, answer.message);
  const { status } = answer;
  if (status === 204) return { kind: 'written' };
  if (status >= 200 && status <= 299) return classifySuccess(answer);
  if (status === 400 || status === 422) return classifyBadRequest(answer);
  const said = `${status}${saidBy(answer.body)}`;
  if (status === 413) return { kind: 'halve', reason: `what was sent is too large for the server (${said})` };
  if (status === 408 || status === 425 || status === 429 || (status >= 500 && status <= 599)) {
    const reason =
      status === 429
        ? `the server asks for fewer writes (${said})`
        : `the server cannot take it now (${said})`;
    return { kind: 'retry', afterMs: retryAfterMs(answer), reason };
  }
  return { kind: 'pause', reason: pauseReason(status, said, answer.headers.location) };
}

type Answered = Extract<Answer, { kind: 'answered' }>;

function classifySuccess(answer: Answered): Decision {
  if (answer.status === 201 && answer.verifiedV3) {
    const errors = influxErrors(answer.body);
    if (errors !== null) return isolate(answer, errors);
    if (listsNothing(answer.body)) return { kind: 'written' };
  }
  return {
    kind: 'pause',
    reason: `${answer.status} where InfluxDB answers 204${saidBy(answer.body)}; something else answers at this address (a proxy's page?): check the url`,
  };
}

function classifyBadRequest(answer: Answered): Decision {
  const errors = influxErrors(answer.body);
  if (errors === null) {
    return {
      kind: 'pause',
      reason: `${answer.status}, and not in InfluxDB's words${saidBy(answer.body)}; check the url, and any proxy before it`,
    };
  }
  if (NOT_ABOUT_LINES.test(errors.words)) {
    return {
      kind: 'pause',
      reason: `InfluxDB does not take the request (${answer.status}: ${printable(errors.words, MAX_WORDS)}); check the sink's settings`,
    };
  }
  return isolate(answer, errors);
}

/** Refusals that no line has caused: looking for a bad line would only reject good ones. */
const NOT_ABOUT_LINES =
  /^(?:database is required|retention policy not found|invalid precision|precision|bucket\b|org\b|orgID|organization\b|authorization|gzip\b|invalid gzip|unsupported|missing)/i;

interface InfluxErrors {
  readonly words: string;
  /** What the server lists line by line (InfluxDB 3); null where it does not. */
  readonly list: readonly unknown[] | null;
}

/** `{"error"}` of InfluxDB 1, `{"code","message"}` of 2, `{"error","data"}` of 3; null for anything else. */
function influxErrors(body: string): InfluxErrors | null {
  const value = parsed(body);
  if (!isObject(value)) return null;
  if (typeof value.error === 'string' && value.error !== '') {
    const data = isObject(value.data) ? [value.data] : value.data;
    return { words: value.error, list: Array.isArray(data) && data.length > 0 ? data : null };
  }
  if (typeof value.code === 'string' && typeof value.message === 'string' && value.message !== '') {
    return { words: value.message, list: null };
  }
  return null;
}

function isolate(answer: Answered, { words, list }: InfluxErrors): Decision {
  return {
    kind: 'isolate',
    reason: printable(words, MAX_WORDS),
    badLines: list === null ? null : badLines(list, answer.lineAt),
    conflict: list === null ? fieldConflict(words) : null,
  };
}

/**
 * The lines that InfluxDB 3 lists, from 0. Each must show the text that was sent at its place, so that a server that
 * counts differently never condemns a neighbour; null where one does not.
 */
function badLines(
  list: readonly unknown[],
  lineAt: (index: number) => string | null,
): readonly { readonly line: number; readonly words: string }[] | null {
  const found = new Map<number, string>();
  for (const entry of list) {
    if (!isObject(entry)) return null;
    const { line_number: number, original_line: text, error_message: words } = entry;
    if (typeof number !== 'number' || !Number.isInteger(number) || number < 1) return null;
    if (typeof text !== 'string' || text === '' || typeof words !== 'string') return null;
    const sent = lineAt(number - 1);
    if (sent === null || !sent.startsWith(text.replace(/(?:…|\.\.\.)?\n?$/, ''))) return null;
    found.set(number - 1, printable(words, MAX_WORDS));
  }
  return [...found].map(([line, words]) => ({ line, words }));
}

const CONFLICT =
  /input field "(.+)" on measurement "(.+)" is type (float|integer|string|boolean), already exists as type /s;

/** InfluxDB 1 and 2 name one conflict a request, however many there are. Names stand there unescaped. */
function fieldConflict(words: string): FieldConflict | null {
  const [, field, measurement, type] = CONFLICT.exec(words) ?? [];
  if (field === undefined || measurement === undefined) return null;
  if (type !== 'float' && type !== 'integer' && type !== 'string' && type !== 'boolean') return null;
  return { measurement, field, type };
}

/** RFC 9110, 10.2.3: seconds, or a date. Null where there is none that can be read. */
function retryAfterMs({ headers, receivedMs }: Answered): number | null {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return null;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const atMs = /[A-Za-z]{3}/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - receivedMs);
}

function pauseReason(status: number, said: string, location: string | readonly string[] | undefined): string {
  if (status >= 300 && status <= 399) {
    const target = typeof location === 'string' ? ` to ${printable(withoutQuery(location), 200)}` : '';
    return `the server redirects${target} (${said}), which is not followed; configure the final url`;
  }
  switch (status) {
    case 401:
      return `the server does not accept the credentials (${said}); check the token, or the user and password`;
    case 403:
      return `the credentials may not write there (${said}); give them the right to write`;
    case 404:
      return `what to write to was not found (${said}); create the database or bucket, or correct its name, the url or the version`;
    case 407:
      return `a proxy asks for credentials (${said}); check the way to the server`;
    default:
      return `the server answers ${said}, which no InfluxDB should; check the url, and any proxy before it`;
  }
}

/** Trouble that does not pass by itself. TLS codes of Node begin like this; `HPE_`: what answers speaks no HTTP. */
const NEEDS_SOMEBODY =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|ERR_SSL_|EPROTO|HPE_|ERR_INVALID_|HOSTNAME_MISMATCH|INVALID_CA)/;

const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at this address (connection refused)',
  ECONNRESET: 'the server closed the connection',
  EPIPE: 'the server closed the connection',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  ETIMEDOUT: 'no answer in time',
  CERT_HAS_EXPIRED: "the server's certificate has expired: renew it",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "the server's certificate is self-signed: let NODE_EXTRA_CA_CERTS name the file of its authority",
  SELF_SIGNED_CERT_IN_CHAIN:
    "the server's certificate comes from an authority that is not known here: let NODE_EXTRA_CA_CERTS name its file",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the server's certificate cannot be verified: let it send the whole chain, or let NODE_EXTRA_CA_CERTS name its authority",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another host name: correct the url",
  EPROTO: 'no TLS is spoken at this address: should the url begin with http:// ?',
};

function classifyFailure(code: string | null, message: string): Decision {
  const known = code === null ? undefined : FAILURES[code];
  const reason = known ?? `the connection failed (${printable(code ?? message, 100)})`;
  if (code !== null && NEEDS_SOMEBODY.test(code)) {
    return { kind: 'pause', reason: known ?? `${reason}: ${printable(message, 200)}` };
  }
  return { kind: 'retry', afterMs: null, reason };
}

/** ` : its words`, harmless and short; empty where it said nothing. */
function saidBy(body: string): string {
  const words = (influxErrors(body)?.words ?? body).trim();
  return words === '' ? '' : `: ${printable(words, 200)}`;
}

/** A target's query may carry what is secret. */
function withoutQuery(location: string): string {
  return location.replace(/[?#].*$/s, '').replace(/\/\/[^/@]*@/, '//');
}

function listsNothing(body: string): boolean {
  if (body.trim() === '') return true;
  const value = parsed(body);
  return isObject(value) && !('error' in value) && !('errors' in value) && !('data' in value);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
