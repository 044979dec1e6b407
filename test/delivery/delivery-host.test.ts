import { expect, it } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import type { SinkConfig } from '../../gateway/config/gateway-config.ts';
import { startDelivery } from '../../gateway/delivery/delivery-host.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import { DEFAULT_STORE_OPTIONS } from '../../gateway/store/store-options.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { queryCopy } from '../support/duckdb-copy.ts';
import { fillStore } from '../support/fill-store.ts';
import { influxSink } from '../support/influx-sink.ts';
import { until } from '../support/processes.ts';
import { type InfluxServer, startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const events = { emit: () => undefined };

async function openStore(dir: string): Promise<Store> {
  return await openLmdbStore(
    { ...DEFAULT_STORE_OPTIONS, dir, minFreeDiskBytes: 0 },
    { clock: systemClock, events },
  );
}

describeWith(['influxd'], 'delivery out of the store', () => {
  it('writes what was stored before and after its start, settles it, and keeps what the sink refuses', async () => {
    const server: InfluxServer = await startInfluxd();
    await server.createDatabase('d');
    const dataDir = temporaryFolder('delivery');
    const store = await openStore(dataDir);
    await fillStore(store, 0, 300);
    const { cursor } = store.openSink('influx', { maxBacklogBytes: null, whenFull: 'block' });
    const delivery = startDelivery(influxSink(server.url), cursor, {
      store,
      events,
      clock: systemClock,
      mode: 'worker',
      dataDir,
    });
    await fillStore(store, 300, 100);
    await fillStore(store, 400, 1, '"text"');
    await until('all is settled', () => store.sinks()[0]?.pending === 0);
    expect(store.sinks()[0]).toMatchObject({ stored: 401, written: 400, rejected: 1, dropped: 0 });
    expect(await server.count('d', 'm', 'f')).toBe(400);
    const [rejection] = store.rejections({ code: 'sink-rejected' });
    expect(rejection).toMatchObject({ sink: 'influx', device: 'd4' });
    expect(rejection?.payload.toString()).toContain('f="text"');
    expect(rejection?.violations[0]?.message).toContain('field type conflict');
    expect(delivery.health()).toMatchObject({ name: 'influx', reason: null });
    expect(delivery.health().lastWriteMs).not.toBeNull();
    expect(delivery.stats()).toMatchObject({ refusedPoints: 1, restarts: 0 });
    await delivery.stop(1000);
    expect(delivery.health().state).toBe('stopped');
    await store.close();
  });
});

describeWith(['duckdb'], 'delivery into the embedded store', () => {
  it('goes on behind its last settlement after a restart, and behind its own cursor after a crash', async () => {
    const dataDir = temporaryFolder('delivery');
    const config: SinkConfig = { type: 'embedded', name: 'embedded', maxBytes: null, maxAgeMs: null };
    for (let round = 0; round < 3; round += 1) {
      const store = await openStore(dataDir);
      const { cursor } = store.openSink('embedded', { maxBacklogBytes: null, whenFull: 'block' });
      // The last round plays a crash before the settlement: the store knows of nothing, the sink of all.
      const from = round === 2 ? 0 : cursor;
      const delivery = startDelivery(config, from, {
        store,
        events,
        clock: systemClock,
        mode: 'inline',
        dataDir,
      });
      await fillStore(store, round * 100, 100);
      await until('all is settled', () => store.sinks()[0]?.pending === 0);
      await delivery.stop(1000);
      await store.close();
    }
    expect(
      await queryCopy(
        `${dataDir}/embedded.duckdb`,
        'SELECT count(*)::INTEGER, count(DISTINCT n)::INTEGER FROM m',
      ),
    ).toEqual([[300, 300]]);
  });
});
