import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createInfluxSink, type InfluxOptions } from '../../gateway/sinks/influxdb.ts';
import { influxAt } from '../support/influx-sink.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly port: number;
}

const LINES = Buffer.from('m,device=é f=1 1\nm f=2 2\n');
const never = new AbortController().signal;

describe('the InfluxDB sink', () => {
  const seen: Seen[] = [];
  let respond: (response: ServerResponse, request: Seen) => void;
  let url = '';
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const packed = request.headers['content-encoding'] === 'gzip';
      const one = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: (packed ? gunzipSync(raw) : raw).toString('utf8'),
        port: request.socket.remotePort ?? 0,
      };
      seen.push(one);
      respond(response, one);
    });
  });

  beforeEach(async () => {
    seen.length = 0;
    respond = (response) => response.writeHead(204).end();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  function options(rest: Partial<InfluxOptions>): InfluxOptions {
    return influxAt(url, { version: 1, database: 'my db', ...rest });
  }
  async function writeOnce(
    rest: Partial<InfluxOptions>,
  ): Promise<{ decision: unknown; request: Seen | undefined }> {
    const sink = createInfluxSink(options(rest));
    await sink.open('store', 1_000_000, never);
    const decision = await sink.write(LINES, 1, never);
    await sink.close();
    return { decision, request: seen.find(({ method }) => method === 'POST') };
  }

  it('writes to version 1 with its user in a header, never in the url', async () => {
    const { decision, request } = await writeOnce({ username: 'me', password: 'pass word' });
    expect(decision).toEqual({ kind: 'written' });
    expect(request).toMatchObject({ url: '/write?db=my+db&precision=ns', body: LINES.toString() });
    expect(request?.headers.authorization).toBe(`Basic ${Buffer.from('me:pass word').toString('base64')}`);
  });

  it('writes to version 2 with its token', async () => {
    const { request } = await writeOnce({ version: 2, org: 'o', bucket: 'b/c', token: 't0ken' });
    expect(request?.url).toBe('/api/v2/write?org=o&bucket=b%2Fc&precision=ns');
    expect(request?.headers.authorization).toBe('Token t0ken');
    expect(request?.headers['content-encoding']).toBeUndefined();
  });

  it('packs when told to', async () => {
    const { decision, request } = await writeOnce({ gzip: true });
    expect(decision).toEqual({ kind: 'written' });
    expect(request).toMatchObject({ body: LINES.toString() });
    expect(request?.headers['content-encoding']).toBe('gzip');
  });

  it.each([
    ['1.8.10', '/write?db=d&precision=ns'],
    ['v2.7.1', '/api/v2/write?org=o&bucket=b&precision=ns'],
    ['3.0.1', '/api/v3/write_lp?db=b&precision=nanosecond&accept_partial=true'],
  ])('asks a server for its version: %s', async (version, path) => {
    respond = (response) => response.writeHead(204, { 'x-influxdb-version': version }).end();
    const { request } = await writeOnce({
      version: 'auto',
      database: 'd',
      org: 'o',
      bucket: 'b',
      token: 't',
    });
    expect(seen[0]).toMatchObject({ method: 'GET', url: '/ping' });
    expect(request?.url).toBe(path);
    expect(request?.headers.authorization).toBe(version.startsWith('3') ? 'Bearer t' : 'Token t');
  });

  it('never guesses a version: it does not open where the answer does not tell, or none comes', async () => {
    respond = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    const sink = createInfluxSink(options({ version: 'auto' }));
    await expect(sink.open('store', 1_000_000, never)).rejects.toMatchObject({ code: 'sink-unavailable' });
    const nobody = createInfluxSink(options({ version: 'auto', url: 'http://127.0.0.1:9' }));
    await expect(nobody.open('store', 1_000_000, never)).rejects.toMatchObject({ code: 'sink-unavailable' });
    respond = (response) => response.writeHead(204, { 'x-influxdb-version': 'v2.1.0' }).end();
    const lacking = createInfluxSink(options({ version: 'auto', database: null }));
    await expect(lacking.open('store', 1_000_000, never)).rejects.toMatchObject({ code: 'config-invalid' });
  });

  it('believes 201 of a server that says it is InfluxDB 3, and of no other', async () => {
    respond = (response) => response.writeHead(201, { 'x-influxdb-version': '3.0.1' }).end();
    expect((await writeOnce({ version: 3, bucket: 'b' })).decision).toEqual({ kind: 'written' });
    respond = (response) => response.writeHead(201).end();
    expect((await writeOnce({ version: 3, bucket: 'b' })).decision).toMatchObject({ kind: 'pause' });
    expect((await writeOnce({ version: 2, bucket: 'b' })).decision).toMatchObject({ kind: 'pause' });
  });

  it('asks for the version anew after a pause: another server may answer there by now', async () => {
    let version = '1.8.10';
    respond = (response, { url: path }) => {
      const here = path.startsWith('/write') === version.startsWith('1');
      response.writeHead(path === '/ping' || here ? 204 : 404, { 'x-influxdb-version': version }).end();
    };
    const sink = createInfluxSink(options({ version: 'auto', bucket: 'b' }));
    await sink.open('store', 1_000_000, never);
    expect(await sink.write(LINES, 1, never)).toEqual({ kind: 'written' });
    version = 'v2.0.0';
    expect(await sink.write(LINES, 2, never)).toMatchObject({ kind: 'pause' });
    expect(await sink.write(LINES, 2, never)).toEqual({ kind: 'written' });
    await sink.close();
  });

  it('keeps its connection alive', async () => {
    const sink = createInfluxSink(options({}));
    await sink.open('store', 1_000_000, never);
    for (let i = 0; i < 5; i += 1) expect(await sink.write(LINES, i, never)).toEqual({ kind: 'written' });
    await sink.close();
    expect(new Set(seen.map(({ port }) => port)).size).toBe(1);
  });

  it('does not follow a redirect', async () => {
    respond = (response, { url: path }) =>
      path.startsWith('/write')
        ? response.writeHead(307, { location: `${url}/elsewhere` }).end()
        : response.writeHead(204).end();
    expect((await writeOnce({})).decision).toMatchObject({ kind: 'pause' });
    expect(seen).toHaveLength(1);
  });

  it('shows no secret, though a page that shows the request does', async () => {
    respond = (response, { headers }) =>
      response.writeHead(403).end(`you sent ${String(headers.authorization)}`);
    const { decision } = await writeOnce({ version: 2, bucket: 'b', token: 'very-secret' });
    expect(decision).toMatchObject({ kind: 'pause', reason: expect.stringContaining('***') });
    expect(JSON.stringify(decision)).not.toContain('very-secret');
  });

  it('gives up waiting, without a stray request, for a server that accepts and says nothing', async () => {
    respond = () => undefined;
    const { decision } = await writeOnce({ timeoutMs: 150 });
    expect(decision).toMatchObject({ kind: 'retry', reason: 'no answer in time' });
  });

  it('ends a request at once when told to stop', async () => {
    const stop = new AbortController();
    respond = () => stop.abort();
    const sink = createInfluxSink(options({}));
    await sink.open('store', 1_000_000, never);
    expect(await sink.write(LINES, 1, stop.signal)).toMatchObject({ kind: 'retry' });
    await sink.close();
  });

  it('stays small when an answer never ends', async () => {
    respond = (response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      const chunk = Buffer.alloc(1024 * 1024, 0x20);
      const pour = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    };
    const { decision } = await writeOnce({});
    expect(decision).toMatchObject({ kind: 'retry' });
  });

  it('survives a connection that breaks in the middle of an answer', async () => {
    respond = (response) => {
      response.writeHead(400, { 'content-length': '1000', 'content-type': 'application/json' });
      response.write('{"error":"partial', () => response.destroy());
    };
    expect((await writeOnce({})).decision).toMatchObject({ kind: 'retry' });
  });
});
