import { callControl } from '../control/call.ts';
import type { Operations } from '../operations-contract.ts';

/** The operations of the gateway that runs on this data folder, through its control socket. */
export function createRemoteOperations(dataDir: string): Operations {
  // The other side is this same program: its dispatch answers each operation with what `Operations` says.
  const call = async <T>(op: string, args: object = {}): Promise<T> =>
    (await callControl(dataDir, op, { ...args })) as T;
  return {
    status: async () => await call('status'),
    health: async () => await call('health'),
    account: async () => await call('account'),
    deviceAccount: async (device) => await call('deviceAccount', { device }),
    topics: async () => await call('topics'),
    sinks: async () => await call('sinks'),
    forgetSink: async (name) => {
      await call('forgetSink', { name });
    },
    rejected: async (filter) => await call('rejected', filter),
    rejection: async (id) => await call('rejection', { id }),
    explain: async (request) => await call('explain', request),
  };
}
