/** InfluxDB 2 is not on this machine: a server that answers as its documentation says, in pieces cut anywhere. */
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { StoredRow } from '../../../device-sim/audit/audit-contract.ts';
import { createInfluxStore } from '../../../device-sim/audit/influx-store.ts';
import type { Packed } from '../../../device-sim/audit/messagepack.ts';
import { pack } from './pack.ts';

interface Asked {
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly body: string;
}

async function fakeInflux(answer: {
  status?: number;
  type?: string;
  pieces: readonly Buffer[];
}): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const url = new URL(request.url ?? '', 'http://x');
      asked.push({ url, authorization: request.headers.authorization, body });
      response.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'application/x-msgpack' });
      const write = (i: number): void => {
        const piece = answer.pieces[i];
        if (piece === undefined) response.end();
        else response.write(piece, () => setImmediate(write, i + 1));
      };
      write(0);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, asked };
}

/** One that more pieces follow. */
function partOf(...values: readonly (readonly Packed[])[]): Buffer {
  return answerOf({ partial: true }, ...values);
}

function answerOf(...all: readonly (readonly Packed[] | { readonly partial: true })[]): Buffer {
  const values = all.filter((each) => Array.isArray(each));
  const more: [string, Packed][] = values.length < all.length ? [['partial', true]] : [];
  const series = new Map<string, Packed>([
    ['name', 'env'],
    [
      'tags',
      new Map([
        ['device', 'd0'],
        ['site', ''],
      ]),
    ],
    ['columns', ['time', 'i', 'f', 's', 'b', 'none']],
    ['values', values],
  ]);
  return pack(
    new Map<string, Packed>([['results', [new Map<string, Packed>([['series', [series]], ...more])]]]),
  );
}

const ACCESS = { bucket: 'b', org: null, token: null, username: null, password: null };
const RANGE = { fromNs: -5n, toNs: 1_700_000_000_000_000_001n };

async function rowsOf(access: Parameters<typeof createInfluxStore>[0]): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for await (const row of createInfluxStore(access).rows('e"n\\v', [RANGE])) rows.push(row);
  return rows;
}

describe('asking InfluxDB', () => {
  it('puts together an answer that comes in pieces, with all types and digits', async () => {
    const bytes = Buffer.concat([
      partOf([1n, 2n ** 62n + 1n, 5, '', true, null]),
      answerOf([1_700_000_000_000_000_001n, 5n, 5.25, 'ä', false, null]),
    ]);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) =>
      bytes.subarray(i * 7, i * 7 + 7),
    );
    const { url } = await fakeInflux({ pieces });
    const rows = await rowsOf({ ...ACCESS, url });
    expect(rows.map(({ timeNs }) => timeNs)).toEqual([1n, 1_700_000_000_000_000_001n]);
    expect([...(rows[0]?.tags ?? [])]).toEqual([['device', 'd0']]);
    expect(rows[0]?.fields).toEqual([
      { name: 'i', kind: 'i', value: 2n ** 62n + 1n },
      { name: 'f', kind: 'f', value: 5 },
      { name: 's', kind: 's', value: '' },
      { name: 'b', kind: 'b', value: true },
    ]);
  });

  it('shows a token, or user and password, and asks for no more than it needs', async () => {
    const { url, asked } = await fakeInflux({ pieces: [answerOf()] });
    await rowsOf({ ...ACCESS, url, token: 'secret', org: 'home' });
    await rowsOf({ ...ACCESS, url: url.replace('://', '://me:p%40ss@') });
    expect(asked[0]?.authorization).toBe('Token secret');
    expect(asked[0]?.url.searchParams.get('org')).toBe('home');
    expect(asked[0]?.url.searchParams.get('db')).toBe('b');
    expect(new URLSearchParams(asked[0]?.body).get('q')).toBe(
      'SELECT * FROM "e\\"n\\\\v" WHERE time >= -5 AND time < 1700000000000000001 GROUP BY *',
    );
    expect(asked[1]?.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  });

  it('tells in words what went wrong: refused, an error in the answer, cut short, another kind of server', async () => {
    const wrong = await fakeInflux({
      status: 401,
      type: 'text/plain',
      pieces: [Buffer.from('unauthorized')],
    });
    await expect(rowsOf({ ...ACCESS, url: wrong.url })).rejects.toThrow('401: unauthorized');
    const error = pack(new Map<string, Packed>([['error', 'database not found: b']]));
    await expect(rowsOf({ ...ACCESS, url: (await fakeInflux({ pieces: [error] })).url })).rejects.toThrow(
      'database not found',
    );
    const half = await fakeInflux({ pieces: [answerOf([1n, 1n, 1, '', true, null]).subarray(0, 40)] });
    await expect(rowsOf({ ...ACCESS, url: half.url })).rejects.toThrow('ends in the middle');
    const first = await fakeInflux({ pieces: [partOf([1n, 1n, 1, '', true, null])] });
    await expect(rowsOf({ ...ACCESS, url: first.url })).rejects.toThrow('ends in the middle');
    const nothing = await fakeInflux({ pieces: [] });
    await expect(rowsOf({ ...ACCESS, url: nothing.url })).rejects.toThrow('ends in the middle');
    const json = await fakeInflux({ type: 'application/json', pieces: [Buffer.from('{}')] });
    await expect(rowsOf({ ...ACCESS, url: json.url })).rejects.toThrow('no InfluxDB 1 or 2');
    await expect(rowsOf({ ...ACCESS, url: 'nonsense' })).rejects.toThrow('no address');
  });
});
