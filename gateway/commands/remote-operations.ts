import { callControl } from '../control/call.ts';
import type { Operations } from '../operations-contract.ts';

const REPLAY_TIMEOUT_MS = 180_000;

/** The operations of the gateway that runs on this data folder, through its control socket. */
export function createRemoteOperations(dataDir: string): Operations {
  // The other side is this same program: its dispatch answers each operation with what `Operations` says.
  const call = async <T>(op: string, args: object = {}, timeoutMs?: number): Promise<T> =>
    (await callControl(dataDir, op, { ...args }, timeoutMs)) as T;
  return {
    status: async () => await call('status'),
    health: async () => await call('health'),
    account: async () => await call('account'),
    deviceAccount: async (device) => await call('deviceAccount', { device }),
    topics: async () => await call('topics'),
    sinks: async () => await call('sinks'),
    forwards: async () => await call('forwards'),
    forgetSink: async (name) => await call('forgetSink', { name }),
    rejected: async (filter) => await call('rejected', filter),
    rejectedCauses: async (query, after) => await call('rejectedCauses', { query, after }),
    rejectedRecords: async (query, after, limit) => await call('rejectedRecords', { query, after, limit }),
    // A sink takes its time: a slice that is under way is written first.
    replay: async (request) => await call('replay', request, REPLAY_TIMEOUT_MS),
    discardRejected: async (request) => await call('discardRejected', request),
    devices: async (filter) => await call('devices', filter),
    device: async (device) => await call('device', { device }),
    series: async () => await call('series'),
    fields: async () => await call('fields'),
    forgetField: async (measurement, field) => {
      await call('forgetField', { measurement, field });
    },
    rejection: async (id) => await call('rejection', { id }),
    explain: async (request) => await call('explain', request),
  };
}
