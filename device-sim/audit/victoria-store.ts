import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { AuditStore, StoredRow, TimeRange } from './audit-contract.ts';

const MS_NS = 1_000_000n;
/** What is held in memory at once. */
const SLICE_MS = 60_000;

/**
 * VictoriaMetrics: it keeps times in ms and numbers only, each field as a series of its own. So readings are compared by
 * time and count: as many as the most frequent field of a series has at that ms.
 */
export function createVictoriaStore(url: string): AuditStore {
  const base = url.endsWith('/') ? url : `${url}/`;
  return {
    name: 'VictoriaMetrics',
    resolutionNs: MS_NS,
    tellsFields: false,
    async *rows(measurement, ranges) {
      // What was written a moment ago is not found yet; where this is not allowed it is found a little later.
      await fetch(new URL('internal/force_flush', base)).then(
        async (response) => await response.arrayBuffer(),
        () => null,
      );
      for (const range of ranges) {
        for (const slice of slices(range)) yield* rowsOf(base, measurement, slice);
      }
    },
    close: async () => {},
  };
}

interface Slice {
  readonly fromMs: number;
  /** Inclusive. */
  readonly toMs: number;
}

function* slices({ fromNs, toNs }: TimeRange): Generator<Slice, undefined> {
  const endMs = Number((toNs - 1n) / MS_NS);
  for (let fromMs = Number(fromNs / MS_NS); fromMs <= endMs; fromMs += SLICE_MS) {
    yield { fromMs, toMs: Math.min(endMs, fromMs + SLICE_MS - 1) };
  }
  return undefined;
}

async function* rowsOf(
  base: string,
  measurement: string,
  { fromMs, toMs }: Slice,
): AsyncGenerator<StoredRow, undefined> {
  const target = new URL('api/v1/export', base);
  const pattern = measurement.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
  target.searchParams.set('match[]', `{__name__=~${JSON.stringify(`${pattern}_.+`)}}`);
  target.searchParams.set('start', (fromMs / 1000).toFixed(3));
  target.searchParams.set('end', (toMs / 1000).toFixed(3));
  let response: Response;
  try {
    response = await fetch(target);
  } catch (error) {
    throw new Error(`VictoriaMetrics does not answer at ${target.origin}`, { cause: error });
  }
  if (!response.ok || response.body === null) {
    throw new Error(`VictoriaMetrics answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
  }
  /** By tags, then by ms: by field, how many. */
  const groups = new Map<string, { tags: Map<string, string>; counts: Map<number, Map<string, number>> }>();
  for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) {
    const series = seriesOf(line);
    if (series === null) continue;
    const key = JSON.stringify([...series.tags].sort());
    const group = groups.get(key) ?? { tags: series.tags, counts: new Map<number, Map<string, number>>() };
    groups.set(key, group);
    for (const ms of series.timestamps) {
      const counts = group.counts.get(ms) ?? new Map<string, number>();
      group.counts.set(ms, counts);
      counts.set(series.name, (counts.get(series.name) ?? 0) + 1);
    }
  }
  for (const { tags, counts } of groups.values()) {
    for (const [ms, fields] of counts) {
      const timeNs = BigInt(ms) * MS_NS;
      for (let i = Math.max(...fields.values()); i > 0; i -= 1) yield { timeNs, tags, fields: null };
    }
  }
  return undefined;
}

/** A line of the export: `{"metric": {…}, "values": […], "timestamps": […]}`. */
function seriesOf(line: string): { name: string; tags: Map<string, string>; timestamps: number[] } | null {
  const parsed: unknown = JSON.parse(line);
  if (typeof parsed !== 'object' || parsed === null) return null;
  if (!('metric' in parsed) || !('timestamps' in parsed)) return null;
  const { metric, timestamps } = parsed;
  if (typeof metric !== 'object' || metric === null || !Array.isArray(timestamps)) return null;
  const tags = new Map(Object.entries(metric).map(([tag, value]) => [tag, String(value)]));
  const name = tags.get('__name__') ?? '';
  tags.delete('__name__');
  return { name, tags, timestamps: timestamps.map(Number) };
}
