import type { DigestField } from '../field-digest.ts';
import type { AuditStore, StoredRow, TimeRange } from './audit-contract.ts';
import { IncompleteError, type Packed, unpack } from './messagepack.ts';

export interface InfluxAccess {
  readonly url: string;
  /** Database (version 1) or bucket (version 2, through its `/query` of version 1: the bucket needs a DBRP mapping). */
  readonly bucket: string;
  readonly org: string | null;
  readonly token: string | null;
  readonly username: string | null;
  readonly password: string | null;
}

const ROWS_A_PIECE = 5000;
const MOST_ANSWER_BYTES = 256 * 1024 * 1024;
const MESSAGEPACK = 'application/x-msgpack';

/**
 * InfluxDB 1 and 2, asked by InfluxQL. The answer is MessagePack, in pieces: JSON would lose the digits of large integers
 * and whether 5 is a float, CSV the difference between an empty text and none.
 */
export function createInfluxStore(given: InfluxAccess): AuditStore {
  const access = withoutUserInfo(given);
  return {
    name: `InfluxDB, ${access.bucket}`,
    resolutionNs: 1n,
    tellsFields: true,
    async *rows(measurement, ranges) {
      for (const range of ranges) yield* rowsOf(access, measurement, range);
    },
    close: async () => {},
  };
}

/** `http://user:password@host` is understood too. */
function withoutUserInfo(access: InfluxAccess): InfluxAccess {
  if (!URL.canParse(access.url)) throw new Error(`${access.url} is no address of an InfluxDB`);
  const url = new URL(access.url);
  const username = access.username ?? (url.username === '' ? null : decodeURIComponent(url.username));
  const password = access.password ?? (url.password === '' ? null : decodeURIComponent(url.password));
  url.username = '';
  url.password = '';
  return { ...access, url: url.href, username, password };
}

async function* rowsOf(
  access: InfluxAccess,
  measurement: string,
  { fromNs, toNs }: TimeRange,
): AsyncGenerator<StoredRow, undefined> {
  const query = `SELECT * FROM ${identifier(measurement)} WHERE time >= ${fromNs} AND time < ${toNs} GROUP BY *`;
  const response = await ask(access, query);
  if (response.body === null) throw new Error('InfluxDB gave an empty answer');
  let held = Buffer.alloc(0);
  // A piece is tried again only when much more of it is there: not for every packet.
  let tryAt = 1;
  let last: Packed = null;
  for await (const part of response.body) {
    held = Buffer.concat([held, part]);
    if (held.length < tryAt) continue;
    if (held.length > MOST_ANSWER_BYTES) throw new Error('InfluxDB gave a piece of an answer beyond 256 MiB');
    let at = 0;
    tryAt = 1;
    while (at < held.length) {
      const piece = unpackOrNull(held, at);
      if (piece === null) {
        tryAt = Math.ceil((held.length - at) * 1.5);
        break;
      }
      yield* rowsIn(piece.value);
      last = piece.value;
      at = piece.end;
    }
    held = held.subarray(at);
  }
  for (let at = 0; at < held.length; ) {
    const { value, end } = unpack(held, at);
    yield* rowsIn(value);
    last = value;
    at = end;
  }
  if (!isLast(last)) throw new Error('InfluxDB gave an answer that ends in the middle');
  return undefined;
}

/** Each piece of a longer answer says that there is more (`partial`); cut between two pieces it would look whole. */
function isLast(piece: Packed): boolean {
  const result = listOf(piece, 'results').at(-1);
  return result instanceof Map && result.get('partial') !== true;
}

async function ask({ url, bucket, ...access }: InfluxAccess, query: string): Promise<Response> {
  const target = new URL('query', url.endsWith('/') ? url : `${url}/`);
  target.searchParams.set('db', bucket);
  target.searchParams.set('epoch', 'ns');
  target.searchParams.set('chunked', 'true');
  target.searchParams.set('chunk_size', String(ROWS_A_PIECE));
  if (access.org !== null) target.searchParams.set('org', access.org);
  const headers = new Headers({ accept: MESSAGEPACK, 'content-type': 'application/x-www-form-urlencoded' });
  if (access.token !== null) headers.set('authorization', `Token ${access.token}`);
  else if (access.username !== null) {
    const pair = `${access.username}:${access.password ?? ''}`;
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`);
  }
  let response: Response;
  try {
    response = await fetch(target, { method: 'POST', headers, body: new URLSearchParams({ q: query }) });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
    throw new Error(`InfluxDB does not answer at ${target.origin}: ${cause || String(error)}`, {
      cause: error,
    });
  }
  if (!response.ok) {
    throw new Error(`InfluxDB answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
  }
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith(MESSAGEPACK)) {
    throw new Error(`the server does not answer in MessagePack (but ${type}): it is no InfluxDB 1 or 2`);
  }
  return response;
}

function unpackOrNull(bytes: Buffer, at: number): { value: Packed; end: number } | null {
  try {
    return unpack(bytes, at);
  } catch (error) {
    if (error instanceof IncompleteError) return null;
    throw error;
  }
}

function* rowsIn(answer: Packed): Generator<StoredRow, undefined> {
  fail(answer);
  for (const result of listOf(answer, 'results')) {
    fail(result);
    for (const series of listOf(result, 'series')) {
      const tags = new Map<string, string>();
      const found = series instanceof Map ? series.get('tags') : undefined;
      if (found instanceof Map) {
        for (const [name, value] of found) {
          // InfluxDB gives each tag of the measurement; an empty one is not there.
          if (typeof value === 'string' && value !== '') tags.set(name, value);
        }
      }
      const columns = listOf(series, 'columns').map(String);
      const timeAt = columns.indexOf('time');
      for (const values of listOf(series, 'values')) {
        if (!Array.isArray(values)) continue;
        const timeNs = values[timeAt];
        if (typeof timeNs !== 'bigint') throw new Error('InfluxDB gave a row without a time');
        yield { timeNs, tags, fields: fieldsOf(columns, values, timeAt) };
      }
    }
  }
  return undefined;
}

function fieldsOf(columns: readonly string[], values: readonly Packed[], timeAt: number): DigestField[] {
  const fields: DigestField[] = [];
  for (const [i, name] of columns.entries()) {
    const value = values[i];
    if (i === timeAt) continue;
    if (typeof value === 'bigint') fields.push({ name, kind: 'i', value });
    else if (typeof value === 'number') fields.push({ name, kind: 'f', value });
    else if (typeof value === 'string') fields.push({ name, kind: 's', value });
    else if (typeof value === 'boolean') fields.push({ name, kind: 'b', value });
  }
  return fields;
}

function fail(part: Packed): void {
  const error = part instanceof Map ? part.get('error') : undefined;
  if (error !== undefined) throw new Error(`InfluxDB: ${String(error)}`);
}

function listOf(part: Packed, key: string): readonly Packed[] {
  const list = part instanceof Map ? part.get(key) : undefined;
  return Array.isArray(list) ? list : [];
}

function identifier(name: string): string {
  return `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
