import { REJECTION_CODES, type RejectionCode } from '../contracts.ts';
import { GatewayError } from '../errors.ts';
import type { Operations } from '../operations-contract.ts';
import type { RejectionFilter } from '../store-contract.ts';
import type { ControlHandler } from './door.ts';

type Args = Readonly<Record<string, unknown>>;

/** The operations by name, their arguments checked: the socket is ours, what comes through it need not be. */
export function createDispatch(operations: Operations): ControlHandler {
  const table: Readonly<Record<string, (args: Args) => Promise<unknown>>> = {
    status: () => operations.status(),
    health: () => operations.health(),
    account: () => operations.account(),
    deviceAccount: (args) => operations.deviceAccount(text(args, 'device')),
    topics: () => operations.topics(),
    sinks: () => operations.sinks(),
    forgetSink: (args) => operations.forgetSink(text(args, 'name')),
    rejected: (args) => operations.rejected(filterOf(args)),
    rejection: (args) => operations.rejection(text(args, 'id')),
    explain: (args) =>
      operations.explain({
        topic: text(args, 'topic'),
        payloadBase64: args.payloadBase64 === null ? null : text(args, 'payloadBase64'),
        client: text(args, 'client'),
      }),
  };
  return async (op, args) => {
    const operation = Object.hasOwn(table, op) ? table[op] : undefined;
    if (operation === undefined)
      throw new GatewayError('usage', `the gateway knows no operation ${op.slice(0, 64)}`);
    return await operation(args);
  };
}

function filterOf(args: Args): RejectionFilter {
  const { code, limit } = args;
  if (code !== undefined && !isRejectionCode(code))
    throw new GatewayError('usage', `code must be one of ${REJECTION_CODES.join(', ')}`);
  if (limit !== undefined && !isLimit(limit))
    throw new GatewayError('usage', 'limit must be a positive integer');
  return {
    ...(code === undefined ? {} : { code }),
    ...(args.device === undefined ? {} : { device: text(args, 'device') }),
    ...(args.client === undefined ? {} : { client: text(args, 'client') }),
    ...(limit === undefined ? {} : { limit }),
  };
}

function text(args: Args, key: string): string {
  const value = args[key];
  if (typeof value !== 'string') throw new GatewayError('usage', `${key} must be a text`);
  return value;
}

function isRejectionCode(value: unknown): value is RejectionCode {
  return REJECTION_CODES.some((code) => code === value);
}

function isLimit(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
