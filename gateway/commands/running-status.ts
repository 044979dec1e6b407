import { isGatewayError } from '../errors.ts';
import type { GatewayStatus } from '../operations-contract.ts';
import { createRemoteOperations } from './remote-operations.ts';
import { isRunning } from './with-operations.ts';

/** Of the gateway that runs on this data folder; null where none does, or where this user cannot tell. */
export async function runningStatus(dataDir: string): Promise<GatewayStatus | null> {
  try {
    return (await isRunning(dataDir)) ? await createRemoteOperations(dataDir).status() : null;
  } catch (error) {
    if (isGatewayError(error)) return null;
    throw error;
  }
}
