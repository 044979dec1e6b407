import { afterAll, describe, expect, it } from 'vitest';
import type { Point } from '../../gateway/contracts.ts';
import { createLedgers, type GatewayLedgers } from '../../gateway/ledgers/ledgers.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { devices } from './devices-under-test.ts';
import { ManualClock, pointOf, seriesOf, ToldEvents } from './fake-store.ts';

const DEVICES = 400;
const clock = new ManualClock();
const events = new ToldEvents();
const dir = temporaryFolder();
const open: Store[] = [];

async function start(): Promise<{ store: Store; ledgers: GatewayLedgers }> {
  const store = await openLmdbStore({ dir }, { clock, events });
  open.push(store);
  const ledgers = createLedgers({
    store,
    devices: devices().registry,
    clock,
    events,
    sinks: new Set(['influx']),
    series: { maxSeries: DEVICES, maxSeriesPerMeasurement: null, maxAgeMs: 30 * 86_400_000 },
  });
  return { store, ledgers };
}

function point(n: number): Point {
  return pointOf(seriesOf(`device=d${n}`), 'value=1', { identity: { high: n, low: 7 } });
}

describe('the ledgers on a real store', () => {
  afterAll(async () => {
    for (const store of open) await store.close();
  });

  it('know after a restart what was acknowledged before it', async () => {
    const { store, ledgers } = await start();
    for (let n = 0; n < DEVICES; n += 1) {
      const group = store.group();
      const each = point(n);
      expect(ledgers.judge(each)).toBeNull();
      group.receive('mqtt', each.device, 1);
      group.point(each.line);
      ledgers.keep(each, group);
      group.count('mqtt', each.device, 'stored', 1);
      if (n % 100 === 99) await group.committed;
    }
    ledgers.learn('influx', new Map([['boiler', new Map([['value', ['integer' as const]]])]]));
    const report = ledgers.seriesReport();
    await store.close();
    open.pop();

    const again = await start();
    expect(again.ledgers.seriesReport()).toEqual(report);
    expect(again.ledgers.fieldsReport()).toMatchObject([
      { measurement: 'machine', field: 'value', device: 'd0' },
    ]);
    for (let n = 0; n < DEVICES; n += 1) expect(again.ledgers.judge(point(n))?.kind).toBe('duplicate');
    expect(again.ledgers.judge(pointOf(seriesOf('device=d0')))).toBeNull();
    expect(again.ledgers.judge(pointOf(seriesOf('device=new')))).toMatchObject({ code: 'cardinality' });
    const boiler = pointOf(seriesOf('device=d0', undefined, 'boiler'));
    expect(again.ledgers.judge(boiler)).toMatchObject({ code: 'type-conflict' });
    expect(await again.ledgers.forgetField('boiler', 'value')).toBe(true);
    expect(again.store.document('database-types/influx')).toBe('[["boiler",[]]]');
  });
});
