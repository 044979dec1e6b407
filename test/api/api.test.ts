import { request } from 'node:http';
import { createServer } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, test } from 'vitest';
import { isAllowedHost, isAllowedOrigin } from '../../gateway/api/allowed-host.ts';
import { type Api, createApi } from '../../gateway/api/create-api.ts';
import { GatewayError } from '../../gateway/errors.ts';
import type { Operations } from '../../gateway/operations-contract.ts';
import { CAUSE, DEVICE, fakeOperations, REJECTION } from '../commands/fake-operations.ts';

const apis: Api[] = [];

afterEach(async () => {
  await Promise.all(apis.splice(0).map((api) => api.stop()));
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

async function serve(
  operations: Operations = fakeOperations(),
  onFailure: (route: string, error: unknown) => void = () => undefined,
): Promise<
  (path: string, headers?: Record<string, string>, method?: string, body?: string) => Promise<Answer>
> {
  const api = createApi({ host: '127.0.0.1', port: 0, operations, registry: new Registry(), onFailure });
  apis.push(api);
  const port = await api.start();
  return (path, headers = {}, method = 'GET', body = '') =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, headers, method, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = String(response.headers['content-type']).startsWith('application/json');
          resolve({
            status: response.statusCode ?? 0,
            body: isJson ? JSON.parse(text) : text,
            headers: response.headers,
          });
        });
      });
      asked.on('error', reject);
      asked.end(body);
    });
}

describe('the HTTP API', () => {
  test('it is live while it answers', async () => {
    const get = await serve();
    expect(await get('/health/live')).toMatchObject({ status: 200, body: { status: 'live' } });
  });

  test('it is ready while it can commit, degraded while a sink is down', async () => {
    const degraded = { status: 'degraded', reasons: ['sink influx is paused: wrong token'] } as const;
    const get = await serve(fakeOperations({ health: async () => degraded }));
    expect(await get('/health/ready')).toMatchObject({ status: 200, body: degraded });
  });

  test('it is not ready when it cannot commit', async () => {
    const unavailable = { status: 'unavailable', reasons: ['disk full'] } as const;
    const get = await serve(fakeOperations({ health: async () => unavailable }));
    expect(await get('/health/ready')).toMatchObject({ status: 503, body: unavailable });
  });

  test('the account, of all and of one device', async () => {
    const get = await serve();
    expect(await get('/api/account')).toMatchObject({
      status: 200,
      body: { total: { stored: 1200 }, sinks: [{}] },
    });
    expect(await get('/api/account?device=kitchen')).toMatchObject({
      status: 200,
      body: { device: 'kitchen' },
    });
    expect(await get('/api/account?device=cellar')).toMatchObject({
      status: 404,
      body: { error: { code: 'not-found' } },
    });
  });

  test('rejections are filtered, and shown with their raw bytes in base64', async () => {
    const operations = fakeOperations();
    const get = await serve(operations);
    expect((await get('/api/rejected?code=invalid&device=d&client=c&limit=7')).status).toBe(200);
    expect(operations.asked).toEqual([{ code: 'invalid', device: 'd', client: 'c', limit: 7 }]);
    expect(await get('/api/rejected/r1')).toMatchObject({
      status: 200,
      body: { payloadBase64: REJECTION.payloadBase64, payloadText: '"\\x1b"' },
    });
    expect((await get('/api/rejected/r2')).status).toBe(404);
  });

  test('every filter of rejections is passed on, and causes are there too', async () => {
    const operations = fakeOperations();
    const get = await serve(operations);
    const query = 'topic=sensors/%2B/x&schema=s.v1&sink=influx&since=2h&until=2026-03-01&state=all';
    expect((await get(`/api/rejected?${query}`)).status).toBe(200);
    expect(await get(`/api/rejected/causes?${query}&after=x`)).toMatchObject({ body: { causes: [CAUSE] } });
    const filter = {
      ...{ topic: 'sensors/+/x', schema: 's.v1', sink: 'influx' },
      ...{ since: '2h', until: '2026-03-01', state: 'all' },
    };
    expect(operations.asked).toEqual([filter, { query: filter, after: 'x' }]);
    expect((await get('/api/rejected?state=nonsense')).status).toBe(400);
  });

  test('an export is one object a line, read page by page, and stops where it was told to', async () => {
    const asked: unknown[] = [];
    const { schemaThen: _then, schemaNow: _now, today: _today, ...record } = REJECTION;
    const rejectedRecords: Operations['rejectedRecords'] = async (query, after, limit) => {
      asked.push([query, after, limit]);
      if (query.since === 'never') throw new GatewayError('usage', 'never is no time');
      const place = Number(after ?? 0);
      const rejections = Array.from({ length: Math.min(limit, 100) }, () => record);
      return { rejections, next: place < 2 ? String(place + 1) : null };
    };
    const get = await serve(fakeOperations({ rejectedRecords }));
    const { body, headers } = await get('/api/rejected/export?device=d');
    const lines = String(body).trimEnd().split('\n');
    expect(headers['content-type']).toBe('application/x-ndjson');
    expect([lines.length, JSON.parse(lines[299] ?? '')]).toEqual([300, record]);
    expect(asked.map((each) => JSON.stringify(each))).toEqual([
      '[{"device":"d"},null,100]',
      '[{"device":"d"},"1",100]',
      '[{"device":"d"},"2",100]',
    ]);
    expect(
      String((await get('/api/rejected/export?limit=130')).body)
        .trimEnd()
        .split('\n'),
    ).toHaveLength(130);
    expect(await get('/api/rejected/export?since=never')).toMatchObject({ status: 400 });
  });

  test('replay and discard are asked for page by page, and only in so many words', async () => {
    const operations = fakeOperations();
    const ask = await serve(operations);
    const json = { 'content-type': 'application/json' };
    const post = (path: string, body: unknown): Promise<Answer> =>
      ask(path, json, 'POST', JSON.stringify(body));
    expect(await post('/api/rejected/replay', { ids: ['r1'], dryRun: true })).toMatchObject({
      ...{ status: 200, body: { stored: 499 } },
    });
    await post('/api/rejected/replay', { filter: { code: 'invalid' }, after: 'x', limit: 9, run: 'mine' });
    expect(await post('/api/rejected/discard', { all: true })).toMatchObject({ body: { discarded: 3 } });
    const page = { after: null, limit: 500 };
    expect(operations.asked).toEqual([
      { selection: { ids: ['r1'] }, ...page, dryRun: true, run: null },
      { selection: { filter: { code: 'invalid' } }, after: 'x', limit: 9, dryRun: false, run: 'mine' },
      { selection: { all: true }, ...page },
    ]);
    for (const body of [
      { filter: { limit: 3 } },
      { every: true },
      { ids: [] },
      { filter: { code: 'x' } },
      [],
    ])
      expect((await post('/api/rejected/discard', body)).status, JSON.stringify(body)).toBe(400);
  });

  test('a form of a page elsewhere changes nothing: what it can send is no JSON', async () => {
    const operations = fakeOperations();
    const ask = await serve(operations);
    const body = JSON.stringify({ all: true });
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      '',
    ])
      for (const path of ['/api/rejected/discard', '/api/rejected/replay']) {
        const headers: Record<string, string> = type === '' ? {} : { 'content-type': type };
        const { status } = await ask(path, headers, 'POST', body);
        expect([400, 415], `${path} ${type}`).toContain(status);
      }
    const json = { 'content-type': 'application/json' };
    const elsewhere = { ...json, host: 'localhost:1', origin: 'http://evil.example' };
    expect((await ask('/api/rejected/discard', elsewhere, 'POST', body)).status).toBe(403);
    expect(operations.asked).toEqual([]);
  });

  test('another replay under way is a conflict', async () => {
    const replay: Operations['replay'] = async () => {
      throw new GatewayError('replay-busy', 'another replay is under way');
    };
    const ask = await serve(fakeOperations({ replay }));
    const json = { 'content-type': 'application/json' };
    expect(await ask('/api/rejected/replay', json, 'POST', '{"all":true}')).toMatchObject({
      ...{ status: 409, body: { error: { code: 'replay-busy' } } },
    });
  });

  test('devices, series and fields', async () => {
    const operations = fakeOperations();
    const get = await serve(operations);
    expect(await get('/api/devices?silent=true')).toMatchObject({ status: 200, body: [DEVICE] });
    expect(await get('/api/devices/kitchen')).toMatchObject({ status: 200, body: { known: DEVICE } });
    expect((await get('/api/devices/a%2Fb')).status).toBe(404);
    expect(await get('/api/series')).toMatchObject({ status: 200, body: { total: 80 } });
    expect(await get('/api/fields')).toMatchObject({ status: 200, body: [{ field: 'temperature' }] });
    expect(operations.asked).toEqual([{ silent: true }, 'kitchen', 'a/b']);
    expect((await get('/api/devices?silent=perhaps')).status).toBe(400);
  });

  test('what is not understood is refused in words, not ignored', async () => {
    const get = await serve();
    for (const path of [
      '/api/rejected?code=nonsense',
      '/api/rejected?limit=0',
      '/api/rejected?limit=1e9',
      '/api/account?devise=kitchen',
      '/api/account?device=a&device=b',
    ])
      expect(await get(path), path).toMatchObject({ status: 400, body: { error: { code: 'usage' } } });
    expect(await get('/nope')).toMatchObject({ status: 404, body: { error: { code: 'not-found' } } });
    expect((await get('/api/account', {}, 'POST')).status).toBe(404);
    expect((await get(`/api/rejected/${'x'.repeat(500)}`)).status).toBeGreaterThanOrEqual(400);
  });

  test('who asks for what there is not is told what there is', async () => {
    const get = await serve();
    expect((await get('/api/rejected?code=bogus')).body).toMatchObject({
      error: { message: expect.stringContaining('undecodable, no-route, invalid') },
    });
  });

  test('metrics are there for Prometheus', async () => {
    const get = await serve();
    const { status, headers } = await get('/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/plain/);
  });

  test('a failure inside is reported there and tells nothing outside', async () => {
    const failures: unknown[] = [];
    const get = await serve(
      fakeOperations({
        topics: async () => {
          throw new TypeError('secret detail');
        },
      }),
      (route, error) => failures.push([route, String(error)]),
    );
    const { status, body } = await get('/api/topics');
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(failures).toEqual([['/api/topics', 'TypeError: secret detail']]);
  });

  test('a page elsewhere cannot ask it, by name or by origin', async () => {
    const get = await serve();
    expect((await get('/api/account', { host: 'evil.example' })).status).toBe(421);
    expect((await get('/api/account', { host: 'localhost:1', origin: 'http://evil.example' })).status).toBe(
      403,
    );
    expect((await get('/api/account', { host: 'localhost:1', origin: 'null' })).status).toBe(403);
    expect((await get('/api/account', { host: 'localhost:1', origin: 'http://localhost:1' })).status).toBe(
      200,
    );
  });

  test('answers are not kept, sniffed or shared', async () => {
    const { headers } = await (await serve())('/api/account');
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
  });

  test('a port in use is one clear error', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const options = { operations: fakeOperations(), registry: new Registry(), onFailure: () => undefined };
    try {
      await expect(createApi({ host: '127.0.0.1', port, ...options }).start()).rejects.toMatchObject({
        code: 'address-in-use',
        message: expect.stringContaining(`127.0.0.1:${port}`),
      });
      await expect(createApi({ host: '203.0.113.7', port: 0, ...options }).start()).rejects.toMatchObject({
        code: 'address-unavailable',
      });
    } finally {
      taken.close();
    }
  });
});

describe('whose request it is', () => {
  const loopback = { host: '127.0.0.1' };

  test('on loopback only loopback’s own names lead here', () => {
    for (const host of [
      'localhost',
      'localhost:8080',
      'LOCALHOST',
      '127.0.0.1:8080',
      '127.5.5.5',
      '[::1]:8080',
    ])
      expect(isAllowedHost(host, loopback), host).toBe(true);
    for (const host of [
      'evil.example',
      '127.0.0.1.evil.example',
      '192.168.1.5',
      'localhost.evil',
      '',
      '[::1',
      'a b',
    ])
      expect(isAllowedHost(host, loopback), host).toBe(false);
    expect(isAllowedHost(undefined, loopback)).toBe(false);
  });

  test('listening to the network, addresses do too, and the configured name', () => {
    expect(isAllowedHost('192.168.1.5:8080', { host: '0.0.0.0' })).toBe(true);
    expect(isAllowedHost('gateway.lan', { host: 'gateway.lan' })).toBe(true);
    expect(isAllowedHost('evil.example', { host: '0.0.0.0' })).toBe(false);
  });

  test('an origin must be the host that is asked', () => {
    expect(isAllowedOrigin(undefined, 'localhost')).toBe(true);
    expect(isAllowedOrigin('http://localhost:8080', 'localhost:8080')).toBe(true);
    for (const origin of ['http://localhost:9090', 'https://evil.example', 'null', 'file://', ''])
      expect(isAllowedOrigin(origin, 'localhost:8080'), origin).toBe(false);
  });
});
