/** Which types the fields have that an InfluxDB holds already: a point that has another is refused by it. */
import type { FieldType } from '../contracts.ts';
import type { InfluxOptions } from './influxdb.ts';
import { authorizationOf, detectVersion, type InfluxVersion } from './influxdb-server.ts';
import { createTransport } from './influxdb-transport.ts';

/** By measurement and field. Several types where they differ between shards (InfluxDB 1 and 2), in the server's order. */
export type FieldTypes = ReadonlyMap<string, ReadonlyMap<string, FieldType[]>>;

/** It is read as a whole on the main thread: 2 MiB take some 15 ms, and are about 40,000 fields. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
/** What is beyond is left out: the gateway's own ledger goes no further. */
const MAX_MEASUREMENTS = 2000;
const MAX_FIELDS = 1000;

const NOTHING = Buffer.alloc(0);

/**
 * Asks InfluxDB 1 and 2 by InfluxQL (`SHOW FIELD KEYS`; 2 needs a DBRP mapping of the bucket), and 3 by SQL (its
 * `information_schema.columns`). Null where it cannot be told: no answer, one that is too long, no right to read, or a
 * server that keeps no types (VictoriaMetrics). Fields of a type that the gateway never writes (unsigned) are left out.
 * Never rejects.
 */
export async function readFieldTypes(
  options: InfluxOptions,
  signal: AbortSignal,
): Promise<FieldTypes | null> {
  const version = await versionOf(options, signal);
  const path = version === null ? null : queryPath(version, options);
  if (version === null || path === null) return null;
  const transport = createTransport({
    url: options.url,
    authorization: authorizationOf(version, options),
    timeoutMs: options.timeoutMs,
    maxAnswerBytes: MAX_ANSWER_BYTES,
  });
  try {
    const answer = await transport.send({ method: 'GET', path, body: NOTHING, gzipped: false }, signal);
    if (answer.kind === 'failed' || answer.status !== 200) return null;
    const value = parsed(answer.body);
    return version === 3 ? columnsIn(value) : fieldKeysIn(value);
  } finally {
    transport.close();
  }
}

async function versionOf(options: InfluxOptions, signal: AbortSignal): Promise<InfluxVersion | null> {
  const { url, timeoutMs, version } = options;
  if (version !== 'auto') return version;
  const transport = createTransport({ url, authorization: authorizationOf(2, options), timeoutMs });
  try {
    return await detectVersion(transport, signal);
  } catch {
    return null;
  } finally {
    transport.close();
  }
}

const COLUMNS =
  "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'iox'";

function queryPath(version: InfluxVersion, { database, bucket }: InfluxOptions): string | null {
  const db = version === 1 ? (database ?? bucket) : (bucket ?? database);
  if (db === null) return null;
  return version === 3
    ? `/api/v3/query_sql?${new URLSearchParams({ db, q: COLUMNS, format: 'json' })}`
    : `/query?${new URLSearchParams({ db, q: 'SHOW FIELD KEYS' })}`;
}

/** `{"results":[{"series":[{"name","columns":["fieldKey","fieldType"],"values":[[…]]}]}]}`; none of it where there is nothing. */
function fieldKeysIn(value: unknown): FieldTypes | null {
  const [result] = listAt(value, 'results') ?? [];
  if (!isObject(result) || 'error' in result) return null;
  const collected = new Collected();
  for (const series of listAt(result, 'series') ?? []) {
    const columns = listAt(series, 'columns') ?? [];
    const [keyAt, typeAt] = [columns.indexOf('fieldKey'), columns.indexOf('fieldType')];
    // Not what was asked for: a server that only plays this one.
    if (!isObject(series) || keyAt === -1 || typeAt === -1) return null;
    for (const row of listAt(series, 'values') ?? []) {
      if (Array.isArray(row)) collected.add(series.name, row[keyAt], INFLUXQL_TYPES.get(row[typeAt]));
    }
  }
  return collected.types;
}

const INFLUXQL_TYPES: ReadonlyMap<unknown, FieldType> = new Map([
  ['float', 'float'],
  ['integer', 'integer'],
  ['string', 'string'],
  ['boolean', 'boolean'],
]);

/** A list of rows. Tags are dictionaries, and time is a timestamp: neither is a field. */
function columnsIn(value: unknown): FieldTypes | null {
  if (!Array.isArray(value)) return null;
  const collected = new Collected();
  for (const row of value) {
    if (!isObject(row)) return null;
    collected.add(row.table_name, row.column_name, ARROW_TYPES.get(row.data_type));
  }
  return collected.types;
}

const ARROW_TYPES: ReadonlyMap<unknown, FieldType> = new Map([
  ['Float64', 'float'],
  ['Int64', 'integer'],
  ['Utf8', 'string'],
  ['Boolean', 'boolean'],
]);

class Collected {
  readonly types = new Map<string, Map<string, FieldType[]>>();

  add(measurement: unknown, field: unknown, type: FieldType | undefined): void {
    if (typeof measurement !== 'string' || typeof field !== 'string' || type === undefined) return;
    let fields = this.types.get(measurement);
    if (fields === undefined) {
      if (this.types.size >= MAX_MEASUREMENTS) return;
      fields = new Map();
      this.types.set(measurement, fields);
    }
    const known = fields.get(field);
    if (known !== undefined) {
      if (!known.includes(type)) known.push(type);
    } else if (fields.size < MAX_FIELDS) fields.set(field, [type]);
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function listAt(value: unknown, name: string): readonly unknown[] | null {
  if (!isObject(value)) return null;
  const list = value[name];
  return Array.isArray(list) ? list : null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
