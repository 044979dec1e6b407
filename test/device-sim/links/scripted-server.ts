import { createServer, type Socket } from 'node:net';
import { generate } from 'mqtt-packet';
import { onTestFinished } from 'vitest';

export const CONNACK: Buffer = generate({ cmd: 'connack', returnCode: 0, sessionPresent: false });

/** A server that does with each connection, counted from 0, what the test says; it ends with the test. */
export async function serve(onConnection: (socket: Socket, n: number) => void): Promise<string> {
  const sockets = new Set<Socket>();
  let n = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket, n);
    n += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return `mqtt://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
