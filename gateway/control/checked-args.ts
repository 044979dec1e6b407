import { REJECTION_CODES, type RejectionCode } from '../contracts.ts';
import { GatewayError } from '../errors.ts';
import type { RejectedQuery, RejectedSelection, RejectionPageRequest } from '../rejected-contract.ts';

/** What came through the socket: anything. */
export type Args = Readonly<Record<string, unknown>>;

const TEXTS = ['device', 'client', 'topic', 'schema', 'sink', 'since', 'until'] as const;
const STATES = ['open', 'resolved', 'all'] as const;

/** @throws GatewayError `usage`. */
export function textOf(args: Args, key: string): string {
  const value = args[key];
  if (typeof value !== 'string') throw new GatewayError('usage', `${key} must be a text`);
  return value;
}

/** A text, or null. @throws GatewayError `usage`. */
export function textOrNull(args: Args, key: string): string | null {
  return args[key] === null || args[key] === undefined ? null : textOf(args, key);
}

/** @throws GatewayError `usage`. */
export function flagOf(args: Args, key: string): boolean {
  const value = args[key] ?? false;
  if (typeof value !== 'boolean') throw new GatewayError('usage', `${key} must be true or false`);
  return value;
}

/** @throws GatewayError `usage`. */
export function limitOf(args: Args): number {
  const { limit } = args;
  if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < 1)
    throw new GatewayError('usage', 'limit must be a positive integer');
  return limit;
}

/** @throws GatewayError `usage`. */
export function queryOf(args: Args): RejectedQuery {
  const { code, state, limit } = args;
  if (code !== undefined && !isOneOf(REJECTION_CODES, code))
    throw new GatewayError('usage', `code must be one of ${REJECTION_CODES.join(', ')}`);
  if (state !== undefined && !isOneOf(STATES, state))
    throw new GatewayError('usage', `state must be one of ${STATES.join(', ')}`);
  const texts: Partial<Record<(typeof TEXTS)[number], string>> = {};
  for (const key of TEXTS) if (args[key] !== undefined) texts[key] = textOf(args, key);
  return {
    ...texts,
    ...(code === undefined ? {} : { code: code satisfies RejectionCode }),
    ...(state === undefined ? {} : { state }),
    ...(limit === undefined ? {} : { limit: limitOf(args) }),
  };
}

/** @throws GatewayError `usage`. */
export function pageRequestOf(args: Args): RejectionPageRequest {
  return {
    selection: selectionOf(recordOf(args, 'selection')),
    after: textOrNull(args, 'after'),
    limit: limitOf(args),
  };
}

/** What another broker would say of a message. @throws GatewayError `usage`. */
export function relayOf(args: Args): {
  contentType: string | null;
  userProperties: readonly (readonly [name: string, value: string])[];
} {
  const { userProperties } = args;
  if (!Array.isArray(userProperties) || !userProperties.every(isPairOfTexts))
    throw new GatewayError('usage', 'userProperties must be a list of pairs of texts');
  return { contentType: textOrNull(args, 'contentType'), userProperties };
}

function isPairOfTexts(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === 'string');
}

/** @throws GatewayError `usage`. */
export function recordOf(args: Args, key: string): Args {
  const value = args[key];
  if (!isRecord(value)) throw new GatewayError('usage', `${key} must be an object`);
  return value;
}

function selectionOf(args: Args): RejectedSelection {
  const { ids, filter } = args;
  if (ids !== undefined && !isTexts(ids)) throw new GatewayError('usage', 'ids must be a list of texts');
  return {
    ...(ids === undefined ? {} : { ids }),
    ...(filter === undefined ? {} : { filter: queryOf(recordOf(args, 'filter')) }),
    ...(args.all === undefined ? {} : { all: flagOf(args, 'all') }),
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isRecord(value: unknown): value is Args {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOneOf<T extends string>(words: readonly T[], value: unknown): value is T {
  return words.some((word) => word === value);
}
