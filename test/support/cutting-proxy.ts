/**
 * A bad line between MQTT clients and a broker: it cuts connections at random, most of them between a message and its
 * acknowledgement, which is where clients that resend show what they are worth. Seeded: the same draws in every run.
 */
import { connect, createServer, type Socket } from 'node:net';

/** Where a connection was cut: the answer that was swallowed; half a PUBLISH; or just after an answer. */
export const CUTS = ['puback', 'pubrec', 'pubcomp', 'half a publish', 'after an answer'] as const;
export type Cut = (typeof CUTS)[number];

export interface CuttingProxy {
  readonly port: number;
  readonly cuts: Readonly<Record<Cut, number>>;
  /** PUBACKs and PUBCOMPs that have reached their clients. */
  answers(): number;
  /** The same of one client. */
  answersTo(clientId: string): number;
  close(): Promise<void>;
}

export interface CuttingOptions {
  /** Of the broker. */
  readonly target: number;
  readonly seed: number;
  /** A connection is cut after so many answers, at least and at most. */
  readonly between: readonly [least: number, most: number];
}

const CONNECT = 1;
const PUBLISH = 3;
const ANSWERS: ReadonlyMap<number, Cut> = new Map([
  [4, 'puback'],
  [5, 'pubrec'],
  [7, 'pubcomp'],
]);
const PUBREC = 5;

export async function startCuttingProxy({ target, seed, between }: CuttingOptions): Promise<CuttingProxy> {
  const random = randomNumbers(seed);
  const cuts: Record<Cut, number> = {
    puback: 0,
    pubrec: 0,
    pubcomp: 0,
    'half a publish': 0,
    'after an answer': 0,
  };
  const sockets = new Set<Socket>();
  let answers = 0;
  const answersTo = new Map<string, number>();

  const server = createServer((client) => {
    const broker = connect({ port: target, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    const end = (): void => {
      client.destroy();
      broker.destroy();
    };
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    const [least, most] = between;
    let left = least + Math.floor(random() * (most - least + 1));
    let half = false;
    let clientId = '';
    const cut = (how: Cut): void => {
      cuts[how] += 1;
      end();
    };
    client.on(
      'data',
      packetsOf((type, packet) => {
        if (broker.destroyed) return;
        if (type === CONNECT) clientId = clientIdIn(packet);
        if (half && type === PUBLISH) {
          broker.write(packet.subarray(0, packet.length >> 1));
          cut('half a publish');
        } else broker.write(packet);
      }),
    );
    broker.on(
      'data',
      packetsOf((type, packet) => {
        if (client.destroyed) return;
        const answer = ANSWERS.get(type);
        if (answer === undefined) {
          client.write(packet);
          return;
        }
        left -= 1;
        const draw = left <= 0 && !half ? random() : 1;
        if (draw < 0.6) {
          cut(answer);
          return;
        }
        client.write(packet);
        if (type !== PUBREC) {
          answers += 1;
          answersTo.set(clientId, (answersTo.get(clientId) ?? 0) + 1);
        }
        if (draw < 0.8) cut('after an answer');
        else if (draw < 1) half = true;
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cuts,
    answers: () => answers,
    answersTo: (client) => answersTo.get(client) ?? 0,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Cuts a stream into whole MQTT packets (MQTT 3.1.1, 2.2). */
function packetsOf(onPacket: (type: number, packet: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let length = lengthOf(rest); length !== null && length <= rest.length; length = lengthOf(rest)) {
      const packet = rest.subarray(0, length);
      rest = rest.subarray(length);
      onPacket((packet[0] ?? 0) >> 4, packet);
    }
  };
}

/** Of a CONNECT: behind protocol name, level, flags and keepalive (MQTT 3.1.1, 3.1). */
function clientIdIn(packet: Buffer): string {
  const name = packet.indexOf(0, 1);
  const id = name + 2 + packet.readUInt16BE(name) + 4;
  return packet.toString('utf8', id + 2, id + 2 + packet.readUInt16BE(id));
}

/** Of the packet that begins here; null where its header is not whole. */
function lengthOf(bytes: Buffer): number | null {
  let length = 0;
  for (let i = 1; i <= 4; i += 1) {
    const byte = bytes[i];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 0x80 ** (i - 1);
    if (byte < 0x80) return length + i + 1;
  }
  return null;
}

/** Mulberry32 (Tommy Ettinger, public domain): small, and good enough to cut lines with. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
