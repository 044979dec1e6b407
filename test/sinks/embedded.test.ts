import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeLine, type FieldValue, nameProblem } from '../../gateway/line-protocol/encode.ts';
import type { Sink } from '../../gateway/sink-contract.ts';
import { createEmbeddedSink, type EmbeddedOptions } from '../../gateway/sinks/embedded.ts';
import { MAX_COLUMNS, MAX_TABLES } from '../../gateway/sinks/embedded-catalog.ts';
import { queryCopy } from '../support/duckdb-copy.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const never = new AbortController().signal;
const WRITTEN = { kind: 'written' };

interface Opened {
  readonly sink: Sink;
  readonly path: string;
  /** Writes lines as one slice. */
  write(...lines: string[]): Promise<void>;
  rows(sql: string): Promise<unknown[][]>;
}

async function opened(options: Partial<EmbeddedOptions> = {}, store = 'store'): Promise<Opened> {
  const path = options.path ?? join(temporaryFolder('embedded'), 'e.duckdb');
  const sink = createEmbeddedSink({ path, maxBytes: null, maxAgeMs: null, ...options });
  let seq = (await sink.open(store, 1_000_000, never)) ?? 0;
  return {
    sink,
    path,
    write: async (...lines) => {
      seq += 1;
      expect(await sink.write(Buffer.from(lines.map((line) => `${line}\n`).join('')), seq, never)).toEqual(
        WRITTEN,
      );
    },
    rows: async (sql) => await queryCopy(path, sql),
  };
}

describeWith(['duckdb'], 'the embedded sink', () => {
  it('has a column for each tag and field, with its type, and nanoseconds', async () => {
    const { write, rows, sink } = await opened();
    await write(
      'm,device=a,site=x t=21.5,n=9223372036854775807i,ok=true,s="say \\"hi\\"" 1700000000123456789',
    );
    await write('m,device=b t=1 1700000000123456790');
    expect(
      await rows(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'm' ORDER BY column_index",
      ),
    ).toEqual([
      ['time', 'TIMESTAMP_NS'],
      ['device', 'VARCHAR'],
      ['site', 'VARCHAR'],
      ['t', 'DOUBLE'],
      ['n', 'BIGINT'],
      ['ok', 'BOOLEAN'],
      ['s', 'VARCHAR'],
    ]);
    expect(await rows('SELECT epoch_ns(time), device, site, t, n, ok, s FROM m ORDER BY time')).toEqual([
      ['1700000000123456789', 'a', 'x', 21.5, '9223372036854775807', true, 'say "hi"'],
      ['1700000000123456790', 'b', null, 1, null, null, null],
    ]);
    await sink.close();
  });

  it('grows by columns as they come, also within a batch and after it was opened again', async () => {
    const first = await opened();
    await first.write('m a=1 1', 'm b=2,c="x" 2');
    await first.sink.close();
    const again = await opened({ path: first.path });
    await again.write('m a=3,d=4i 3', 'm,device=x b=5 4');
    expect(await again.rows('SELECT a, b, c, d, device FROM m ORDER BY time')).toEqual([
      [1, null, null, null, null],
      [null, 2, 'x', null, null],
      [3, null, null, '4', null],
      [null, 5, null, null, 'x'],
    ]);
    await again.sink.close();
  });

  it('never refuses a type: integers widen, others get a column of their own', async () => {
    const { write, rows, sink, path } = await opened();
    await write('m v=1i 1', 'm v=2i 2');
    await write('m v=2.5 3');
    await write('m v="off" 4', 'm v=true 5', 'm v=7i 6');
    expect(await rows('SELECT v, v_string, v_boolean FROM m ORDER BY time')).toEqual([
      [1, null, null],
      [2, null, null],
      [2.5, null, null],
      [null, 'off', null],
      [null, null, true],
      [7, null, null],
    ]);
    await sink.close();
    const again = await opened({ path });
    await again.write('m v=8i,v2=1i 7', 'm v="on",v2=1.5 8');
    expect(await again.rows('SELECT v, v_string, v2 FROM m WHERE epoch_ns(time) > 6 ORDER BY time')).toEqual([
      [8, null, 1],
      [null, 'on', 1.5],
    ]);
    await again.sink.close();
  });

  it('keeps apart what only case, kind or a name of DuckDB’s would mix', async () => {
    const { write, rows, sink } = await opened();
    await write('Temp,Device=a,device=b,x=tag x=1,X=2,time=3,Time=4 1', 'temp x=5 2', 'TEMP x=6 3');
    await write('sqlite_master x=1 1', 'overflow x=2 1', 'duckdb_tables x=3 1');
    expect(await rows('SELECT measurement, table_name FROM gateway.tables ORDER BY measurement')).toEqual([
      ['TEMP', 'TEMP_3'],
      ['Temp', 'Temp'],
      ['duckdb_tables', 'duckdb_tables_2'],
      ['overflow', 'overflow_2'],
      ['sqlite_master', 'sqlite_master_2'],
      ['temp', 'temp_2'],
    ]);
    expect(await rows('SELECT * EXCLUDE (time) FROM "Temp"')).toEqual([['a', 'b', 'tag', 1, 2, 3, 4]]);
    expect(
      await rows("SELECT kind, key, column_name FROM gateway.columns WHERE table_name = 'Temp' ORDER BY ALL"),
    ).toEqual([
      ['number', 'Time', 'Time_2'],
      ['number', 'X', 'X_2'],
      ['number', 'time', 'time_number'],
      ['number', 'x', 'x_number'],
      ['tag', 'Device', 'Device'],
      ['tag', 'device', 'device_tag'],
      ['tag', 'x', 'x'],
    ]);
    await sink.close();
  });

  it('holds any name and text that line protocol can, each reading in its place', async () => {
    const name = fc
      .oneof(
        fc.constantFrom(
          '__proto__',
          'select',
          '"',
          '";DROP TABLE m;--',
          "'",
          'main',
          'gateway',
          'İ',
          'ı',
          'K',
          '💡',
        ),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
      )
      .filter((text) => nameProblem(text) === null && !text.startsWith('#'));
    const value: fc.Arbitrary<FieldValue> = fc.oneof(
      fc.record({
        type: fc.constant('float' as const),
        value: fc.double({ noNaN: true, noDefaultInfinity: true }),
      }),
      fc.record({
        type: fc.constant('integer' as const),
        value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      }),
      fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
      fc.record({
        type: fc.constant('string' as const),
        value: fc.string({ unit: 'binary' }).filter((text) => !/\n|\p{Surrogate}/u.test(text)),
      }),
    );
    const point = fc.record({
      measurement: name,
      tags: fc.uniqueArray(fc.tuple(name, name), { maxLength: 3, selector: ([key]) => key }),
      fields: fc.uniqueArray(fc.tuple(name, value), { minLength: 1, maxLength: 4, selector: ([key]) => key }),
      timestampNs: fc.bigInt({ min: 0n, max: 2n ** 62n }).map(String),
    });
    const { sink, rows } = await opened();
    let seq = 0;
    let written = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(point, { minLength: 1, maxLength: 20 }), async (points) => {
        seq += 1;
        written += points.length;
        const lines = Buffer.from(points.map(encodeLine).join(''));
        expect(await sink.write(lines, seq, never)).toEqual(WRITTEN);
      }),
      { numRuns: 20 },
    );
    await sink.close();
    const tables = await rows('SELECT table_name FROM gateway.tables');
    const counts = tables.map(
      ([table]) => `(SELECT count(*) FROM main."${String(table).replaceAll('"', '""')}")`,
    );
    expect(await rows(`SELECT (${counts.join(' + ')})::INTEGER`)).toEqual([[written]]);
    expect(await rows('SELECT count(*)::INTEGER FROM overflow')).toEqual([[0]]);
  });

  it('keeps as whole lines what has no place: too many columns, or no line protocol at all', async () => {
    const { write, rows, sink } = await opened();
    const fields = (from: number, count: number): string =>
      Array.from({ length: count }, (_, i) => `f${from + i}=1`).join(',');
    await write(`m ${fields(0, MAX_COLUMNS - 1)} 1`);
    await write(`m ${fields(600, 1)} 2`, 'm f0=2 3', 'not line protocol');
    expect(await rows('SELECT count(*)::INTEGER, sum(f0) FROM m')).toEqual([[2, 3]]);
    expect(await rows('SELECT epoch_ns(time), measurement, line FROM overflow ORDER BY ALL')).toEqual([
      ['2', 'm', 'm f600=1 2'],
      [null, '', 'not line protocol'],
    ]);
    await sink.close();
  });

  it('has a bound on tables', async () => {
    const { write, rows, sink } = await opened();
    await write(...Array.from({ length: MAX_TABLES + 3 }, (_, i) => `m${i} f=1 ${i}`));
    expect(await rows('SELECT count(*)::INTEGER FROM gateway.tables')).toEqual([[MAX_TABLES]]);
    expect(await rows('SELECT measurement FROM overflow ORDER BY time')).toEqual([
      ['m2000'],
      ['m2001'],
      ['m2002'],
    ]);
    await sink.close();
  }, 30_000);

  it('has each slice once, also when it comes again after a crash, and keeps rows of an earlier store', async () => {
    const first = await opened();
    await first.write('m f=1 1');
    await first.write('m f=2 2');
    await first.sink.close();
    const again = await opened({ path: first.path });
    expect(await again.sink.open('store', 1_000_000, never)).toBe(2);
    expect(await again.sink.write(Buffer.from('m f=2 2\n'), 2, never)).toEqual(WRITTEN);
    expect(await again.rows('SELECT f FROM m ORDER BY time')).toEqual([[1], [2]]);
    await again.sink.close();
    const other = await opened({ path: first.path }, 'a store begun anew');
    await other.write('m f=9 3');
    expect(await other.rows('SELECT f FROM m ORDER BY time')).toEqual([[1], [2], [9]]);
    await other.sink.close();
    expect(
      await createEmbeddedSink({ path: first.path, maxBytes: null, maxAgeMs: null }).open(
        'store',
        1_000_000,
        never,
      ),
    ).toBe(2);
  });

  it('writes what comes after an older copy of the store was put in its place', async () => {
    const first = await opened();
    for (const time of [1, 2, 3]) await first.write(`m f=1 ${time}`);
    await first.sink.close();
    const sink = createEmbeddedSink({ path: first.path, maxBytes: null, maxAgeMs: null });
    expect(await sink.open('store', 2, never)).toBe(2);
    expect(await sink.write(Buffer.from('m f=2 4\n'), 3, never)).toEqual(WRITTEN);
    expect(await first.rows('SELECT f FROM m ORDER BY time')).toEqual([[1], [1], [1], [2]]);
    await sink.close();
  });

  it('ends what it is doing when it is told to stop, and has the slice whole or not at all', async () => {
    const { sink, rows } = await opened();
    const lines = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `m f=${i} ${i}\n`).join(''));
    for (let seq = 1; seq <= 10; seq += 1) {
      const stop = new AbortController();
      const decision = sink.write(lines, seq, stop.signal);
      setTimeout(() => stop.abort(), seq * 4);
      expect(['written', 'retry']).toContain((await decision).kind);
    }
    await sink.open('store', 1_000_000, never);
    expect(await sink.write(lines, 11, never)).toEqual(WRITTEN);
    const [[count] = []] = await rows('SELECT count(*)::INTEGER FROM m');
    expect(Number(count) % 20_000).toBe(0);
    await sink.close();
  });

  it('makes a table anew that somebody has dropped, and leaves alone a column that somebody has added', async () => {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const first = await opened();
    await first.write('m f=1 1', 'n f=1 1');
    await first.sink.close();
    const instance = await DuckDBInstance.create(first.path);
    const connection = await instance.connect();
    await connection.run('DROP TABLE m');
    await connection.run('ALTER TABLE n ADD COLUMN note BLOB');
    connection.closeSync();
    instance.closeSync();
    const again = await opened({ path: first.path });
    await again.write('m f=2 2', 'n f=2,g=3 2');
    expect(await again.rows('SELECT f FROM m')).toEqual([[2]]);
    expect(await again.rows('SELECT f, note, g FROM n ORDER BY time')).toEqual([
      [1, null, null],
      [2, null, 3],
    ]);
    await again.sink.close();
  });

  it('lets readings go that are older than their age', async () => {
    const nowMs = 1_700_000_000_000;
    const { write, rows, sink } = await opened({ maxAgeMs: 60_000, now: () => nowMs });
    await write(`m f=1 ${nowMs - 60_001}000000`, `m f=2 ${nowMs - 59_999}000000`, 'n f=1 1');
    expect(await rows('SELECT f FROM m')).toEqual([[2]]);
    expect(await rows('SELECT f FROM n')).toEqual([]);
    await sink.close();
  });

  it('stays near its size, and lets the oldest go', async () => {
    const maxBytes = 8 * 1024 * 1024;
    const { sink, rows, path } = await opened({ maxBytes });
    let seq = 0;
    for (let round = 0; round < 60; round += 1) {
      let text = '';
      for (let i = 0; i < 5000; i += 1) {
        seq += 1;
        text += `m f=${Math.random()},g=${Math.random()},h=${Math.random()},i=${Math.random()} ${seq}\n`;
      }
      expect(await sink.write(Buffer.from(text), round + 1, never)).toEqual(WRITTEN);
    }
    const [row] = await rows('SELECT count(*)::INTEGER, max(epoch_ns(time))::INTEGER FROM m');
    expect(row?.[1]).toBe(seq);
    expect(Number(row?.[0])).toBeLessThan(seq);
    expect(Number(row?.[0])).toBeGreaterThan(seq / 20);
    await sink.close();
    const { statSync } = await import('node:fs');
    expect(statSync(path).size).toBeLessThan(2 * maxBytes);
  }, 60_000);

  it('opens with words where the file is no database', async () => {
    const { writeFileSync } = await import('node:fs');
    const path = join(temporaryFolder('embedded'), 'e.duckdb');
    writeFileSync(path, 'this is no database, and long enough to look at. '.repeat(1000));
    const sink = createEmbeddedSink({ path, maxBytes: null, maxAgeMs: null });
    await expect(sink.open('store', 1_000_000, never)).rejects.toMatchObject({ code: 'sink-unavailable' });
  });
});
