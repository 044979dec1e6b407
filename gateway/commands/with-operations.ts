import { existsSync } from 'node:fs';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { callControl } from '../control/call.ts';
import { createDispatch } from '../control/dispatch.ts';
import { openDoor } from '../control/door.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import type { Operations } from '../operations-contract.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { offlineOperations } from './offline-operations.ts';
import { createRemoteOperations } from './remote-operations.ts';

/**
 * Gives the action what it can ask: of the gateway that runs on the data folder, or, where none does, of the store in
 * it, which nobody else can open meanwhile.
 * @throws GatewayError `not-found` where neither is there.
 */
export async function withOperations(
  config: GatewayConfig,
  io: CommandIo,
  parts: CommandParts,
  action: (operations: Operations) => Promise<void>,
): Promise<void> {
  if (await isRunning(config.dataDir)) await action(createRemoteOperations(config.dataDir));
  else await withStore(config, io, parts, action);
}

/** Somebody answers for this data folder. */
export async function isRunning(dataDir: string): Promise<boolean> {
  try {
    await callControl(dataDir, 'hello');
    return true;
  } catch (error) {
    if (isGatewayError(error, 'not-running')) return false;
    throw error;
  }
}

async function withStore(
  config: GatewayConfig,
  io: CommandIo,
  parts: CommandParts,
  action: (operations: Operations) => Promise<void>,
): Promise<void> {
  const nothing = new GatewayError(
    'not-found',
    `there is no store in ${config.dataDir} yet, and no gateway runs on it`,
  );
  if (!existsSync(config.dataDir)) throw nothing;
  const door = await openDoor(config.dataDir, { pid: io.pid, onFailure: () => undefined });
  try {
    const store = await parts.openStore(config);
    if (store === null) throw nothing;
    try {
      const operations = offlineOperations(config, io, parts, store);
      // Another command that comes meanwhile is answered as a gateway would.
      door.serve(createDispatch(operations));
      await action(operations);
    } finally {
      await store.close();
    }
  } finally {
    await door.close();
  }
}
