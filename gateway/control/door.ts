/**
 * `data/control.sock`: the lock of the data folder and the door of the commands, in one. Who listens on it owns the
 * folder. A process that dies, however, leaves the file but no listener, so the next one can tell.
 */
import { chmodSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { GatewayError, isGatewayError, messageOf } from '../errors.ts';
import { callControl, connectTo } from './call.ts';
import { makeDataFolder } from './data-folder.ts';
import { type ControlAnswer, MAX_REQUEST_BYTES, parseRequest } from './protocol.ts';
import { readLine } from './read-line.ts';
import { openSocketPath } from './socket-path.ts';
import { lockFolder, lockStart } from './start-lock.ts';

/** Answers an operation; rejects with a GatewayError to answer that. */
export type ControlHandler = (op: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;

export interface Door {
  /** From now on operations are answered; before, `starting` is. */
  serve(handler: ControlHandler): void;
  /** Gives the folder up. To be called last: another gateway may take it at once. */
  close(): Promise<void>;
}

export interface DoorOptions {
  readonly pid: number;
  /** An operation failed in a way it should not. */
  readonly onFailure: (op: string, error: unknown) => void;
  /** A client that neither asks nor leaves is cut off. */
  readonly requestTimeoutMs?: number;
}

const MAX_CLIENTS = 32;
const REQUEST_TIMEOUT_MS = 10_000;
const HELLO_TIMEOUT_MS = 2_000;

/**
 * Takes the data folder, making it where it is missing.
 * @throws GatewayError `data-in-use` (with the owner's process id), `data-unwritable`.
 */
export async function openDoor(dataDir: string, options: DoorOptions): Promise<Door> {
  makeDataFolder(dataDir);
  const place = openSocketPath(dataDir, platform());
  try {
    const unlock = await lockStart(dataDir);
    try {
      return await takePlace(dataDir, place, options);
    } finally {
      unlock();
    }
  } catch (error) {
    place.release();
    throw error;
  }
}

async function takePlace(
  dataDir: string,
  place: { readonly path: string; release(): void },
  options: DoorOptions,
): Promise<Door> {
  let handler: ControlHandler = async () => {
    throw new GatewayError('starting', 'the gateway is just starting; ask again in a moment');
  };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    void answer(socket, options, (op, args) => handler(op, args));
  });
  server.maxConnections = MAX_CLIENTS;
  server.on('error', () => undefined);

  if (!(await listen(server, place.path, dataDir))) {
    const owner = await connectTo(place.path);
    if (owner !== null) {
      owner.destroy();
      throw new GatewayError(
        'data-in-use',
        `${await ownerOf(dataDir)} has the data folder ${dataDir} in use`,
      );
    }
    rmSync(place.path, { force: true });
    if (!(await listen(server, place.path, dataDir)))
      throw new GatewayError('data-in-use', `another gateway has just taken the data folder ${dataDir}`);
  }
  const unlock = await lockFolder(dataDir).catch(async (error: unknown) => {
    await closed(server);
    throw error;
  });
  // The folder itself is closed to others; this is for one that was there before with wider rights.
  chmodSync(place.path, 0o600);

  return {
    serve(next) {
      handler = next;
    },
    async close() {
      const ended = closed(server);
      for (const socket of sockets) socket.destroySoon();
      await ended;
      unlock();
      place.release();
    },
  };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

/** False where something stands at the path already. */
function listen(server: Server, path: string, dataDir: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(false);
      else
        reject(
          new GatewayError(
            'data-unwritable',
            `cannot listen in the data folder ${dataDir}: ${error.message}`,
            {
              cause: error,
            },
          ),
        );
    };
    server.once('error', failed);
    server.listen(path, () => {
      server.off('error', failed);
      resolve(true);
    });
  });
}

async function ownerOf(dataDir: string): Promise<string> {
  try {
    const hello = await callControl(dataDir, 'hello', {}, HELLO_TIMEOUT_MS);
    if (typeof hello === 'object' && hello !== null && 'pid' in hello)
      return `another gateway (process ${String(hello.pid)})`;
  } catch {
    // It lives, for it took the connection; it is stopped or busy.
  }
  return 'another gateway (which does not answer)';
}

async function answer(socket: Socket, options: DoorOptions, handler: ControlHandler): Promise<void> {
  const line = await readLine(socket, {
    maxBytes: MAX_REQUEST_BYTES,
    timeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
  });
  if (line === null) {
    socket.destroy();
    return;
  }
  const reply = `${JSON.stringify(await answerTo(line, options, handler))}\n`;
  // A client that does not read its answer may not hold its place for ever.
  socket.setTimeout(options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS, () => socket.destroy());
  socket.end(reply);
  socket.resume();
}

async function answerTo(line: string, options: DoorOptions, handler: ControlHandler): Promise<ControlAnswer> {
  let op = '';
  try {
    const request = parseRequest(line);
    op = request.op;
    if (op === 'hello') return { ok: true, result: { pid: options.pid } };
    return { ok: true, result: (await handler(op, request.args)) ?? null };
  } catch (error) {
    if (isGatewayError(error)) return { ok: false, code: error.code, message: error.message };
    options.onFailure(op, error);
    return { ok: false, code: 'internal', message: `the gateway failed to answer: ${messageOf(error)}` };
  }
}
