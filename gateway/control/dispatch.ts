import { GatewayError } from '../errors.ts';
import type { Operations } from '../operations-contract.ts';
import {
  type Args,
  flagOf,
  limitOf,
  pageRequestOf,
  queryOf,
  recordOf,
  relayOf,
  textOf,
  textOrNull,
} from './checked-args.ts';
import type { ControlHandler } from './door.ts';

/** The operations by name, their arguments checked: the socket is ours, what comes through it need not be. */
export function createDispatch(operations: Operations): ControlHandler {
  const table: Readonly<Record<string, (args: Args) => Promise<unknown>>> = {
    status: () => operations.status(),
    health: () => operations.health(),
    account: () => operations.account(),
    deviceAccount: (args) => operations.deviceAccount(textOf(args, 'device')),
    topics: () => operations.topics(),
    sinks: () => operations.sinks(),
    forwards: () => operations.forwards(),
    forgetSink: (args) => operations.forgetSink(textOf(args, 'name')),
    rejected: (args) => operations.rejected(queryOf(args)),
    rejectedCauses: (args) =>
      operations.rejectedCauses(queryOf(recordOf(args, 'query')), textOrNull(args, 'after')),
    rejectedRecords: (args) =>
      operations.rejectedRecords(queryOf(recordOf(args, 'query')), textOrNull(args, 'after'), limitOf(args)),
    replay: (args) =>
      operations.replay({
        ...pageRequestOf(args),
        dryRun: flagOf(args, 'dryRun'),
        run: textOrNull(args, 'run'),
      }),
    discardRejected: (args) => operations.discardRejected(pageRequestOf(args)),
    devices: (args) => operations.devices({ silent: flagOf(args, 'silent') }),
    device: (args) => operations.device(textOf(args, 'device')),
    series: () => operations.series(),
    fields: () => operations.fields(),
    forgetField: (args) => operations.forgetField(textOf(args, 'measurement'), textOf(args, 'field')),
    rejection: (args) => operations.rejection(textOf(args, 'id')),
    explain: (args) =>
      operations.explain({
        topic: textOf(args, 'topic'),
        payloadBase64: args.payloadBase64 === null ? null : textOf(args, 'payloadBase64'),
        client: textOf(args, 'client'),
        format: textOrNull(args, 'format'),
        ...(args.relay === undefined ? {} : { relay: relayOf(recordOf(args, 'relay')) }),
      }),
  };
  return async (op, args) => {
    const operation = Object.hasOwn(table, op) ? table[op] : undefined;
    if (operation === undefined)
      throw new GatewayError('usage', `the gateway knows no operation ${op.slice(0, 64)}`);
    return await operation(args);
  };
}
