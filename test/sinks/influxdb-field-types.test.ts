import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { InfluxOptions } from '../../gateway/sinks/influxdb.ts';
import { type FieldTypes, readFieldTypes } from '../../gateway/sinks/influxdb-field-types.ts';
import { influxAt } from '../support/influx-sink.ts';
import { startInfluxd, startVictoriaMetrics } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';

function options(url: string, rest: Partial<InfluxOptions> = {}): InfluxOptions {
  return influxAt(url, { version: 1, database: 'my db', gzip: false, ...rest });
}

function asObject(types: FieldTypes | null): unknown {
  if (types === null) return null;
  return Object.fromEntries([...types].map(([name, fields]) => [name, Object.fromEntries(fields)]));
}

const never = new AbortController().signal;

describe('the field types of an InfluxDB', () => {
  const asked: { url: string; authorization: string | undefined }[] = [];
  let respond: (response: ServerResponse) => void;
  let url = '';
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization });
    if (request.url === '/ping') response.writeHead(204, { 'x-influxdb-version': 'v2.7.1' }).end();
    else respond(response);
  });

  beforeEach(async () => {
    asked.length = 0;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const answering = (value: unknown, status = 200): void => {
    respond = (response) => response.writeHead(status).end(JSON.stringify(value));
  };
  const series = (name: string, values: unknown[][]): unknown => ({
    name,
    columns: ['fieldKey', 'fieldType'],
    values,
  });

  test('are asked of version 2 by InfluxQL, with its token', async () => {
    answering({ results: [{ series: [series('air', [['t', 'float']])] }] });
    const types = await readFieldTypes(
      options(url, { version: 'auto', database: null, bucket: 'b', org: 'o', token: 't0ken' }),
      never,
    );
    expect(asObject(types)).toEqual({ air: { t: ['float'] } });
    expect(asked).toEqual([
      { url: '/ping', authorization: 'Token t0ken' },
      { url: '/query?db=b&q=SHOW+FIELD+KEYS', authorization: 'Token t0ken' },
    ]);
  });

  test('are asked of version 3 by SQL; tags and the time are none', async () => {
    const row = (column_name: string, data_type: string): unknown => ({
      table_name: 'air',
      column_name,
      data_type,
    });
    answering([
      row('t', 'Float64'),
      row('n', 'Int64'),
      row('s', 'Utf8'),
      row('b', 'Boolean'),
      row('u', 'UInt64'),
      row('device', 'Dictionary(Int32, Utf8)'),
      row('time', 'Timestamp(Nanosecond, None)'),
    ]);
    const types = await readFieldTypes(options(url, { version: 3, bucket: 'b', token: 't0ken' }), never);
    expect(asObject(types)).toEqual({ air: { t: ['float'], n: ['integer'], s: ['string'], b: ['boolean'] } });
    expect(asked[0]).toMatchObject({ authorization: 'Bearer t0ken' });
    expect(new URL(asked[0]?.url ?? '', url).searchParams.get('db')).toBe('b');
  });

  test('come with every type that a field has; one that the gateway never writes is left out', async () => {
    const values = [
      ['t', 'float'],
      ['t', 'integer'],
      ['t', 'float'],
      ['u', 'unsigned'],
    ];
    answering({ results: [{ series: [series('air', values)] }] });
    expect(asObject(await readFieldTypes(options(url), never))).toEqual({ air: { t: ['float', 'integer'] } });
  });

  test('an empty database has none', async () => {
    answering({ results: [{ statement_id: 0 }] });
    expect(asObject(await readFieldTypes(options(url), never))).toEqual({});
  });

  test.each<[string, unknown, number]>([
    ['a missing database', { results: [{ error: 'database not found: d' }] }, 200],
    ['no right to read', { error: 'unauthorized access' }, 401],
    ['another kind of server', { results: [{ series: [{ name: 'databases', columns: ['name'] }] }] }, 200],
    ['a page of a proxy', '<html>', 200],
    ['nonsense', { results: [null] }, 200],
    ['nonsense of another kind', null, 200],
  ])('cannot be told with %s', async (_, value, status) => {
    answering(value, status);
    expect(await readFieldTypes(options(url), never)).toBeNull();
    expect(await readFieldTypes(options(url, { version: 3, bucket: 'b' }), never)).toBeNull();
  });

  test('cannot be told where the answer is too long to be read at once, or none comes', async () => {
    const many = Array.from({ length: 200_000 }, (_, i) => [`field${i}`, 'float']);
    answering({ results: [{ series: [series('air', many)] }] });
    expect(await readFieldTypes(options(url), never)).toBeNull();
    respond = () => undefined;
    expect(await readFieldTypes(options(url, { timeoutMs: 50 }), never)).toBeNull();
    expect(await readFieldTypes(options('http://127.0.0.1:1', { version: 'auto' }), never)).toBeNull();
    expect(await readFieldTypes(options(url), AbortSignal.abort())).toBeNull();
  });

  test('are bounded: so many measurements, so many fields each', async () => {
    const wide = Array.from({ length: 1500 }, (_, i) => [`f${i}`, 'float']);
    const tables = Array.from({ length: 2500 }, (_, i) => series(`m${i}`, i === 0 ? wide : [['f', 'float']]));
    answering({ results: [{ series: tables }] });
    const types = await readFieldTypes(options(url), never);
    expect(types?.size).toBe(2000);
    expect(types?.get('m0')?.size).toBe(1000);
  });
});

describeWith(['influxd'], 'the field types of a real InfluxDB 1.6.7', () => {
  test('are read as it holds them, of each shard, with names of any kind', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('my db');
    for (const lines of [
      'air,device=a t=1,n=2i,s="x",b=true 1700000000000000000\nwater\\ flow,device=a \\"l\\"=1i 1700000000000000000',
      'air,device=a t=1i 1500000000000000000',
    ]) {
      const written = await fetch(`${influx.url}/write?db=my+db`, { method: 'POST', body: lines });
      expect(written.status).toBe(204);
    }
    const types = await readFieldTypes(options(influx.url, { version: 'auto' }), never);
    expect(types?.get('air')?.get('t')?.toSorted()).toEqual(['float', 'integer']);
    expect(types?.get('air')?.get('n')).toEqual(['integer']);
    expect(types?.get('air')?.get('s')).toEqual(['string']);
    expect(types?.get('air')?.get('b')).toEqual(['boolean']);
    expect([...(types?.get('water flow')?.values() ?? [])]).toEqual([['integer']]);
    expect(await readFieldTypes(options(influx.url, { database: 'none' }), never)).toBeNull();
    await influx.stop();
  });
});

describeWith(['victoria-metrics'], 'VictoriaMetrics', () => {
  test('keeps no types, and is not taken for an empty database', async () => {
    const server = await startVictoriaMetrics();
    expect(await readFieldTypes(options(server.url), never)).toBeNull();
    await server.stop();
  });
});
