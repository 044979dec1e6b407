/** The loop with the real sink: against a real InfluxDB, and against what may stand in its place. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../gateway/clocks/clock.ts';
import { DeliveryLoop } from '../gateway/delivery.ts';
import type { SinkHealth } from '../gateway/sink-contract.ts';
import { createInfluxSink } from '../gateway/sinks/influxdb.ts';
import type { Settlement } from '../gateway/store-contract.ts';
import { FakeLog } from './support/fake-delivery.ts';
import { influxAt } from './support/influx-sink.ts';
import { until } from './support/processes.ts';
import { type InfluxServer, startInfluxd } from './support/servers.ts';
import { describeWith } from './support/services.ts';

interface Running {
  readonly log: FakeLog;
  readonly settlements: Settlement[];
  readonly events: string[];
  readonly health: () => SinkHealth | undefined;
  add(lines: readonly string[]): void;
  stop(): Promise<void>;
}

function deliverTo(url: string, database: string, version: 'auto' | 1 = 'auto'): Running {
  const log = new FakeLog();
  const settlements: Settlement[] = [];
  const events: string[] = [];
  let health: SinkHealth | undefined;
  const sink = createInfluxSink(influxAt(url, { version, database }));
  const loop = new DeliveryLoop(
    {
      sink,
      reader: log,
      clock: systemClock,
      ports: {
        settle: async (settlement) => void settlements.push(settlement),
        report: (now) => {
          health = now;
        },
        wrote: () => undefined,
        emit: (name) => void events.push(name),
      },
    },
    {
      name: 'influx',
      storeId: 's',
      cursor: 0,
      throughSeq: 0,
      batch: { maxPoints: 5000, maxBytes: 10_000_000, maxAgeMs: 20 },
      backoff: { baseMs: 20, capMs: 50, pauseMs: 30 },
    },
  );
  const running = loop.run();
  return {
    log,
    settlements,
    events,
    health: () => health,
    add: (lines) => {
      log.groups.push({ lines, atMs: Date.now() });
      loop.wake(log.groups.length);
    },
    stop: async () => {
      loop.stop(2000);
      await running;
    },
  };
}

const line = (measurement: string, field: string, i: number): string =>
  `${measurement},device=d${i % 50} ${field} ${1_700_000_000_000 + i}000000\n`;

describeWith(['influxd'], 'delivery to InfluxDB', () => {
  let server: InfluxServer;
  beforeAll(async () => {
    server = await startInfluxd();
  }, 30_000);

  it('of 5,000 lines with 3 type conflicts writes 4,997, and has 3 rejected in the words of InfluxDB', async () => {
    await server.createDatabase('conflicts');
    const delivery = deliverTo(server.url, 'conflicts');
    delivery.add([line('m', 'f=1i,g=1', 999_999)]);
    await until('the first point', () => delivery.settlements.length === 1);
    const bad = new Set([11, 2500, 4999]);
    const lines = Array.from({ length: 5000 }, (_, i) => line('m', bad.has(i) ? 'f=0.5,g=1' : 'f=2i,g=1', i));
    delivery.add(lines);
    await until('the slice', () => delivery.settlements.length === 2);
    await delivery.stop();
    const [, settled] = delivery.settlements;
    expect(settled?.written).toBe(4997);
    expect(settled?.rejected.map((each) => each.line.toString())).toEqual([
      lines[11],
      lines[2500],
      lines[4999],
    ]);
    for (const { words, device } of settled?.rejected ?? []) {
      expect(words).toContain(
        'field type conflict: input field "f" on measurement "m" is type float, already exists as type integer',
      );
      expect(device).toMatch(/^d\d+$/);
    }
    expect(await server.count('conflicts', 'm', 'f')).toBe(4998);
    expect(await server.count('conflicts', 'm', 'g')).toBe(4998);
  });

  it('finds conflicts of several fields, of hostile names, and in a batch where they meet', async () => {
    await server.createDatabase('hostile');
    const delivery = deliverTo(server.url, 'hostile');
    const odd = String.raw`m\ x\,y,device=a`;
    delivery.add([`${odd} f\\ "1=1i 1\n`.replace('\\\\', '\\'), 'n s="text",b=true 1\n']);
    await until('the first points', () => delivery.settlements.length === 1);
    const good = Array.from({ length: 200 }, (_, i) => line('n', 's="ok"', i));
    const bad = [
      `${odd} f\\ "1=1.5 2\n`.replace('\\\\', '\\'),
      'n s=1 2\n',
      'n b="x" 3\n',
      'n s=1i,b=false 4\n',
    ];
    delivery.add([...bad.slice(0, 2), ...good, ...bad.slice(2)]);
    await until('the slice', () => delivery.settlements.length === 2);
    await delivery.stop();
    const [, settled] = delivery.settlements;
    expect(new Set(settled?.rejected.map((each) => each.line.toString()))).toEqual(new Set(bad));
    expect(settled?.written).toBe(200);
    expect(await server.count('hostile', 'n', 's')).toBe(201);
  });

  it('keeps everything while the database is missing, says so, and goes on when it was created', async () => {
    const delivery = deliverTo(server.url, 'later');
    delivery.add(Array.from({ length: 10 }, (_, i) => line('m', 'f=1', i)));
    await until('the pause', () => delivery.health()?.state === 'paused');
    expect(delivery.health()?.reason).toContain('database not found');
    await server.createDatabase('later');
    await until('the points', () => delivery.settlements.length === 1);
    await delivery.stop();
    expect(await server.count('later', 'm', 'f')).toBe(10);
    expect(delivery.events).toEqual(['sink.ready', 'sink.paused', 'sink.recovered']);
  });

  it('keeps everything where most of a batch conflicts, as the database is at fault then', async () => {
    await server.createDatabase('most');
    const delivery = deliverTo(server.url, 'most');
    delivery.add([line('m', 'f=1i', 999_999)]);
    await until('the first point', () => delivery.settlements.length === 1);
    delivery.add(Array.from({ length: 1000 }, (_, i) => line('m', 'f=0.5', i)));
    await until('the pause', () => delivery.health()?.state === 'paused');
    expect(delivery.health()?.reason).toContain('already exists as type integer');
    await server.query('DROP MEASUREMENT "m"', 'most');
    await until('the points', () => delivery.settlements.length === 2);
    await delivery.stop();
    expect(await server.count('most', 'm', 'f')).toBe(1000);
  });
});

describe('delivery to what stands in the place of InfluxDB', () => {
  let respond: (response: ServerResponse, lines: number) => void;
  let url = '';
  let requests = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      requests += 1;
      respond(response, body.split('\n').length - 1);
    });
  });
  beforeEach(async () => {
    requests = 0;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A server that listens on a port has an address with one.
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const html = { 'content-type': 'text/html' };

  it.each([
    ['a wrong token', 401, '{"error":"unauthorized"}', 'paused'],
    ['no right to write', 403, '', 'paused'],
    ['nothing there', 404, '404 page not found', 'paused'],
    ['a proxy that answers 200', 200, '<html>Welcome</html>', 'paused'],
    ['a proxy that answers 400', 400, '<html>Bad Request</html>', 'paused'],
    ['a proxy that redirects', 302, '', 'paused'],
    ['a proxy whose server is away', 502, '<html>Bad Gateway</html>', 'retrying'],
  ])('loses nothing to %s, says so, and goes on when it is over', async (_name, status, body, state) => {
    respond = (response) => response.writeHead(status, html).end(body);
    const delivery = deliverTo(url, 'd', 1);
    delivery.add(Array.from({ length: 25 }, (_, i) => line('m', 'f=1', i)));
    await until('the trouble', () => delivery.health()?.state === state);
    await until('more tries', () => requests >= 3);
    expect(delivery.health()?.reason).toContain(String(status));
    expect(delivery.settlements).toEqual([]);
    respond = (response) => response.writeHead(204).end();
    await until('the points', () => delivery.settlements.length === 1);
    await delivery.stop();
    expect(delivery.settlements).toEqual([{ throughSeq: 1, written: 25, rejected: [] }]);
  });

  it('comes back when the server said, after 429', async () => {
    let refusedAt = 0;
    let takenAt = 0;
    respond = (response) => {
      if (refusedAt === 0) {
        refusedAt = performance.now();
        response.writeHead(429, { 'retry-after': '1' }).end();
      } else {
        takenAt = performance.now();
        response.writeHead(204).end();
      }
    };
    const delivery = deliverTo(url, 'd', 1);
    delivery.add([line('m', 'f=1', 1)]);
    await until('the point', () => delivery.settlements.length === 1);
    await delivery.stop();
    expect(takenAt - refusedAt).toBeGreaterThan(990);
  });

  it('sends smaller parts to a proxy with a small limit', async () => {
    respond = (response, lines) => response.writeHead(lines > 100 ? 413 : 204, html).end('<html>');
    const delivery = deliverTo(url, 'd', 1);
    delivery.add(Array.from({ length: 1000 }, (_, i) => line('m', 'f=1', i)));
    await until('the points', () => delivery.settlements.length === 1);
    await delivery.stop();
    expect(delivery.settlements).toEqual([{ throughSeq: 1, written: 1000, rejected: [] }]);
  });
});
