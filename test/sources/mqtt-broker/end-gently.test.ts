/** What becomes of the last answers, over real sockets: in Linux a socket that is closed with bytes unread is reset. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { endGently } from '../../../gateway/sources/mqtt-broker/end-gently.ts';
import { until } from '../../support/processes.ts';
import { HeldClock, settle, startBroker } from './support/harness.ts';
import { publishPacket } from './support/raw-client.ts';

const ANSWERS = 'the answers to all that was taken';
const CHUNK = Buffer.alloc(64 * 1024, 'x');
/** Far more than a socket takes into its own buffer: the rest lies in the kernel. */
const UNREAD_BYTES = 2 ** 20;

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** Both ends of one connection; this end takes nothing that the peer sends. */
async function connected(): Promise<{ readonly own: Socket; readonly peer: Socket }> {
  const server = createServer();
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // The server listens on TCP: its address is no path.
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection');
  const peer = connect({ port, host: '127.0.0.1' });
  // Not even into its own buffer: what it gets, it looks at when it has sent everything.
  peer.pause();
  // Typed as a list of anything.
  const [own] = (await accepted) as [Socket];
  own.on('error', () => undefined);
  // As a connection of the broker has it, which reads as far as it may.
  own.on('readable', () => undefined);
  open.push({ close: () => own.destroy() }, { close: () => peer.destroy() });
  return { own, peer };
}

/** How a peer fared: what it got, and the error that it ended with, if any. */
interface Fared {
  readonly received: string;
  readonly error: string | null;
}

/** A peer that sends without a pause, and looks at what it was sent only when it has done so. */
class BusyPeer {
  /** Chunks that are still to be sent. */
  left = Number.MAX_SAFE_INTEGER;
  readonly whenOver: Promise<Fared>;

  constructor(peer: Socket, chunk: Buffer = CHUNK) {
    let received = '';
    peer.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    this.whenOver = new Promise((resolve) => {
      peer.on('end', () => resolve({ received, error: null }));
      peer.on('error', (error: NodeJS.ErrnoException) => resolve({ received, error: error.code ?? '' }));
    });
    void this.#send(peer, chunk);
  }

  async #send(peer: Socket, chunk: Buffer): Promise<void> {
    for (; this.left > 0 && !peer.destroyed; this.left -= 1)
      await new Promise<unknown>((resolve) => peer.write(chunk, resolve));
    peer.resume();
  }
}

/** The answers are written, and the connection ended in one of two ways, while a megabyte and more lies unread. */
async function answeredAndEnded(end: (own: Socket, clock: HeldClock) => void): Promise<Fared> {
  const { own, peer } = await connected();
  const busy = new BusyPeer(peer);
  await until('the peer has sent what is not read', () => peer.bytesWritten - own.bytesRead > UNREAD_BYTES);
  own.write(ANSWERS);
  end(own, new HeldClock());
  busy.left = 200;
  return await busy.whenOver;
}

describe('a peer that goes on sending while it is let go', () => {
  it('gets its answers, and then the end, where the connection is ended gently', async () => {
    const got = await answeredAndEnded((own, clock) => endGently(own, clock, () => own.destroy()));
    expect(got).toEqual({ received: ANSWERS, error: null });
  });

  it('would get none where the socket is closed over what it has sent: it is reset', async () => {
    const { received, error } = await answeredAndEnded((own) => own.destroy());
    expect(received).toBe('');
    expect(error).toMatch(/^(ECONNRESET|EPIPE)$/);
  });

  it('is waited for two seconds, and no longer', async () => {
    const { own, peer } = await connected();
    peer.on('error', () => undefined);
    const clock = new HeldClock();
    let closed = 0;
    own.write(ANSWERS);
    endGently(own, clock, () => {
      closed += 1;
    });
    peer.write(CHUNK);
    await until('it is read and forgotten', () => own.bytesRead === CHUNK.length);
    clock.advance(1_999);
    await Promise.resolve();
    expect(closed).toBe(0);
    clock.advance(1);
    await until('it is closed', () => closed === 1);
  });
});

describe('a client with too many open QoS 2 transfers', () => {
  it('has the answers to what was taken also where it goes on sending', async () => {
    const { ingest, events, connect } = await startBroker({ maxInFlight: 3 });
    ingest.automatic = false;
    const client = await connect('c1');
    client.socket.pause();
    for (let id = 1; id <= 4; id += 1) client.publish('a', 'x', { qos: 2, id });
    const busy = new BusyPeer(client.socket, publishPacket('a', 'x'.repeat(CHUNK.length)));
    await until('three are taken', () => ingest.messages.length === 3);
    await settle();
    ingest.commit();
    await until('it is let go', () => events.named('mqtt.disconnected').length === 1);
    busy.left = 200;
    expect(await busy.whenOver).toMatchObject({ error: null });
    expect(client.all('pubrec').map(({ messageId }) => messageId)).toEqual([1, 2, 3]);
  });
});
