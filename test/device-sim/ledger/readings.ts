import type { PlannedReading } from '../../../device-sim/contracts.ts';
import { type DigestField, digestOfFields } from '../../../device-sim/field-digest.ts';
import type { LedgerHeader } from '../../../device-sim/ledger/run-file.ts';

export const START_MS = Date.UTC(2026, 2, 1, 12);

/** A run of devices `d0`, `d1`, … with QoS 1, and times of their own in ms unless `timeUnitNs` says otherwise. */
export function headerOf(
  devices: number,
  {
    timeUnitNs = 1_000_000,
    qos = 1,
    startMs = START_MS,
  }: { timeUnitNs?: number | null; qos?: 0 | 1; startMs?: number } = {},
): LedgerHeader {
  return {
    startMs,
    version: '0.0.0',
    scenario: {
      name: 'test',
      seed: 7,
      url: 'mqtt://user:secret@127.0.0.1:1883',
      fleets: [
        {
          name: 'fleet',
          devices,
          schema: 'env.v1',
          ratePerSecond: 1,
          topic: null,
          payloadBytes: null,
          link: {
            kind: 'mqtt',
            url: null,
            clientId: 'sim-%i',
            qos,
            cleanSession: true,
            keepaliveSeconds: 30,
            maxInFlight: 10,
            reconnectMinMs: 100,
            reconnectMaxMs: 1000,
            devicesPerConnection: 1,
            receipts: false,
          },
          faults: {},
        },
      ],
    },
    devices: Array.from({ length: devices }, (_, i) => ({
      name: `d${i}`,
      fleet: 0,
      schema: 'env.v1',
      deviceTag: 'device',
      tags: { site: 'north' },
      timeUnitNs,
      undigested: ['boot'],
    })),
  };
}

/** As the database has a reading of `headerOf`: with its tag, without the undigested field. */
export function fieldsOf(value: number): DigestField[] {
  return [
    { name: 'value', kind: 'f', value },
    { name: 'count', kind: 'i', value: BigInt(Math.floor(value)) },
  ];
}

export function plannedReading(
  device: number,
  n: number,
  value: number,
  { offsetNs = null, fate = 'stored' }: { offsetNs?: bigint | null; fate?: PlannedReading['fate'] } = {},
): PlannedReading {
  return {
    device,
    n,
    topic: `sensors/d${device}/env`,
    payload: Buffer.from(JSON.stringify({ device, n, value })),
    fault: fate === 'stored' ? null : 'violation',
    fate,
    expected:
      fate === 'rejected'
        ? null
        : {
            measurement: 'env',
            fields: digestOfFields([...fieldsOf(value), { name: 'tag:site', kind: 's', value: 'north' }]),
            time: offsetNs === null ? null : { ns: offsetNs, base: 'start' },
          },
    recognisable: offsetNs !== null,
  };
}
