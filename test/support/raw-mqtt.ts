/**
 * MQTT 3.1.1 on raw sockets with packets encoded beforehand: for load, for killing at any moment, and for saying
 * exactly which readings were acknowledged. Acknowledgements count as they leave the socket, before any queue.
 */
import { connect, type Socket } from 'node:net';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';

export interface RawOptions {
  readonly port: number;
  readonly clientId: string;
  readonly clean?: boolean;
  readonly keepalive?: number;
  readonly username?: string;
  readonly password?: string;
  readonly will?: IConnectPacket['will'];
}

export interface Reading {
  readonly topic: string;
  readonly payload: string | Buffer;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One connection. Everything it gets is also handed to `onPacket`. */
export class RawMqtt {
  readonly socket: Socket;
  sessionPresent = false;
  onPacket: (packet: Packet) => void = () => undefined;
  readonly whenClosed: Promise<void>;
  readonly #waiting = new Map<string, Waiting>();
  #nextId = 1;
  #closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    const parse = parser();
    parse.on('packet', (packet: Packet) => this.#take(packet));
    socket.on('data', (chunk: Buffer) => parse.parse(chunk));
    socket.on('error', () => undefined);
    this.whenClosed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#closed = true;
        for (const { reject } of this.#waiting.values()) reject(new Error('connection closed'));
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** Resolves after CONNACK 0. @throws Error `refused N` on another code, `connection closed` where none came. */
  static async connect(options: RawOptions): Promise<RawMqtt> {
    const socket = connect(options.port, '127.0.0.1');
    const client = new RawMqtt(socket);
    const connack = client.#answer('connack');
    socket.write(
      generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: options.clean ?? true,
        clientId: options.clientId,
        keepalive: options.keepalive ?? 0,
        ...(options.username === undefined ? {} : { username: options.username }),
        ...(options.password === undefined ? {} : { password: Buffer.from(options.password) }),
        ...(options.will === undefined ? {} : { will: options.will }),
      }),
    );
    await connack;
    return client;
  }

  /** Resolves when acknowledged: PUBACK at QoS 1, PUBCOMP at QoS 2, at once at QoS 0. Rejects when the connection closes. */
  async publish(
    topic: string,
    payload: string | Buffer,
    options: { qos?: 0 | 1 | 2; messageId?: number; dup?: boolean; retain?: boolean } = {},
  ): Promise<void> {
    const { qos = 1, dup = false, retain = false } = options;
    const messageId = options.messageId ?? this.#id();
    const packet = { cmd: 'publish', topic, payload, qos, dup, retain } as const;
    if (qos === 0) {
      this.socket.write(generate(packet));
      return;
    }
    const answered = this.#answer(`${qos === 1 ? 'puback' : 'pubrec'}${messageId}`);
    this.socket.write(generate({ ...packet, messageId }));
    await answered;
    if (qos === 2) {
      const complete = this.#answer(`pubcomp${messageId}`);
      this.socket.write(generate({ cmd: 'pubrel', messageId }));
      await complete;
    }
  }

  async subscribe(topic: string, qos: 0 | 1 | 2 = 0): Promise<void> {
    const messageId = this.#id();
    const answered = this.#answer(`suback${messageId}`);
    this.socket.write(generate({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] }));
    await answered;
  }

  async disconnect(): Promise<void> {
    this.socket.end(generate({ cmd: 'disconnect' }));
    await this.whenClosed;
  }

  /** Without a word, as when the power goes. */
  destroy(): void {
    this.socket.destroy();
  }

  /** The other side closed, or a socket error came. */
  get closed(): boolean {
    return this.#closed;
  }

  #id(): number {
    const id = this.#nextId;
    this.#nextId = id === 65_535 ? 1 : id + 1;
    return id;
  }

  async #answer(key: string): Promise<void> {
    if (this.closed) throw new Error('connection closed');
    const answer = new Promise<void>((resolve, reject) => {
      this.#waiting.set(key, { resolve, reject });
    });
    // A caller that awaits something else first must not find the process ended by this rejection.
    answer.catch(() => undefined);
    await answer;
  }

  #take(packet: Packet): void {
    const key = `${packet.cmd}${packet.messageId ?? ''}`;
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (packet.cmd === 'connack') {
      this.sessionPresent = packet.sessionPresent;
      if (packet.returnCode !== 0) waiting?.reject(new Error(`refused ${packet.returnCode}`));
    }
    if (packet.cmd === 'publish' && packet.qos === 1) {
      this.socket.write(generate({ cmd: 'puback', messageId: packet.messageId ?? 0 }));
    }
    waiting?.resolve();
    this.onPacket(packet);
  }
}

export interface Load {
  /** Readings put on the wire, by their index, in order. */
  readonly sent: number;
  /** Indexes of the readings whose acknowledgement arrived, in the order it did. */
  readonly acknowledged: readonly number[];
  /** Whether the connection broke before all were acknowledged. */
  readonly broken: boolean;
}

/**
 * Sends `count` readings at QoS 1 with at most `window` unacknowledged, and says which were acknowledged. Ends when
 * all are, or when the connection breaks (then it tells what it knows, and does not throw).
 */
export async function loadWith(
  client: RawMqtt,
  options: { count: number; window: number; reading: (index: number) => Reading },
): Promise<Load> {
  const { count, window, reading } = options;
  const acknowledged: number[] = [];
  const indexOf = new Map<number, number>();
  let sent = 0;
  return await new Promise<Load>((resolve) => {
    const end = (): void => {
      resolve({ sent, acknowledged, broken: acknowledged.length < count });
    };
    const fill = (): void => {
      client.socket.cork();
      while (sent < count && sent - acknowledged.length < window && !client.closed) {
        const messageId = (sent % 65_535) + 1;
        const { topic, payload } = reading(sent);
        indexOf.set(messageId, sent);
        client.socket.write(
          generate({ cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId }),
        );
        sent += 1;
      }
      client.socket.uncork();
    };
    client.onPacket = (packet) => {
      if (packet.cmd !== 'puback') return;
      const index = indexOf.get(packet.messageId ?? 0);
      if (index === undefined) return;
      indexOf.delete(packet.messageId ?? 0);
      acknowledged.push(index);
      if (acknowledged.length === count) end();
      else fill();
    };
    client.whenClosed.then(end, end);
    fill();
  });
}
