import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { parseConfig } from '../../gateway/config/load-config.ts';
import type { Clock } from '../../gateway/contracts.ts';
import { digestsOf, type SchemaDigests } from '../../gateway/peer-hello.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import { startForwards } from '../../gateway/wiring/start-forwards.ts';
import { RecordedEvents } from '../contracts/store-harness.ts';
import { freePorts, until } from '../support/processes.ts';

/** Nobody who sleeps wakes, unless called. */
class StillClock implements Clock {
  ms = 1_000;
  nowMs = (): number => this.ms;
  monotonicMs = (): number => this.ms;
  sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) resolve();
      else signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await turn();
}

test('a peer that asks is evidently there: it is connected to at once, and no other', async () => {
  const [port = 0, other = 0] = await freePorts(2);
  const config = parseConfig(
    `peers:
  name: attic
  others: [{ name: cellar, url: "mqtt://127.0.0.1:${port}" }, { name: shed, url: "mqtt://127.0.0.1:${other}" }]\n`,
    { file: 'gateway.yaml', cwd: '/etc/telemetry', environment: {} },
  );
  const clock = new StillClock();
  const events = new RecordedEvents();
  const store = createMemoryStore({ upkeepEveryMs: null }, { clock, events });
  const up: (() => Promise<void>)[] = [];
  const schemas = (): SchemaDigests => digestsOf(new Map());
  const forwarding = startForwards(config, { store, events, clock, registry: new Registry(), schemas }, up);
  const sockets: Socket[] = [];
  const servers: Server[] = [];
  try {
    const isAway = (): boolean => forwarding.status().every(({ state }) => state === 'retrying');
    await until('both are away', isAway);
    for (const each of [port, other]) {
      const server = createServer((socket) => sockets.push(socket));
      await new Promise<void>((resolve) => server.listen(each, '127.0.0.1', resolve));
      servers.push(server);
    }
    forwarding.heardOf('cellar');
    await settle();
    expect(sockets, 'it has been tried just now').toEqual([]);
    clock.ms += 1_000;
    forwarding.heardOf('roof');
    forwarding.heardOf('attic');
    await settle();
    expect(sockets).toEqual([]);
    forwarding.heardOf('cellar');
    await until('it is tried', () => sockets.length > 0);
    expect(sockets.map(({ localPort }) => localPort)).toEqual([port]);
  } finally {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    const stopped = Promise.all(up.map((stop) => stop()));
    for (const socket of sockets) socket.destroy();
    await stopped;
  }
});
