import { resolve } from 'node:path';
import type { EmbeddedSinkConfig, InfluxSinkConfig, SinkConfig } from './gateway-config.ts';
import type { RawEmbeddedSink, RawInfluxSink } from './raw-config.ts';
import { readSecret } from './secret-file.ts';
import { parseDuration, parseSize } from './units.ts';

type Report = { problem(pointer: string, message: string): void };

export function normaliseSinks(
  sinks: readonly (RawEmbeddedSink | RawInfluxSink)[],
  base: string,
  report: Report,
): readonly SinkConfig[] {
  // A name also names a file, and some file systems do not tell cases apart.
  const names = new Set<string>();
  return sinks.map((sink, i) => {
    const pointer = `/sinks/${i}`;
    const normal = sink.type === 'embedded' ? embedded(sink) : influx(sink, pointer, base, report);
    const key = normal.name.toLowerCase();
    if (names.has(key))
      report.problem(
        sink.name === undefined ? pointer : `${pointer}/name`,
        sink.name === undefined
          ? `needs a name: another sink is called ${normal.name} already`
          : 'must differ from the names of the other sinks (left out, the name is the type)',
      );
    names.add(key);
    return normal;
  });
}

function embedded({ name, maxBytes, maxAge }: RawEmbeddedSink): EmbeddedSinkConfig {
  return {
    type: 'embedded',
    name: name ?? 'embedded',
    maxBytes: sizeOrNull(maxBytes),
    maxAgeMs: durationOrNull(maxAge),
  };
}

function influx(sink: RawInfluxSink, pointer: string, base: string, report: Report): InfluxSinkConfig {
  for (const wrong of contradictions(sink)) report.problem(pointer + wrong.at, wrong.message);
  const secret = (key: 'password' | 'token'): string | null => {
    const file = sink[`${key}File`];
    if (file === undefined) return sink[key] ?? null;
    const read = readSecret(resolve(base, file));
    if ('problem' in read) report.problem(`${pointer}/${key}File`, read.problem);
    return 'secret' in read ? read.secret : null;
  };
  const { batch } = sink;
  return {
    type: 'influxdb',
    name: sink.name ?? 'influxdb',
    url: sink.url.replace(/\/+$/, ''),
    version: sink.version,
    database: sink.database ?? null,
    username: sink.username ?? null,
    password: secret('password'),
    org: sink.org ?? null,
    bucket: sink.bucket ?? null,
    token: secret('token'),
    gzip: sink.gzip,
    maxBacklogBytes: sizeOrNull(sink.maxBacklog),
    whenFull: sink.whenFull,
    batch: {
      lines: batch.lines,
      bytes: sizeOrNull(batch.bytes) ?? Number.MAX_SAFE_INTEGER,
      ageMs: durationOrNull(batch.age) ?? Number.MAX_SAFE_INTEGER,
    },
    timeoutMs: durationOrNull(sink.timeout) ?? Number.MAX_SAFE_INTEGER,
  };
}

function contradictions(sink: RawInfluxSink): { at: string; message: string }[] {
  const found: { at: string; message: string }[] = [];
  const { version, database, bucket, org } = sink;
  if (!URL.canParse(sink.url)) found.push({ at: '/url', message: 'is no valid address' });
  if (sink.token !== undefined && sink.tokenFile !== undefined)
    found.push({ at: '/tokenFile', message: 'cannot stand beside token: keep one of them' });
  if (sink.password !== undefined && sink.passwordFile !== undefined)
    found.push({ at: '/passwordFile', message: 'cannot stand beside password: keep one of them' });
  if (version === 1 && database === undefined) found.push({ at: '', message: 'needs database (version 1)' });
  if ((version === 2 || version === 3) && bucket === undefined)
    found.push({ at: '', message: `needs bucket (version ${version})` });
  if (version === 2 && org === undefined) found.push({ at: '', message: 'needs org (version 2)' });
  if (version === 'auto' && database === undefined && bucket === undefined)
    found.push({ at: '', message: 'needs database (InfluxDB 1) or bucket (InfluxDB 2 and 3)' });
  return found;
}

function sizeOrNull(text: string | undefined): number | null {
  return text === undefined ? null : (parseSize(text) ?? Number.MAX_SAFE_INTEGER);
}

function durationOrNull(text: string | undefined): number | null {
  return text === undefined ? null : (parseDuration(text) ?? Number.MAX_SAFE_INTEGER);
}
