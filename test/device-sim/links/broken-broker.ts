/** A broker that remembers what came and cuts its connections at random; its session survives. */
import { createServer, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';
import type { Random } from '../../../device-sim/random.ts';

export interface Arrival {
  readonly payload: string;
  readonly packetId: number;
  readonly dup: boolean;
  readonly qos: number;
}

export interface BrokenBroker {
  readonly url: string;
  /** PUBLISH packets, in order. */
  readonly arrivals: Arrival[];
  /** QoS 2: payloads whose ownership was taken, once for each transfer. */
  readonly taken: string[];
  connects(): number;
  close(): Promise<void>;
}

/**
 * After each packet it may cut: with this chance before it answers, and again after that. Answers are written in chunks
 * of random sizes. `cutsUpTo` bounds the cuts, so that a test ends.
 */
export async function startBrokenBroker(
  random: Random,
  options: { readonly cutChance: number; readonly cutsUpTo: number },
): Promise<BrokenBroker> {
  const sockets = new Set<Socket>();
  const arrivals: Arrival[] = [];
  const taken: string[] = [];
  const open = new Set<number>();
  let connects = 0;
  let cuts = 0;

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const cut = (): boolean => {
      if (cuts >= options.cutsUpTo || random.next() >= options.cutChance) return false;
      cuts += 1;
      socket.destroy();
      return true;
    };
    const say = (packet: Packet): void => {
      const bytes = generate(packet);
      const at = random.below(bytes.length);
      socket.write(bytes.subarray(0, at));
      setImmediate(() => socket.destroyed || socket.write(bytes.subarray(at)));
    };
    const queue: Packet[] = [];
    const answer = (packet: Packet): void => {
      // One after the other: halves of two answers must not mix.
      queue.push(packet);
      if (queue.length > 1) return;
      const next = (): void => {
        const [first] = queue;
        if (first === undefined || socket.destroyed) return;
        say(first);
        setImmediate(() =>
          setImmediate(() => {
            queue.shift();
            cut();
            next();
          }),
        );
      };
      next();
    };
    const parse = parser();
    parse.on('packet', (packet: Packet) => {
      if (socket.destroyed) return;
      const messageId = packet.messageId ?? 0;
      if (packet.cmd === 'connect') {
        connects += 1;
        answer({ cmd: 'connack', returnCode: 0, sessionPresent: connects > 1 });
      } else if (packet.cmd === 'publish') {
        const payload = packet.payload.toString();
        arrivals.push({ payload, packetId: messageId, dup: packet.dup, qos: packet.qos });
        if (packet.qos === 2 && !open.has(messageId)) {
          open.add(messageId);
          taken.push(payload);
        }
        if (!cut() && packet.qos > 0) answer({ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId });
      } else if (packet.cmd === 'pubrel') {
        open.delete(messageId);
        if (!cut()) answer({ cmd: 'pubcomp', messageId });
      } else if (packet.cmd === 'subscribe') {
        answer({ cmd: 'suback', messageId, granted: [0] });
      } else if (packet.cmd === 'pingreq') {
        answer({ cmd: 'pingresp' });
      } else if (packet.cmd === 'disconnect') socket.end();
    });
    socket.on('data', (chunk: Buffer) => parse.parse(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `mqtt://127.0.0.1:${port}`,
    arrivals,
    taken,
    connects: () => connects,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
