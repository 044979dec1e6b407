/** Delivery on a thread of its own: only the compiled program has one. */
import { describe, expect, it } from 'vitest';
import type { SinkConfig } from '../../gateway/config/gateway-config.ts';
import { queryCopy } from '../support/duckdb-copy.ts';
import { fillStore } from '../support/fill-store.ts';
import { startInfluxFront } from '../support/influx-front.ts';
import { influxSink } from '../support/influx-sink.ts';
import { until } from '../support/processes.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const dist = new URL('../../dist/gateway/', import.meta.url).href;
// The compiled modules are those of the sources: same exports, same types.
const { startDelivery } = (await import(
  /* @vite-ignore */ `${dist}delivery/delivery-host.js`
)) as typeof import('../../gateway/delivery/delivery-host.ts');
const { openLmdbStore } = (await import(
  /* @vite-ignore */ `${dist}store/lmdb-store.js`
)) as typeof import('../../gateway/store/lmdb-store.ts');
const { systemClock: clock } = (await import(
  /* @vite-ignore */ `${dist}clocks/clock.js`
)) as typeof import('../../gateway/clocks/clock.ts');

describeWith(['influxd', 'duckdb'], 'delivery on threads of their own', () => {
  it('feeds two sinks from one log, settles both, and keeps what one refuses', async () => {
    const server = await startInfluxd();
    await server.createDatabase('d');
    const dataDir = temporaryFolder('delivery');
    const told: string[] = [];
    const events = { emit: (name: string): void => void told.push(name) };
    const store = await openLmdbStore({ dir: dataDir, minFreeDiskBytes: 0 }, { clock, events });
    const deps = { store, events, clock, mode: 'worker' as const, dataDir };
    const configs: SinkConfig[] = [
      influxSink(server.url),
      { type: 'embedded', name: 'embedded', maxBytes: null, maxAgeMs: null },
    ];
    const deliveries = configs.map((config) => {
      const { cursor } = store.openSink(config.name, { maxBacklogBytes: null, whenFull: 'block' });
      return startDelivery(config, cursor, deps);
    });
    for (let i = 0; i < 20; i += 1) await fillStore(store, i * 1000, 1000);
    await fillStore(store, 20_000, 1, '"text"');
    await until('all is settled', () => store.sinks().every(({ pending }) => pending === 0), {
      timeoutMs: 30_000,
    });
    const ledgers = new Map(store.sinks().map((ledger) => [ledger.name, ledger]));
    expect(ledgers.get('influx')).toMatchObject({ written: 20_000, rejected: 1 });
    expect(ledgers.get('embedded')).toMatchObject({ written: 20_001, rejected: 0 });
    expect(await server.count('d', 'm', 'f')).toBe(20_000);
    const [rejection] = store.rejections({ code: 'sink-rejected' });
    expect(rejection?.payload.toString()).toContain('f="text"');
    expect(deliveries.map((delivery) => delivery.health().state)).toEqual(['idle', 'idle']);
    expect(told.filter((name) => name === 'sink.ready')).toHaveLength(2);

    // Away and back: one sink waits, and nobody else does.
    await server.stop();
    await fillStore(store, 30_000, 100);
    await until(
      'the other goes on',
      () => store.sinks().find(({ name }) => name === 'embedded')?.pending === 0,
    );
    await until('trouble is known', () => deliveries[0]?.health().state === 'retrying');
    expect(deliveries[0]?.health().reason).toContain('nothing listens');
    await server.restart();
    await until('all is settled', () => store.sinks().every(({ pending }) => pending === 0), {
      timeoutMs: 30_000,
    });
    expect(await server.count('d', 'm', 'f')).toBe(20_100);

    await fillStore(store, 40_000, 100);
    await Promise.all(deliveries.map(async (delivery) => await delivery.stop(5000)));
    expect(store.sinks().map(({ pending }) => pending)).toEqual([0, 0]);
    expect(deliveries.map((delivery) => delivery.health().state)).toEqual(['stopped', 'stopped']);
    await store.close();
    expect(await queryCopy(`${dataDir}/embedded.duckdb`, 'SELECT count(*)::INTEGER FROM m')).toEqual([
      [20_201],
    ]);
  });
});

describe('delivery on a thread', () => {
  it('goes on, and loses nothing, when the thread ends by itself again and again', async () => {
    const server = await startInfluxFront(null);
    const dataDir = temporaryFolder('delivery');
    const told: string[] = [];
    const events = { emit: (name: string): void => void told.push(name) };
    const store = await openLmdbStore({ dir: dataDir, minFreeDiskBytes: 0 }, { clock, events });
    const { cursor } = store.openSink('influx', { maxBacklogBytes: null, whenFull: 'block' });
    const delivery = startDelivery(influxSink(server.url), cursor, {
      ...{ store, events, clock, mode: 'worker' as const, dataDir },
      workerUrl: new URL('../../dist/test/support/crashing-worker.js', import.meta.url),
    });
    let filled = 0;
    for (; delivery.stats().restarts < 3; filled += 500) {
      await fillStore(store, filled, 500);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await until('all is settled', () => store.sinks()[0]?.pending === 0, { timeoutMs: 30_000 });
    await delivery.stop(5000);
    expect(told.filter((name) => name === 'delivery.restarted')).toHaveLength(3);
    expect(store.sinks()[0]).toMatchObject({ stored: filled, written: filled });
    // What was written but not settled when it ended was written again: the same lines.
    expect(new Set(server.lines()).size).toBe(filled);
    await store.close();
    await server.close();
  });
});
