import { describe, expect, it } from 'vitest';
import { windowFor } from '../../../bench/scaling/payload.ts';
import {
  bytesSentence,
  type PayloadRow,
  payloadReport,
  rateSentence,
} from '../../../bench/scaling/payload-report.ts';
import { manySchemas } from '../../../bench/scaling/schemas.ts';
import {
  type SchemasRow,
  rateSentence as schemasRateSentence,
  schemasReport,
  startSentence,
} from '../../../bench/scaling/schemas-report.ts';

const LOAD = {
  writtenPerSecond: null,
  p99Ms: 12,
  cores: 1.1,
  rssAnonBytes: 100e6,
  generatorCores: 0.2,
};

function payload(subject: PayloadRow['subject'], bytes: number, acknowledgedPerSecond: number): PayloadRow {
  return { ...LOAD, subject, bytes, acknowledgedPerSecond };
}

const GATEWAY = [payload('gateway', 50, 100_000), payload('gateway', 64_000, 1000)];
const PAUSED = [payload('gateway-paused', 50, 150_000), payload('gateway-paused', 64_000, 2500)];
const MOSQUITTO = [payload('mosquitto', 50, 100_000), payload('mosquitto', 64_000, 10_000)];

describe('payloads', () => {
  it('are compared with Mosquitto at both ends', () => {
    expect(rateSentence(PAUSED, GATEWAY, MOSQUITTO)).toBe(
      'The gateway stores and acknowledges 1.5 × what Mosquitto acknowledges at 50 B, and 0.25 × at 64 KB (0.1 × while InfluxDB writes beside it).',
    );
  });

  it('come to megabytes per second', () => {
    expect(
      bytesSentence(PAUSED, [payload('mosquitto', 50, 100_000), payload('mosquitto', 500, 10_000)]),
    ).toBe(
      'From 50 B to 64 KB what the gateway makes durable rises from 7.5 to 160 MB/s; what Mosquitto acknowledges stays about the same, 5 and 5 MB/s.',
    );
  });

  it('have a row each, and a line for each subject', () => {
    const { table, plots } = payloadReport([...GATEWAY, ...PAUSED, ...MOSQUITTO]);
    expect(table).toContain('| 64 KB | gateway, sink away | 2,500 | 160 | – | 12 | 1.10 | 0.20 |');
    expect(plots.map(({ plot }) => plot.lines.length)).toEqual([3, 3]);
  });

  it('are fewer at once the larger they are, and one at least', () => {
    expect([50, 1000, 64_000, 1_000_000].map(windowFor)).toEqual([50, 50, 5, 1]);
  });

  it('need measurements of every subject', () => {
    expect(() => payloadReport(GATEWAY)).toThrow('two measurements');
  });
});

function schemas(
  subject: SchemasRow['subject'],
  count: number,
  acknowledgedPerSecond: number,
  writtenPerSecond: number | null,
): SchemasRow {
  return {
    ...LOAD,
    subject,
    schemas: count,
    topics: 10_000,
    startMs: 500 + count,
    acknowledgedPerSecond,
    writtenPerSecond,
  };
}

describe('schemas', () => {
  const paused = [schemas('gateway-paused', 1, 100_000, null), schemas('gateway-paused', 1000, 50_000, null)];
  const gateway = [schemas('gateway', 1, 80_000, 80_000), schemas('gateway', 1000, 40_000, 20_000)];

  it('are compared with one', () => {
    expect(schemasRateSentence(paused, gateway)).toBe(
      'With 1,000 schemas the gateway acknowledges 0.5 × what it does with 1; with InfluxDB it writes 0.25 ×.',
    );
    expect(startSentence(paused)).toBe(
      'It listens after 0.5 s with 1 and after 1.5 s with 1,000 schemas: 1 ms more for each.',
    );
  });

  it('claim no cost of each where there was none', () => {
    const [one, most] = [schemas('gateway', 1, 1, 1), { ...schemas('gateway', 1000, 1, 1), startMs: 400 }];
    expect(startSentence([one, most])).toBe(
      'It listens after 0.5 s with 1 and after 0.4 s with 1,000 schemas.',
    );
  });

  it('have a row each', () => {
    const { table, plots } = schemasReport([...paused, ...gateway]);
    expect(table).toContain(
      '| 1,000 | gateway + InfluxDB | 40,000 | 20,000 | 12 | 1.5 s | 100 MB | 1.10 | 0.20 |',
    );
    expect(plots[0]?.plot.lines.map(({ points }) => points.length)).toEqual([2, 2, 2]);
  });

  it('have each a name, a measurement and a topic of its own', () => {
    const all = manySchemas(1000);
    expect(new Set(all.map(({ $id }) => $id)).size).toBe(1000);
    expect(all[42]).toMatchObject({
      $id: 'kind-0042.v1',
      telemetry: { measurement: 'kind_0042', topics: ['sensors/{device}/kind-0042'] },
    });
  });
});
