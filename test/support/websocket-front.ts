/** A WebSocket in front of a broker's TCP port, as reverse proxies put one there. */
import { connect } from 'node:net';
import { createWebSocketStream, WebSocketServer } from 'ws';

export interface WebSocketFront {
  readonly port: number;
  stop(): Promise<void>;
}

/** Answers at `/mqtt` only, and only to who asks for the subprotocol `mqtt`. */
export async function startWebSocketFront(brokerPort: number): Promise<WebSocketFront> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    path: '/mqtt',
    handleProtocols: (protocols) => (protocols.has('mqtt') ? 'mqtt' : false),
  });
  server.on('connection', (socket) => {
    const front = createWebSocketStream(socket);
    const behind = connect(brokerPort, '127.0.0.1');
    front.pipe(behind).pipe(front);
    front.on('error', () => behind.destroy());
    behind.on('error', () => front.destroy());
    behind.on('close', () => socket.terminate());
  });
  await new Promise<void>((resolve) => server.once('listening', () => resolve()));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of server.clients) socket.terminate();
        server.close(() => resolve());
      }),
  };
}
