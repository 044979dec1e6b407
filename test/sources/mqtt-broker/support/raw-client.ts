import { connect, type Socket } from 'node:net';
import * as mqtt from 'mqtt-packet';

type Packet = mqtt.Packet;
type Named<C extends mqtt.PacketCmd> = Extract<Packet, { cmd: C }>;

export interface ConnectOptions {
  readonly clean?: boolean;
  readonly keepalive?: number;
  readonly username?: string;
  readonly will?: { topic: string; payload: Buffer; qos?: 0 | 1 | 2; retain?: boolean };
}

export interface PublishOptions {
  readonly qos?: 0 | 1 | 2;
  readonly id?: number;
  readonly dup?: boolean;
  readonly retain?: boolean;
}

/** A client that does nothing by itself: what it sends and when is up to the test. */
export class RawClient {
  readonly socket: Socket;
  /** Everything that came, in order. */
  readonly packets: Packet[] = [];
  /** What came and was no MQTT. */
  readonly malformed: string[] = [];
  closed: boolean = false;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    const parser = mqtt.parser({ protocolVersion: 4 });
    parser.on('packet', (packet: Packet) => {
      this.packets.push(packet);
      this.#wake();
    });
    parser.on('error', (error: Error) => this.malformed.push(error.message));
    socket.on('data', (chunk) => parser.parse(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static open(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () =>
        resolve(new RawClient(socket)),
      );
      socket.once('error', reject);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #until<T>(what: string, check: () => T | undefined, timeoutMs = 4000): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        const found = check();
        if (found === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(attempt);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(attempt);
        reject(
          new Error(`no ${what}; got ${this.packets.map(({ cmd }) => cmd).join(' ')}, closed ${this.closed}`),
        );
      }, timeoutMs);
      this.#waiting.add(attempt);
      attempt();
    });
  }

  /** The next packet of this kind that was not taken yet; those before it are passed over. */
  next<C extends mqtt.PacketCmd>(cmd: C): Promise<Named<C>> {
    return this.#until(cmd, () => {
      for (let i = this.#taken; i < this.packets.length; i += 1) {
        const packet = this.packets[i];
        if (packet?.cmd !== cmd) continue;
        this.#taken = i + 1;
        return packet as Named<C>; // Its cmd was just compared.
      }
      return undefined;
    });
  }

  /** Waits until so many of this kind have come. */
  count(cmd: mqtt.PacketCmd, n: number): Promise<Packet[]> {
    return this.#until(`${n} ${cmd}`, () => {
      const found = this.packets.filter((packet) => packet.cmd === cmd);
      return found.length >= n ? found : undefined;
    });
  }

  all<C extends mqtt.PacketCmd>(cmd: C): Named<C>[] {
    return this.packets.filter((packet): packet is Named<C> => packet.cmd === cmd);
  }

  ended(): Promise<true> {
    return this.#until('end of the connection', () => (this.closed ? true : undefined));
  }

  send(packet: Packet): void {
    this.socket.write(mqtt.generate(packet));
  }

  sendBytes(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  sendConnect(clientId: string, options: ConnectOptions = {}): void {
    this.sendBytes(connectPacket(clientId, options));
  }

  publish(topic: string, payload: string, options: PublishOptions = {}): void {
    this.sendBytes(publishPacket(topic, payload, options));
  }

  async subscribe(filters: Record<string, 0 | 1 | 2>, id = 1): Promise<readonly number[]> {
    const subscriptions = Object.entries(filters).map(([topic, qos]) => ({ topic, qos }));
    this.send({ cmd: 'subscribe', messageId: id, subscriptions });
    const { granted } = await this.next('suback');
    return granted.map(Number);
  }

  /** Shows that everything sent before was looked at. */
  async ping(): Promise<void> {
    this.send({ cmd: 'pingreq' });
    await this.next('pingresp');
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export function connectPacket(clientId: string, options: ConnectOptions = {}): Buffer {
  const { clean = true, keepalive = 60, username, will } = options;
  if (clientId === '' && !clean) {
    // The encoder would rather not.
    const bytes = connectPacket('', { ...options, clean: true });
    bytes[9] = (bytes[9] ?? 0) & ~2;
    return bytes;
  }
  return mqtt.generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId,
    clean,
    keepalive,
    ...(username === undefined ? {} : { username }),
    ...(will === undefined ? {} : { will: { qos: 0, retain: false, ...will } }),
  });
}

export function publishPacket(topic: string, payload: string, options: PublishOptions = {}): Buffer {
  const { qos = 0, id = 1, dup = false, retain = false } = options;
  const packet = { cmd: 'publish' as const, topic, payload, qos, dup, retain };
  return mqtt.generate(qos === 0 ? packet : { ...packet, messageId: id });
}
