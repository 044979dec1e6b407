/** An HTTP server in front of InfluxDB, or in its place: answers as told, passes on, and keeps what was written. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';

export type Answer =
  /** To the real server, and its answer back. Without a real one: 204. */
  | 'pass'
  | {
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Only for bodies larger than this (before compression); smaller ones pass. */
      readonly aboveBytes?: number;
    };

export interface InfluxFront {
  readonly url: string;
  readonly port: number;
  /** What writes are answered from now on. `/ping` and queries always pass. */
  answer(how: Answer): void;
  /** Writes that came while the answer was not `pass`. */
  refused(): number;
  /** Writes that the real server answered with anything but 204, with its words. */
  failures(): readonly string[];
  /** Lines that were written (passed), in order. */
  lines(): readonly string[];
  close(): Promise<void>;
}

/** `upstream`: the real server's URL; null plays an InfluxDB 1.8 that takes everything. */
export async function startInfluxFront(upstream: string | null = null): Promise<InfluxFront> {
  let how: Answer = 'pass';
  let refused = 0;
  const lines: string[] = [];
  const failures: string[] = [];

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const raw = Buffer.concat(chunks);
    const isWrite = request.method === 'POST' && (request.url ?? '').includes('write');
    const text = isWrite && request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
    if (isWrite && how !== 'pass' && text.length > (how.aboveBytes ?? -1)) {
      refused += 1;
      response.writeHead(how.status, how.headers ?? {}).end(how.body);
      return;
    }
    if (upstream === null) {
      if (isWrite) keep(text.toString());
      response.writeHead(204, { 'x-influxdb-version': '1.8.10', 'x-influxdb-build': 'OSS' }).end();
      return;
    }
    const headers = new Headers();
    for (const name of ['authorization', 'content-type', 'content-encoding'] as const) {
      const value = request.headers[name];
      if (value !== undefined) headers.set(name, value);
    }
    const passed = await fetch(upstream + (request.url ?? ''), {
      method: request.method ?? 'GET',
      headers,
      ...(raw.length > 0 ? { body: raw } : {}),
    });
    if (isWrite && passed.status === 204) keep(text.toString());
    const version = passed.headers.get('x-influxdb-version');
    response.writeHead(passed.status, {
      ...(version === null ? {} : { 'x-influxdb-version': version, 'x-influxdb-build': 'OSS' }),
      'content-type': passed.headers.get('content-type') ?? 'text/plain',
    });
    const answer = Buffer.from(await passed.arrayBuffer());
    if (isWrite && passed.status !== 204) failures.push(`${passed.status} ${answer.toString()}`);
    response.end(answer);
  };
  const keep = (body: string): void => {
    for (const line of body.split('\n')) if (line !== '') lines.push(line);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    answer: (next) => {
      how = next;
    },
    refused: () => refused,
    failures: () => failures,
    lines: () => lines,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
