import type { LogReader } from '../store-contract.ts';
import { mapBytesFor, openEnvironment } from './lmdb-environment.ts';
import { LogSlices } from './log-slices.ts';

/**
 * Reads the log of an open store, from any thread of the process that has it open (`Store.path`). Each read sees what is
 * committed at that moment, and holds on to nothing afterwards: a reader never keeps the store from reusing its pages.
 *
 * @throws GatewayError `data-unwritable`, `store-damaged`; `read` throws `store-damaged`.
 */
export function openLogReader(path: string): LogReader {
  const environment = openEnvironment(path, mapBytesFor(0));
  return new LogSlices(environment, environment.letGo, environment.close);
}
