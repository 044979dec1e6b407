import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import { SOCKET_NAME } from './protocol.ts';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, with the final zero; a longer one is cut without a word. */
const MAX_PATH_BYTES = 100;

export interface SocketPath {
  /** What bind and connect are given. */
  readonly path: string;
  /** To be called when nobody uses the path any more. */
  release(): void;
}

/**
 * The path of the control socket. Where the data folder's own is too long for a socket, Linux offers a short one that
 * leads through the opened folder; it holds for this process until released.
 * @throws GatewayError `data-unwritable` where there is no such way.
 */
export function openSocketPath(dataDir: string, platform: string): SocketPath {
  const path = join(dataDir, SOCKET_NAME);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path, release: () => undefined };
  if (platform !== 'linux')
    throw new GatewayError(
      'data-unwritable',
      `the path of the data folder is too long for a socket (${Buffer.byteLength(path)} bytes, at most ${MAX_PATH_BYTES}): ${dataDir}`,
    );
  const folder = openSync(dataDir, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${folder}/${SOCKET_NAME}`, release: () => closeSync(folder) };
}
