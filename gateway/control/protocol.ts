/**
 * The control socket's protocol: one JSON line asks, one JSON line answers, then the connection ends.
 *
 *   {"op":"account","args":{}}                       →  {"ok":true,"result":{…}}
 *                                                    →  {"ok":false,"code":"not-found","message":"…"}
 *
 * `hello` is answered by the door itself, also while the gateway starts: {"pid":4711}. The other operations are those
 * of `Operations`.
 */
import { ERROR_CODES, type ErrorCode, GatewayError } from '../errors.ts';

export const SOCKET_NAME = 'control.sock';

/** An `explain` may carry a payload; nothing else comes near this. */
export const MAX_REQUEST_BYTES = 2 * 1024 * 1024;
/** A thousand rejections with long violations; bounded so that a wrong server cannot fill a command's memory. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface ControlRequest {
  readonly op: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export type ControlAnswer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** @throws GatewayError `usage` where the line is no request. */
export function parseRequest(line: string): ControlRequest {
  const value = parseObject(line);
  const { op, args = {} } = value ?? {};
  if (typeof op !== 'string' || !isRecord(args))
    throw new GatewayError('usage', 'a request is one line of JSON: {"op": "…", "args": {…}}');
  return { op, args };
}

/** Null where the line is no answer. */
export function parseAnswer(line: string): ControlAnswer | null {
  const value = parseObject(line);
  if (value === null) return null;
  if (value.ok === true) return { ok: true, result: value.result ?? null };
  const { code, message } = value;
  if (value.ok !== false || typeof message !== 'string') return null;
  return { ok: false, code: isErrorCode(code) ? code : 'internal', message };
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
