import { createServer, type Server, type Socket } from 'node:net';
import { GatewayError, messageOf } from '../../errors.ts';

export interface MqttListener {
  readonly host: string;
  /** 0: the system chooses; see `addresses`. */
  readonly port: number;
}

export interface Listening {
  /** Where it really listens, in the order asked for. */
  readonly addresses: readonly MqttListener[];
  /** Takes no new connections. The open ones stay. */
  close(): void;
}

export interface ListenOptions {
  readonly maxConnections: number;
  onSocket(socket: Socket): void;
  /** A connection was turned away because there are too many. */
  onTurnedAway(address: string): void;
  /** A listener has trouble after it was ready (out of file descriptors, …). */
  onTrouble(error: Error): void;
}

/**
 * Listens on all of these addresses, or on none.
 * @throws GatewayError `address-in-use`, `address-unavailable`.
 */
export async function listenOnAll(
  listeners: readonly MqttListener[],
  options: ListenOptions,
): Promise<Listening> {
  const servers: Server[] = [];
  const addresses: MqttListener[] = [];
  const close = (): void => {
    for (const server of servers) server.close();
  };
  try {
    for (const listener of listeners) {
      const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
      server.maxConnections = options.maxConnections;
      server.on('connection', options.onSocket);
      server.on('drop', (info) => options.onTurnedAway(info?.remoteAddress ?? 'unknown'));
      await listen(server, listener);
      server.on('error', options.onTrouble);
      servers.push(server);
      const bound = server.address();
      const port = bound !== null && typeof bound === 'object' ? bound.port : listener.port;
      addresses.push({ host: listener.host, port });
    }
  } catch (error) {
    close();
    throw error;
  }
  return { addresses, close };
}

function listen(server: Server, { host, port }: MqttListener): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const where = `${host}:${port}`;
      reject(
        error.code === 'EADDRINUSE'
          ? new GatewayError('address-in-use', `another program listens on ${where} (MQTT)`, { cause: error })
          : new GatewayError('address-unavailable', `cannot listen on ${where} (MQTT): ${messageOf(error)}`, {
              cause: error,
            }),
      );
    };
    server.once('error', onError);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}
